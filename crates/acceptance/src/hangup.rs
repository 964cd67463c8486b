//! Tells a running server to read its files again.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

use crate::process;

/// Sends SIGHUP to the server that runs in this folder. Every scenario has a folder of its own.
///
/// # Errors
/// When none runs there.
pub async fn hang_up(folder: &Path) -> Result<()> {
    let pid = server_in(folder)?.context("no server runs in the scenario's folder")?;
    process::signal(pid, "HUP").await
}

fn server_in(folder: &Path) -> Result<Option<u32>> {
    let folder = folder.canonicalize()?;
    for entry in fs::read_dir("/proc").context("this needs /proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let runs_here = fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd == folder);
        let arguments = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if runs_here && arguments.split(|&byte| byte == 0).any(|word| word == b"serve") {
            return Ok(Some(pid));
        }
    }
    Ok(None)
}

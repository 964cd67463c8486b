//! Where `scripts/setup test` installs the programs that are not metricd's.

use std::{env, path::PathBuf};

use anyhow::{Context as _, Result, ensure};

/// Returns the folder in which programs keep what they can make again.
///
/// # Errors
/// When this user has none.
pub fn user_cache() -> Result<PathBuf> {
    let below = |name: &str, path: &str| Some(PathBuf::from(env::var_os(name)?).join(path));
    below("XDG_CACHE_HOME", "").or_else(|| below("HOME", ".cache")).context("HOME is not set")
}

/// Returns the folder of what is installed under a name.
///
/// # Errors
/// When it is not installed.
pub(crate) fn installed(name: &str) -> Result<PathBuf> {
    let tools = match env::var_os("TOOLS_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => user_cache()?.join("metricd/tools"),
    };
    let folder = tools.join(name);
    ensure!(
        folder.join("stamp").is_file(),
        "{} is not installed: run `scripts/setup test`",
        folder.display(),
    );
    Ok(folder)
}

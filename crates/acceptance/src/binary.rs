//! The binary under test.

use std::{env, path::PathBuf, process::Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::process::Command;

/// Returns the path in `ACCEPTANCE_BINARY`, else of what `cargo build -p metricd` makes.
///
/// # Errors
/// When the build fails or makes no such binary.
pub async fn find() -> Result<PathBuf> {
    if let Some(given) = env::var_os("ACCEPTANCE_BINARY") {
        let path = PathBuf::from(given);
        return path
            .canonicalize()
            .with_context(|| format!("ACCEPTANCE_BINARY: {}", path.display()));
    }
    let mut build = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build
        .args(["build", "--package", "metricd", "--message-format", "json-render-diagnostics"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    let output = build.output().await.context("cannot start cargo")?;
    ensure!(output.status.success(), "`cargo build -p metricd` failed");
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let message: serde_json::Value = serde_json::from_str(line)?;
        if message["target"]["name"] == "metricd"
            && let Some(path) = message["executable"].as_str()
        {
            return Ok(path.into());
        }
    }
    bail!("`cargo build -p metricd` made no binary")
}

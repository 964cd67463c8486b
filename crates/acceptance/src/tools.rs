//! Where `scripts/setup test` installs the programs that are not metricd's.

use std::{env, path::PathBuf};

use anyhow::{Context as _, Result, ensure};

/// Returns the folder of what is installed under a name.
///
/// # Errors
/// When it is not installed.
pub(crate) fn installed(name: &str) -> Result<PathBuf> {
    let below = |name: &str, path: &str| Some(PathBuf::from(env::var_os(name)?).join(path));
    let tools = below("TOOLS_DIR", "")
        .or_else(|| below("XDG_CACHE_HOME", "metricd/tools"))
        .or_else(|| below("HOME", ".cache/metricd/tools"))
        .context("neither TOOLS_DIR nor HOME is set")?;
    let folder = tools.join(name);
    ensure!(
        folder.join("stamp").is_file(),
        "{} is not installed: run `scripts/setup test`",
        folder.display(),
    );
    Ok(folder)
}

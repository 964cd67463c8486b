//! Folders that only their owner may write: what is in them is trusted.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::Path,
};

/// Creates a folder, and those above it, that no other user may enter; one that exists is left as it is.
pub(crate) fn make(dir: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Creates a private folder, or closes the one that exists to all other users.
#[cfg(feature = "embedded")]
pub(crate) fn make_private(dir: &Path) -> io::Result<()> {
    make(dir)?;
    let is_open_to_others = fs::metadata(dir)?.permissions().mode() & 0o077 != 0;
    if is_open_to_others {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Whether its group or all users may write it, and so replace what is in it.
pub(crate) fn is_writable_by_others(dir: &Path) -> io::Result<bool> {
    Ok(fs::metadata(dir)?.permissions().mode() & 0o022 != 0)
}

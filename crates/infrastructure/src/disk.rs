//! How much room a file system has, and who may write there.

use std::{io, path::Path};

use rustix::fs::{Access, access, statvfs};

/// How many bytes a process of this user may still write to the file system of `path`, which exists.
///
/// # Errors
/// When the system does not tell.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let told = statvfs(path)?;
    Ok(told.f_bavail.saturating_mul(told.f_frsize))
}

/// Whether this user may make files in a folder.
#[must_use]
pub fn may_write(dir: &Path) -> bool {
    access(dir, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

//! Folders that only their owner may write: what is in them is trusted.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::Path,
};

#[cfg(feature = "embedded")]
use std::os::unix::fs::MetadataExt as _;

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

/// Whether it is this user's, and no other user but root can write it, or put another in its place by way of a folder above
/// it. In a sticky folder, others may add to what is there and take nothing away.
#[cfg(feature = "embedded")]
pub(crate) fn is_out_of_others_reach(dir: &Path) -> io::Result<bool> {
    let user = rustix::process::geteuid().as_raw();
    if fs::metadata(dir)?.uid() != user || is_writable_by_others(dir)? {
        return Ok(false);
    }
    // By the names that were given, and by those that they lead to.
    let real = dir.canonicalize()?;
    for folder in dir.ancestors().chain(real.ancestors()).filter(|folder| folder.has_root()) {
        let folder = fs::metadata(folder)?;
        let is_sticky = folder.mode() & 0o1000 != 0;
        let is_theirs = folder.uid() != user && folder.uid() != 0;
        if is_theirs || folder.mode() & 0o022 != 0 && !is_sticky {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(all(test, feature = "embedded"))]
mod tests {
    use std::os::unix::fs::{chown, symlink};

    use super::*;

    #[test]
    fn a_folder_is_as_safe_as_those_above_it() {
        // In a sticky folder.
        let top = tempfile::TempDir::new().unwrap();
        let above = top.path().join("above");
        let dir = above.join("folder");
        make(&dir).unwrap();
        let set = |dir: &Path, mode| fs::set_permissions(dir, fs::Permissions::from_mode(mode));
        let is_safe = || is_out_of_others_reach(&dir).unwrap();
        assert!(is_safe());
        for folder in [&dir, &above] {
            for open in [0o720, 0o702] {
                set(folder, open).unwrap();
                assert!(!is_safe(), "{} {open:o}", folder.display());
            }
            set(folder, 0o755).unwrap();
            assert!(is_safe());
        }
        set(&above, 0o1777).unwrap();
        assert!(is_safe());
        set(&dir, 0o1777).unwrap();
        assert!(!is_safe());
        set(&dir, 0o700).unwrap();

        // One who may replace the link may replace the folder.
        let open = top.path().join("open");
        make(&open).unwrap();
        let link = open.join("link");
        symlink(&dir, &link).unwrap();
        assert!(is_out_of_others_reach(&link).unwrap());
        set(&open, 0o777).unwrap();
        assert!(!is_out_of_others_reach(&link).unwrap());

        // Another user's. Only root can make one.
        if rustix::process::geteuid().is_root() {
            chown(&above, Some(1), None).unwrap();
            assert!(!is_safe());
        }
    }
}

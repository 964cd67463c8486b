//! Where the engine's library unpacks what it runs: into the user's cache folder, or into the data folder where that
//! cannot be written, as for a service's user without a home, or where others could replace what is in it.
//!
//! Must never be a folder that another user may write: what is in it is run.

use std::{
    env,
    ffi::OsString,
    io,
    path::{Path, PathBuf},
};

use crate::private_folder;

/// What the library calls its folder, and where that is in a home.
#[cfg(not(target_os = "macos"))]
const NAME: &str = "pglite-oxide";
#[cfg(not(target_os = "macos"))]
const IN_HOME: &str = ".cache";
#[cfg(target_os = "macos")]
const NAME: &str = "dev.pglite-oxide.pglite-oxide";
#[cfg(target_os = "macos")]
const IN_HOME: &str = "Library/Caches";

/// The home that the library has in a data folder.
const IN_DATA_FOLDER: &str = "cache";

/// The cache of the library of one process.
pub(super) struct Cache {
    /// The library's folder.
    pub(super) folder: PathBuf,
    /// The variables by which it is found: none where the library finds it by itself.
    pub(super) variables: Vec<(&'static str, PathBuf)>,
}

/// Returns the cache for the engine of `data_dir`, and makes its folder.
pub(super) fn of(data_dir: &Path) -> io::Result<Cache> {
    let usual = usual(env::var_os("XDG_CACHE_HOME"), env::home_dir());
    if let Some(folder) = usual.filter(|folder| is_usable(folder)) {
        return Ok(Cache { folder, variables: Vec::new() });
    }
    let home = data_dir.join(IN_DATA_FOLDER);
    private_folder::make_private(&home)?;
    let parent = home.join(IN_HOME);
    // The library asks for a home even where it has a cache.
    let variables = vec![("HOME", home), ("XDG_CACHE_HOME", parent.clone())];
    Ok(Cache { folder: parent.join(NAME), variables })
}

/// The library's folder in the user's cache, if the user has one.
fn usual(cache: Option<OsString>, home: Option<PathBuf>) -> Option<PathBuf> {
    let home = home.filter(|home| home.is_absolute())?;
    let cache = cache.map(PathBuf::from).filter(|cache| cache.is_absolute());
    let cache = cache.filter(|_| cfg!(not(target_os = "macos")));
    Some(cache.unwrap_or_else(|| home.join(IN_HOME)).join(NAME))
}

/// Whether files can be made in a folder, which is made if need be, and by no other user. A full disk says nothing against
/// it: what is needed may be there.
fn is_usable(dir: &Path) -> bool {
    let is_ours = private_folder::make(dir)
        .and_then(|()| private_folder::is_out_of_others_reach(dir))
        .unwrap_or_default();
    is_ours && {
        let written = tempfile::Builder::new().prefix(".metricd-").tempfile_in(dir);
        written.err().is_none_or(|error| {
            matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use tempfile::TempDir;

    use super::*;

    #[cfg(not(target_os = "macos"))]
    #[test]
    fn the_users_cache_is_the_usual_place() {
        let usual = |cache: Option<&str>, home: Option<&str>| {
            usual(cache.map(Into::into), home.map(Into::into)).map(|dir| dir.display().to_string())
        };
        let found = |dir: &str| Some(dir.to_owned());
        assert_eq!(usual(None, Some("/home/ann")), found("/home/ann/.cache/pglite-oxide"));
        assert_eq!(usual(Some("/tmp/c"), Some("/home/ann")), found("/tmp/c/pglite-oxide"));
        assert_eq!(usual(Some("c"), Some("/home/ann")), found("/home/ann/.cache/pglite-oxide"));
        assert_eq!(usual(Some("/tmp/c"), None), None);
        assert_eq!(usual(None, Some("")), None);
        assert_eq!(usual(None, None), None);
    }

    #[test]
    fn a_folder_is_usable_where_it_can_be_made_and_only_its_user_writes_it() {
        let dir = TempDir::new().unwrap();
        let folder = dir.path().join("new/folder");
        assert!(is_usable(&folder));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(!is_usable(&folder));
        assert!(!is_usable(Path::new("/dev/null/cache")));
    }
}

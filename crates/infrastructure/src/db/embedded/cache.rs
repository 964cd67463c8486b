//! Where the engine's library unpacks what it runs: into the user's cache folder, or into the data folder where that
//! cannot be written, as for a service's user without a home.
//!
//! Must never be a folder that another user may write: what is in it is run.

use std::{
    env,
    ffi::OsString,
    fs, io,
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
    if let Some(folder) = usual.filter(|folder| is_writable(folder)) {
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

/// Whether files can be made in a folder, which is made if need be. A full disk says nothing against it: what is needed
/// may be there.
fn is_writable(dir: &Path) -> bool {
    let probe = dir.join(format!(".metricd-{}", std::process::id()));
    let written = fs::create_dir_all(dir)
        .and_then(|()| fs::write(&probe, b""))
        .and_then(|()| fs::remove_file(&probe));
    written.err().is_none_or(|error| {
        matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    })
}

#[cfg(test)]
mod tests {
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
    fn a_folder_that_cannot_be_made_is_not_writable() {
        let dir = TempDir::new().unwrap();
        assert!(is_writable(&dir.path().join("new/folder")));
        assert_eq!(fs::read_dir(dir.path().join("new/folder")).unwrap().count(), 0);
        assert!(!is_writable(Path::new("/dev/null/cache")));
    }
}

//! The data folder of the embedded PostgreSQL: its files, its socket, and the lock of the metricd that works with it.

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
};

use crate::{db::connect::ConnectError, private_folder};

/// The lock of a metricd on its data folder. The system frees it with the process, however that ends.
const LOCK_NAME: &str = "metricd.lock";

/// The port that the socket is named by.
pub(super) const PORT: u16 = 5432;
const SOCKET_NAME: &str = ".s.PGSQL.5432";

/// The longest path of a socket that every Unix takes, with its closing NUL left out.
const LONGEST_SOCKET_PATH: usize = 103;

/// A data folder that is this process's until the value is dropped.
pub(super) struct DataFolder {
    dir: PathBuf,
    _lock: File,
}

/// The folder of the engine's own files.
pub(super) fn files(dir: &Path) -> PathBuf {
    dir.join("postgres")
}

/// The engine's socket.
pub(super) fn socket(dir: &Path) -> PathBuf {
    sockets(dir).join(SOCKET_NAME)
}

fn sockets(dir: &Path) -> PathBuf {
    dir.join("run")
}

/// Where a backup is unpacked before it becomes the database.
pub(super) fn unfinished_restore(dir: &Path) -> PathBuf {
    dir.join("restoring")
}

/// Whether a path is one of those that opening the folder, or restoring into it, makes.
pub(super) fn is_own(dir: &Path, path: &Path) -> bool {
    [files(dir), sockets(dir), unfinished_restore(dir), dir.join(LOCK_NAME)]
        .iter()
        .any(|own| own == path)
}

impl DataFolder {
    /// Opens the folder, making it first if need be.
    pub(super) fn open(dir: &Path) -> Result<Self, ConnectError> {
        let failed = {
            let dir = dir.to_owned();
            move |source: std::io::Error| ConnectError::Embedded {
                dir: dir.clone(),
                source: source.into(),
            }
        };
        private_folder::make(dir).map_err(&failed)?;
        let dir = dir.canonicalize().map_err(&failed)?;
        if private_folder::is_writable_by_others(&dir).map_err(&failed)? {
            return Err(ConnectError::FolderOpen { dir });
        }
        let too_long = socket(&dir).as_os_str().len().checked_sub(LONGEST_SOCKET_PATH + 1);
        if too_long.is_some() {
            let longest = LONGEST_SOCKET_PATH - (socket(Path::new("")).as_os_str().len() + 1);
            return Err(ConnectError::FolderPathTooLong { dir, longest });
        }
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(dir.join(LOCK_NAME))
            .map_err(&failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(ConnectError::FolderInUse { dir }),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        private_folder::make_private(&sockets(&dir))
            .and_then(|()| private_folder::make_private(&files(&dir)))
            .map_err(&failed)?;
        Ok(Self { dir, _lock: lock })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The folder of the socket.
    pub(super) fn sockets(&self) -> PathBuf {
        sockets(&self.dir)
    }

    /// Removes what opening it has made, where nothing else is in it.
    pub(super) fn abandon(self) {
        self.clear();
        let _ = std::fs::remove_dir(files(&self.dir));
        let _ = std::fs::remove_file(self.dir.join(LOCK_NAME));
    }

    /// Removes what only a running engine needs.
    pub(super) fn clear(&self) {
        let _ = std::fs::remove_file(socket(&self.dir));
        let _ = std::fs::remove_dir(self.sockets());
    }
}

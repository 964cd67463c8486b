//! Whether there is room for a write on the disk of the embedded PostgreSQL.
//!
//! An engine that cannot make the next file of its log, or write what it holds in memory, ends, and does not start again
//! before there is room: so the last room is kept for it. A server's disk is not known here, and a server looks after
//! itself.

use std::{io, path::PathBuf};

use super::errors::{DatabaseFault, is_io_error, pg_error};
use crate::disk;

/// What is left to the engine by a write that goes on: as much as it holds in memory (`shared_buffers`), for which a file was made
/// longer and no block was taken yet, and four files of its log.
const LEFT_WITHIN_WRITE: u64 = (128 + 64) * 1024 * 1024;

/// What is left to it when a write begins.
const LEFT_BEFORE_WRITE: u64 = 256 * 1024 * 1024;

/// The room on the engine's disk, where it is known.
#[derive(Debug, Clone)]
pub(super) struct Room(pub(super) Option<PathBuf>);

impl Room {
    /// Refuses a write where there is little room.
    pub(super) fn check_before_write(&self) -> io::Result<()> {
        self.check(LEFT_BEFORE_WRITE)
    }

    /// Refuses more of a write where there is hardly any.
    pub(super) fn check_within_write(&self) -> io::Result<()> {
        self.check(LEFT_WITHIN_WRITE)
    }

    /// An error of the engine's: one of input or output says that its disk is full. On a server it says no such thing.
    pub(super) fn told(&self, error: sqlx::Error) -> sqlx::Error {
        if self.0.is_none() || !is_io_error(&error) {
            return error;
        }
        let fault = pg_error(&error).map(DatabaseFault::of);
        let message = fault.map_or_else(String::new, |fault| fault.to_string());
        sqlx::Error::Io(io::Error::new(io::ErrorKind::StorageFull, message))
    }

    fn check(&self, least: u64) -> io::Result<()> {
        let Some(dir) = &self.0 else { return Ok(()) };
        // Where the system does not tell, the engine does.
        match disk::free_bytes(dir) {
            Ok(free) if free < least => {
                let free = free / (1024 * 1024);
                let message =
                    format!("{free} MiB free in {}, and the engine needs more", dir.display());
                Err(io::Error::new(io::ErrorKind::StorageFull, message))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_folder_there_is_room_and_with_too_little_there_is_none() {
        Room(None).check(u64::MAX).unwrap();
        let room = Room(Some(std::env::temp_dir()));
        room.check(0).unwrap();
        assert_eq!(room.check(u64::MAX).unwrap_err().kind(), io::ErrorKind::StorageFull);
        Room(Some("/no/such/folder".into())).check(u64::MAX).unwrap();
    }
}

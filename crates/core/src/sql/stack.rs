//! A stack that is deep enough for deep trees, whatever the caller's.
//!
//! The grammar bounds a tree's depth at 100 messages, but what is generated for its 270 kinds of
//! node takes tens of kilobytes a level where it is not optimized.

use std::{panic, thread};

use super::error::SqlFault;

/// More than twice what the deepest tree takes; memory that is not touched costs nothing.
const BYTES: usize = 32 * 1024 * 1024;

/// Runs `work` on a stack of its own.
pub(super) fn deep<T: Send>(
    work: impl FnOnce() -> Result<T, SqlFault> + Send,
) -> Result<T, SqlFault> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(BYTES).spawn_scoped(scope, work);
        let thread = thread.map_err(|error| {
            SqlFault::new(0_usize, format!("cannot allocate memory to parse this query: {error}"))
        })?;
        thread.join().unwrap_or_else(|payload| panic::resume_unwind(payload))
    })
}

//! Tables that others write.

mod announce;
mod watch;

pub use announce::{AnnounceError, announce_change};
pub use watch::{WatchTableError, unwatch_table, watch_table};

//! Tables beside metricd's own: list, load, watch, announce changes. Must never touch metricd's own tables.

mod announce;
mod file;
mod list;
mod load;
mod watch;

pub use announce::{AnnounceError, announce_change};
pub use file::{RejectedRow, Row, TableFile, TableFileError};
pub use list::{MAX_TABLES, TablePage, TablePageRequest, list_tables};
pub use load::{
    LoadMode, LoadReport, LoadTable, LoadTableError, LoadedColumn, OnRejected, load_table,
};
pub use watch::{WatchTableError, unwatch_table, watch_table};

//! PostgreSQL: the catalog, the records, and the unit of work that every write goes through.
//!
//! metricd's own tables live in the schema `metricd`, the records in `public.metrics`. Entities name
//! their schema and stay apart from the domain types; the conversions stand beside each entity. Only
//! `engine.rs` knows whether the database is a server or the embedded PostgreSQL.

mod audit;
mod catalog;
mod catalog_lock;
mod changes;
mod connect;
mod connection_gate;
mod connection_limits;
mod copying;
mod corrupt_row;
mod database;
#[cfg(feature = "embedded")]
mod embedded;
mod engine;
pub mod entities;
mod errors;
mod keys;
mod load;
mod metrics;
mod migrations;
mod pooler;
mod purpose;
mod queries;
mod query;
mod queue;
mod reader;
mod records;
mod relations;
mod room;
mod run_to_completion;
mod schema;
mod session_defaults;
mod simple_query;
mod stale_while_revalidate;
mod statistics;
#[cfg(feature = "embedded")]
mod stop_words;
mod stored_template;
mod tls;
mod transaction;
mod unit_of_work;
mod url_parameters;
mod watch;

pub use connect::{ConnectError, DatabaseConfig, EngineCommand, Target};
pub use corrupt_row::CorruptRow;
pub use database::{Database, DatabaseMonitor};
#[cfg(feature = "embedded")]
pub use embedded::{
    BackupError, BackupManifest, back_up, check_backup, restore, run_embedded_engine,
};
pub use migrations::{MigrateError, SchemaState};
pub use queue::QueueUsage;
pub use reader::{PrivilegeViolation, ReaderError, ReaderState};
pub use session_defaults::OverriddenDefault;
pub use statistics::{DatabaseStatistics, PoolUsage};

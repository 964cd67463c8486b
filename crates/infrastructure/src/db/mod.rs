//! PostgreSQL: the catalog, the records, and the unit of work that every write goes through.
//!
//! metricd's own tables live in the schema `metricd`, the records in `public.metrics`. Entities name
//! their schema and stay apart from the domain types; the conversions stand beside each entity.

mod audit;
mod begin;
mod catalog;
mod changes;
mod copying;
mod database;
pub mod entities;
mod errors;
mod keys;
mod load;
mod metrics;
mod migrations;
mod queries;
mod reader;
mod records;
mod remembered;
mod schema;
mod stored_template;
mod transaction;
mod turns;
mod unit_of_work;

pub use database::{ConnectError, Database, DatabaseConfig, Target};
pub use migrations::MigrateError;
pub use reader::{Breach, ReaderError};

#[cfg(feature = "embedded")]
pub(crate) use begin::to_its_end;
#[cfg(feature = "embedded")]
pub(crate) use errors::retry_lost;
pub(crate) use errors::{DatabaseFault, is_unavailable, pg_error};
pub(crate) use reader::{Reader, Running};
#[cfg(feature = "embedded")]
pub(crate) use turns::Turns;

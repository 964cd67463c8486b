//! Authors' SQL: described without running it, costed, and run read-only.
//!
//! PostgreSQL itself writes each row as JSON, so that numbers arrive digit for digit. On a server
//! everything is asked as the reader, in one round trip; the embedded engine has no roles, and every
//! run there is a transaction that is READ ONLY and rolled back.

mod errors;
mod export;
mod limits;
mod lookup;
mod query_metrics;
mod runner;
mod statement;

pub(super) use limits::RunLimits;
pub(super) use query_metrics::QueryMetrics;
pub(super) use runner::PgQueryRunner;

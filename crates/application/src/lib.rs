//! The use cases of metricd, one file each, and the ports that they need.
//!
//! A use case takes the [`Actor`](metricd_core::actor::Actor) first and authorizes before it
//! reads. One that writes does so in one unit of work and passes it down; nothing else (a generator,
//! a cache, HTTP) is called while it is open.

#![warn(missing_docs)]

pub mod admission;
pub mod answer_columns;
pub mod audit;
pub mod bind;
pub mod catalog;
pub mod compile;
pub mod context;
pub mod csv_records;
pub mod error;
mod error_chain;
mod failed_query;
pub mod freshness;
pub mod generation;
pub mod generation_metrics;
pub mod idempotency;
pub mod listing;
pub mod metrics;
mod plan_cache;
pub mod ports;
pub mod query_health;
pub mod records;
mod rights;
pub mod rows;
pub mod supervisor;
pub mod tables;

pub use error_chain::error_chain;
pub use failed_query::FailedQuery;
pub use rights::{Forbidden, authorize, authorize_on, deny};

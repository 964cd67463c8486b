//! The domain of metricd: what a metric is, how a date window is resolved, and how an author's SQL
//! becomes a query template.
//!
//! Nothing here performs IO, reads a clock or draws a random number; those arrive as values.

#![warn(missing_docs)]

pub mod actor;
pub mod answer_key;
pub mod audit;
pub mod cell;
pub mod changes;
pub mod claim;
pub mod idempotency;
pub mod ids;
mod json_text;
pub mod layout;
pub mod metric;
pub mod parameters;
pub mod record;
pub mod schema;
pub mod sql;
pub mod window;

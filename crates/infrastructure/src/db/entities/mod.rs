//! The rows of metricd's tables, one file each, with the conversions to and from the domain beside them.

pub mod audit_events;
pub mod idempotency_keys;
pub mod layout_items;
pub mod metric_configurations;
pub mod queries;
pub mod query_versions;
pub mod records;

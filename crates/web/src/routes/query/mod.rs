//! The SQL behind a metric.

pub(crate) mod get;

//! The records of a metric.

pub(crate) mod create;

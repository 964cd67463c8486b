//! The records of a metric.

pub(crate) mod create;
mod record;
pub(crate) mod upload;

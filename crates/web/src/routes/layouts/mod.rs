//! The tiles of a metric.

pub(crate) mod replace;

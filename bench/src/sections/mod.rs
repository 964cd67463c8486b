//! The sections of the report, one file each.

pub(crate) mod bound;
pub(crate) mod cached;
pub(crate) mod fairness;
pub(crate) mod growth;
pub(crate) mod list;
pub(crate) mod load;
pub(crate) mod memory;
pub(crate) mod mixed;
pub(crate) mod records;
pub(crate) mod start;
pub(crate) mod uncached;

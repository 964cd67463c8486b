//! `/tables`.

pub(crate) mod changed;
pub(crate) mod list;

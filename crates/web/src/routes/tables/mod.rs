//! `/tables`.

pub(crate) mod changed;

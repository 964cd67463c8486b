//! What was done and denied.

pub(crate) mod list;

//! What queries were before.

pub(crate) mod list;

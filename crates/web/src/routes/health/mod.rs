//! Whether the service is up.

pub(crate) mod get;

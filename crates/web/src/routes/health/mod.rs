//! Whether the service is up.

pub(crate) mod get;
pub(crate) mod live;
pub(crate) mod ready;

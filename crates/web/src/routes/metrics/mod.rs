//! Metrics.

pub(crate) mod approve;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod preview;
pub(crate) mod rollback;
pub(crate) mod update;

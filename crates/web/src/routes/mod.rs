//! The endpoints: one file each, with its request, its response, its documentation and its tests.

pub(crate) mod audit;
pub(crate) mod auth;
pub(crate) mod health;
pub(crate) mod layouts;
pub(crate) mod metrics;
pub(crate) mod query;
pub(crate) mod records;
pub(crate) mod tables;
pub(crate) mod versions;

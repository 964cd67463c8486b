//! The steps that every request goes through; [`App`](crate::app::App) has their order.

pub(crate) mod authenticate;
pub(crate) mod client;
pub(crate) mod compress;
pub(crate) mod head_limits;
pub(crate) mod headers;
pub(crate) mod in_flight;
pub(crate) mod rate;
pub(crate) mod request;
pub(crate) mod slash;
pub(crate) mod trace_context;

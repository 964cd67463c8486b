//! The parts of what happens around every request; [`Front`](crate::front) has their order.

pub(crate) mod authenticate;
pub(crate) mod client;
pub(crate) mod headers;
pub(crate) mod limits;
pub(crate) mod pack;
pub(crate) mod rate;
pub(crate) mod request;
pub(crate) mod slash;

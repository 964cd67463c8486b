//! What happens around every request.

pub(crate) mod authenticate;
pub(crate) mod client;
pub(crate) mod headers;
pub(crate) mod limits;
pub(crate) mod pack;
pub(crate) mod rate;
pub(crate) mod request;
pub(crate) mod slash;

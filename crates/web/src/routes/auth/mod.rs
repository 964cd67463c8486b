//! What whoever wants a token needs to know. No token is needed for it.

pub(crate) mod config;
pub(crate) mod keys;

//! How clients get a token. Open routes.

pub(crate) mod config;
pub(crate) mod keys;

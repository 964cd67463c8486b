//! The token verifier, tested with tokens that the tests sign and keys that a local server serves.

mod accepted;
mod caching;
mod claims;
mod development;
mod headers;
mod keys;
mod mutations;
mod settings;
mod support;

//! What a token must pass, asked of the verifier with tokens that the tests sign, and keys that a
//! server on this machine gives.

mod accepted;
mod claims;
mod development;
mod headers;
mod keys;
mod mutations;
mod remembering;
mod settings;
mod support;

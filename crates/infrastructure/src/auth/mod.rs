//! Token verification: which issuers are trusted, where their keys are, and what a token must pass.
//!
//! A token's claims are trusted once a key of the issuer that it names has verified its signature; until
//! then they only choose the key. No part of a token may reach a log, an error or a cache key.

mod claims;
mod development;
mod fetch;
mod issuer;
mod key_ring;
mod key_set;
mod token;
mod verifier;

pub use claims::{ClaimPath, InvalidClaimPath, InvalidRoleRule, RoleRules};
pub use development::{DevelopmentError, DevelopmentIssuer, MintError, TokenRequest};
pub use issuer::{IssuerConfig, IssuerKind, KeySource};
pub use key_set::{InvalidKeySet, KeySet};
pub use reqwest::Url;
pub use verifier::{IssuerProbe, Verifier, VerifierError};

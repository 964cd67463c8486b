//! The configuration of a trusted issuer.

use std::collections::BTreeSet;

use reqwest::Url;

use super::{ClaimPath, KeySet, RoleRules};

/// A trusted issuer.
#[derive(Debug, Clone)]
pub struct IssuerConfig {
    /// Its name, exactly as in the `iss` of its tokens.
    pub issuer: String,
    /// The source of its keys.
    pub keys: KeySource,
    /// The kind of its access tokens.
    pub kind: IssuerKind,
    /// The scope that its tokens must have.
    pub required_scope: Option<String>,
    /// The claim with the scopes: a text of words separated by spaces, or a list of texts.
    pub scope_claim: ClaimPath,
    /// The claim with the subject.
    pub subject_claim: ClaimPath,
    /// The rules that map claims to roles.
    pub roles: RoleRules,
}

impl IssuerConfig {
    /// Creates an issuer with the claims `scope` and `sub`, as most have, no required scope and no roles.
    #[must_use]
    pub fn new(issuer: impl Into<String>, keys: KeySource, kind: IssuerKind) -> Self {
        Self {
            issuer: issuer.into(),
            keys,
            kind,
            required_scope: None,
            scope_claim: ClaimPath::scope(),
            subject_claim: ClaimPath::subject(),
            roles: RoleRules::default(),
        }
    }
}

/// The kind of an issuer's access tokens, and their audience.
#[derive(Debug, Clone)]
pub enum IssuerKind {
    /// An AWS Cognito user pool. Its access tokens name the client that they were issued to, and no
    /// audience.
    Cognito {
        /// The clients whose tokens are accepted; at least one.
        client_ids: BTreeSet<String>,
    },
    /// Any other issuer (OIDC). ID tokens are refused where they can be distinguished from access tokens;
    /// where an issuer makes the two alike, only the audience tells them apart, so it should be
    /// metricd's own and no client's.
    Oidc {
        /// The accepted audiences; at least one.
        audiences: BTreeSet<String>,
    },
}

/// The source of an issuer's keys. A URL must be `https`, or on this machine.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// A JWKS at this URL.
    Jwks(Url),
    /// The `jwks_uri` of `{issuer}/.well-known/openid-configuration`.
    Discovery,
    /// Fixed keys: nothing is fetched.
    Fixed(KeySet),
}

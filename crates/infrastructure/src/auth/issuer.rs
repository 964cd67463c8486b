//! The configuration of a trusted issuer.

use std::collections::BTreeSet;

use reqwest::Url;

use super::{ClaimPath, KeySet, RoleRules};

/// One issuer that is trusted.
#[derive(Debug, Clone)]
pub struct IssuerConfig {
    /// Its name: what its tokens say under `iss`, to the letter.
    pub issuer: String,
    /// Where its keys are.
    pub keys: KeySource,
    /// What its access tokens look like.
    pub kind: IssuerKind,
    /// The scope without which its tokens open nothing.
    pub required_scope: Option<String>,
    /// Where its tokens say their scopes: a text of words parted by spaces, or a list of texts.
    pub scope_claim: ClaimPath,
    /// Where its tokens say who their bearer is.
    pub subject_claim: ClaimPath,
    /// Which of its tokens give which roles.
    pub roles: RoleRules,
}

impl IssuerConfig {
    /// An issuer whose tokens say `scope` and `sub`, as most do, need no scope and give no role.
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

/// What an issuer's access tokens look like, and for whom they are made.
#[derive(Debug, Clone)]
pub enum IssuerKind {
    /// An AWS Cognito user pool. Its access tokens name the client that they were given to, and no
    /// audience.
    Cognito {
        /// The clients whose tokens are taken; at least one.
        client_ids: BTreeSet<String>,
    },
    /// Any other issuer (OIDC). ID tokens are refused where they can be distinguished from access tokens;
    /// where an issuer makes the two alike, only the audience tells them apart, so it should be
    /// metricd's own and no client's.
    Oidc {
        /// The audiences that are metricd; at least one.
        audiences: BTreeSet<String>,
    },
}

/// Where the keys of an issuer are. An address must be `https`, or on this machine.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// In a JWKS at this address.
    Jwks(Url),
    /// Where `{issuer}/.well-known/openid-configuration` says.
    Discovery,
    /// Here: they never change, and nothing is fetched.
    Fixed(KeySet),
}

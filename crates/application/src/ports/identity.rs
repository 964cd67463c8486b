//! The port that verifies bearer tokens.

use std::sync::Arc;

use async_trait::async_trait;
use metricd_core::actor::Identity;
use thiserror::Error;

/// A verifier of bearer tokens.
#[async_trait]
pub trait TokenVerifier: Send + Sync {
    /// Verifies a bearer token, without the prefix `Bearer `, and returns its caller.
    ///
    /// # Errors
    /// See [`TokenError`].
    async fn verify(&self, token: &str) -> Result<Arc<Identity>, TokenError>;
}

/// The reason why a token was rejected.
#[derive(Debug, Error)]
pub enum TokenError {
    /// No configured issuer signed it for metricd. The text is for logs, and holds no part of the token.
    #[error("{0}")]
    Invalid(&'static str),
    /// It has expired.
    #[error("the token has expired")]
    Expired,
    /// It is valid but lacks a required scope.
    #[error("the token lacks the scope `{required}`")]
    Scope {
        /// The caller.
        identity: Arc<Identity>,
        /// The scope.
        required: String,
    },
    /// The issuer's keys are not cached and could not be fetched.
    #[error("the keys of the token's issuer are not known")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

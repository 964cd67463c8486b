//! Verifying tokens.

use std::sync::Arc;

use async_trait::async_trait;
use metricd_core::actor::Identity;
use thiserror::Error;

/// Tells whom a token stands for.
#[async_trait]
pub trait TokenVerifier: Send + Sync {
    /// Verifies a bearer token as it came, without `Bearer `.
    ///
    /// # Errors
    /// See [`TokenError`].
    async fn verify(&self, token: &str) -> Result<Arc<Identity>, TokenError>;
}

/// Why a token does not let its bearer in.
#[derive(Debug, Error)]
pub enum TokenError {
    /// It is no token that a configured issuer has signed for metricd. The text says what is wrong
    /// with it, for logs, and holds no part of it.
    #[error("{0}")]
    Invalid(&'static str),
    /// It was a good token until its time was up.
    #[error("the token has expired")]
    Expired,
    /// It is a good token of an issuer who does not let its bearer use metricd.
    #[error("the token lacks the scope `{required}`")]
    Scope {
        /// Who its bearer is.
        identity: Arc<Identity>,
        /// The scope that it would need.
        required: String,
    },
    /// Its issuer has not yet told its keys, and cannot be asked at present.
    #[error("the keys of the token's issuer are not known")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

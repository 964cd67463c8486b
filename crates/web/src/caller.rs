//! The caller of a closed route.

use axum::{extract::FromRequestParts, http::request::Parts};
use metricd_core::actor::Actor;

use crate::{head_rules::RejectedHead, problem::Problem};

/// The authenticated caller, and what is wrong with the head of its request. Only routes behind
/// [`AuthenticateLayer`](crate::middleware::authenticate::AuthenticateLayer) have one.
pub(crate) struct Caller {
    pub(crate) actor: Actor,
    pub(crate) rejected_head: Option<RejectedHead>,
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let actor = parts.extensions.remove::<Actor>();
        let actor = actor.ok_or_else(|| Problem::internal(NotAuthenticated))?;
        Ok(Self { actor, rejected_head: parts.extensions.remove() })
    }
}

/// A route needs its caller and is not behind authentication.
#[derive(Debug, thiserror::Error)]
#[error("the route does not authenticate its callers")]
struct NotAuthenticated;

//! Authentication: verifies the bearer token of every request to a closed route, and limits rates and requests
//! at once.
//!
//! Must never pass a request on without an [`Actor`]. Which routes are closed, the router decides.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{self, Poll},
};

use axum::{
    extract::Request,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use metricd_application::{
    context::Context,
    deny, error_chain,
    ports::{TokenError, TokenVerifier},
};
use metricd_core::{
    actor::{Actor, Call, Identity},
    audit::{AuditedAction, AuditedObject},
};
use tower::{Layer, Service};
use tracing::{info, warn};

use super::{
    in_flight::RequestPlace,
    rate::{BucketKey, RateLimit, RateLimitKey},
};
use crate::{
    concurrency::Concurrency,
    problem::Problem,
    quota::{QuotaLeft, RequestQuota},
};

/// Verifies callers, and limits their rates and their requests at once.
pub(crate) struct Authenticator {
    pub(crate) context: Arc<Context>,
    pub(crate) verifier: Arc<dyn TokenVerifier>,
    pub(crate) rate: RateLimit,
    /// The requests of each caller at once.
    pub(crate) concurrency: Concurrency<BucketKey>,
    /// The number of requests refused since the start.
    pub(crate) refused: AtomicU64,
}

/// A layer that passes a request on with an [`Actor`], or responds in the route's place. Written out,
/// because `from_fn` boxes every request twice.
#[derive(Clone)]
pub(crate) struct AuthenticateLayer(pub(crate) Arc<Authenticator>);

/// The routes behind [`AuthenticateLayer`].
#[derive(Clone)]
pub(crate) struct Authenticated<S> {
    authenticator: Arc<Authenticator>,
    inner: S,
}

impl<S> Layer<S> for AuthenticateLayer {
    type Service = Authenticated<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Authenticated { authenticator: Arc::clone(&self.0), inner }
    }
}

impl<S> Service<Request> for Authenticated<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut task::Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let authenticator = Arc::clone(&self.authenticator);
        // The service that was polled is the one that is ready.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        Box::pin(async move {
            let call = request.extensions_mut().remove::<Call>().unwrap_or_default();
            match authenticator.authenticate(request.headers(), call).await {
                Ok((actor, left, place)) => {
                    request.extensions_mut().insert(actor);
                    let quota = request.extensions_mut().remove::<RequestQuota>();
                    if let (Some(left), Some(quota)) = (left, quota) {
                        quota.set(left);
                    }
                    let mut response = inner.call(request).await;
                    if let Ok(response) = &mut response {
                        response.extensions_mut().insert(place);
                    }
                    response
                }
                Err(problem) => Ok(problem.into_response()),
            }
        })
    }
}

impl Authenticator {
    /// Returns the caller, what is left of its quota and its place among those at once, or the response to a client
    /// that is refused.
    async fn authenticate(
        &self,
        headers: &HeaderMap,
        call: Call,
    ) -> Result<(Actor, Option<QuotaLeft>, RequestPlace), Problem> {
        let verified = match bearer(headers) {
            Ok(token) => self.verifier.verify(token).await.map_err(AuthenticationError::Token),
            Err(error) => Err(error),
        };
        match verified {
            Ok(identity) => {
                tracing::Span::current().record("actor", identity.subject.as_str());
                let left = self.rate.check(RateLimitKey::Caller(&identity));
                let left = left.map_err(Problem::too_many)?;
                let place = self.concurrency.enter(RateLimitKey::Caller(&identity).into());
                let Some(place) = place else {
                    return Err(Problem::too_many_at_once().with_quota_if_any(left));
                };
                Ok((verified_caller(identity, call), left, RequestPlace::new(place)))
            }
            Err(error) => Err(Box::pin(self.refuse(error, call)).await),
        }
    }

    async fn refuse(&self, error: AuthenticationError, call: Call) -> Problem {
        // Guessing is limited by address, which does not limit callers with valid tokens behind it.
        if let Some(address) = call.address
            && let Err(exceeded) = self.rate.check(RateLimitKey::Address(address))
        {
            return Problem::too_many(exceeded);
        }
        let (reason, problem) = match error {
            AuthenticationError::Token(TokenError::Scope { identity, required }) => {
                tracing::Span::current().record("actor", identity.subject.as_str());
                let left = match self.rate.check(RateLimitKey::Caller(&identity)) {
                    Ok(left) => left,
                    Err(exceeded) => return Problem::too_many(exceeded),
                };
                let actor = verified_caller(identity, call);
                deny(&actor, &self.context, AuditedAction::Enter, AuditedObject::Catalog).await;
                return Problem::lacks_scope(&required).with_quota_if_any(left);
            }
            AuthenticationError::Token(TokenError::Unavailable(failure)) => {
                warn!(error = error_chain(failure.as_ref()), "Token keys unavailable");
                ("the keys of the token's issuer are not known", Problem::unverifiable())
            }
            AuthenticationError::Token(TokenError::Expired) => {
                let problem = Problem::unauthorized(Some("invalid_token"), "The token has expired");
                ("the token has expired", problem)
            }
            AuthenticationError::Token(TokenError::Invalid(reason)) => {
                (reason, Problem::unauthorized(Some("invalid_token"), "The token is not valid"))
            }
            AuthenticationError::NoToken => {
                ("there is no token", Problem::unauthorized(None, "A bearer token is required"))
            }
            AuthenticationError::Unreadable(reason) => {
                let needed = "One header is required: Authorization: Bearer <token>";
                (reason, Problem::unauthorized(Some("invalid_request"), needed))
            }
        };
        self.log_refusal(reason, &call);
        problem
    }

    fn log_refusal(&self, reason: &str, call: &Call) {
        let refused = self.refused.fetch_add(1, Ordering::Relaxed) + 1;
        let address = call.address.map(tracing::field::display);
        info!(reason, address, refused, "Token refused");
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that verifies callers")]
fn verified_caller(identity: Arc<Identity>, call: Call) -> Actor {
    Actor::verified(identity, call)
}

/// Why a request has no verified caller.
enum AuthenticationError {
    NoToken,
    Unreadable(&'static str),
    Token(TokenError),
}

/// Returns the token of the one `Authorization` header.
fn bearer(headers: &HeaderMap) -> Result<&str, AuthenticationError> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let value = all.next().ok_or(AuthenticationError::NoToken)?;
    if all.next().is_some() {
        return Err(AuthenticationError::Unreadable("there are several Authorization headers"));
    }
    let text =
        value.to_str().map_err(|_| AuthenticationError::Unreadable("the header is not ASCII"))?;
    let (scheme, token) =
        text.split_once(' ').ok_or(AuthenticationError::Unreadable("the header has no token"))?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(AuthenticationError::Unreadable("the scheme is not Bearer"));
    }
    Ok(token.trim_matches(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_from_exactly_one_header() {
        let read = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, value.parse().unwrap());
            }
            bearer(&headers).map(str::to_owned).ok()
        };
        assert_eq!(read(&["Bearer a.b.c"]).as_deref(), Some("a.b.c"));
        assert_eq!(read(&["bearer  a.b.c"]).as_deref(), Some("a.b.c"));
        for refused in
            [&[][..], &["a.b.c"], &["Basic a.b.c"], &["Bearer"], &["Bearer x", "Bearer x"]]
        {
            assert_eq!(read(refused), None, "{refused:?}");
        }
    }
}

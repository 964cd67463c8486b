//! Nobody comes in unverified. Every route behind this middleware has an [`Actor`]; which routes
//! stand before it is for the router to say.

use std::{
    convert::Infallible,
    error::Error,
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
    deny,
    ports::{TokenError, TokenVerifier},
};
use metricd_core::{
    actor::{Actor, Call, Identity},
    audit::{AuditedAction, AuditedObject},
};
use tower::{Layer, Service};
use tracing::{info, warn};

use super::rate::{RateLimit, Whose};
use crate::problem::Problem;

/// Who lets callers in, and how often.
pub(crate) struct Door {
    pub(crate) context: Arc<Context>,
    pub(crate) verifier: Arc<dyn TokenVerifier>,
    pub(crate) rate: RateLimit,
    /// How many tokens were refused since the start.
    pub(crate) refused: AtomicU64,
}

/// Stands before routes: verifies the caller, and passes the request on with an [`Actor`] or answers in
/// its place. Written out, because `from_fn` boxes every request twice.
#[derive(Clone)]
pub(crate) struct Authenticate(pub(crate) Arc<Door>);

/// What stands behind [`Authenticate`].
#[derive(Clone)]
pub(crate) struct Authenticated<S> {
    door: Arc<Door>,
    behind: S,
}

impl<S> Layer<S> for Authenticate {
    type Service = Authenticated<S>;

    fn layer(&self, behind: S) -> Self::Service {
        Authenticated { door: Arc::clone(&self.0), behind }
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
        self.behind.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let door = Arc::clone(&self.door);
        // The one that was polled is the one that is ready.
        let clone = self.behind.clone();
        let mut behind = std::mem::replace(&mut self.behind, clone);
        Box::pin(async move {
            let call = request.extensions_mut().remove::<Call>().unwrap_or_default();
            match door.enter(request.headers(), call).await {
                Ok(actor) => {
                    request.extensions_mut().insert(actor);
                    behind.call(request).await
                }
                Err(problem) => Ok(problem.into_response()),
            }
        })
    }
}

impl Door {
    async fn enter(&self, headers: &HeaderMap, call: Call) -> Result<Actor, Problem> {
        let verified = match bearer(headers) {
            Ok(token) => self.verifier.verify(token).await.map_err(Refusal::Token),
            Err(refusal) => Err(refusal),
        };
        match verified {
            Ok(identity) => {
                tracing::Span::current().record("actor", identity.subject.as_str());
                self.rate.check(Whose::Caller(&identity)).map_err(Problem::too_many)?;
                Ok(verified_caller(identity, call))
            }
            Err(refusal) => Err(Box::pin(self.refuse(refusal, call)).await),
        }
    }

    async fn refuse(&self, refusal: Refusal, call: Call) -> Problem {
        // Whoever guesses is held back, whoever calls with a good token from the same place is not.
        if let Some(address) = call.address
            && let Err(wait) = self.rate.check(Whose::Address(address))
        {
            return Problem::too_many(wait);
        }
        let (reason, problem) = match refusal {
            Refusal::Token(TokenError::Scope { identity, required }) => {
                tracing::Span::current().record("actor", identity.subject.as_str());
                if let Err(wait) = self.rate.check(Whose::Caller(&identity)) {
                    return Problem::too_many(wait);
                }
                let actor = verified_caller(identity, call);
                deny(&actor, &self.context, AuditedAction::Enter, AuditedObject::Catalog).await;
                return Problem::lacks_scope(&required);
            }
            Refusal::Token(TokenError::Unavailable(failure)) => {
                warn!(error = failure.as_ref() as &dyn Error, "Keys of an issuer not known");
                ("the keys of the token's issuer are not known", Problem::unverifiable())
            }
            Refusal::Token(TokenError::Expired) => {
                let problem = Problem::unauthorized(Some("invalid_token"), "The token has expired");
                ("the token has expired", problem)
            }
            Refusal::Token(TokenError::Invalid(reason)) => {
                (reason, Problem::unauthorized(Some("invalid_token"), "The token is not valid"))
            }
            Refusal::NoToken => {
                ("there is no token", Problem::unauthorized(None, "A bearer token is required"))
            }
            Refusal::Unreadable(reason) => {
                let needed = "One header is required: Authorization: Bearer <token>";
                (reason, Problem::unauthorized(Some("invalid_request"), needed))
            }
        };
        self.count(reason, &call);
        problem
    }

    fn count(&self, reason: &str, call: &Call) {
        let refused = self.refused.fetch_add(1, Ordering::Relaxed) + 1;
        let address = call.address.map(tracing::field::display);
        info!(reason, address, refused, "Token refused");
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the door")]
fn verified_caller(identity: Arc<Identity>, call: Call) -> Actor {
    Actor::verified(identity, call)
}

/// Why nobody was verified.
enum Refusal {
    NoToken,
    Unreadable(&'static str),
    Token(TokenError),
}

/// The token of the one `Authorization` header.
fn bearer(headers: &HeaderMap) -> Result<&str, Refusal> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let value = all.next().ok_or(Refusal::NoToken)?;
    if all.next().is_some() {
        return Err(Refusal::Unreadable("there are several Authorization headers"));
    }
    let text = value.to_str().map_err(|_| Refusal::Unreadable("the header is not ASCII"))?;
    let (scheme, token) =
        text.split_once(' ').ok_or(Refusal::Unreadable("the header has no token"))?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Refusal::Unreadable("the scheme is not Bearer"));
    }
    Ok(token.trim_matches(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_taken_from_one_plain_header() {
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

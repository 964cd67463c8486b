//! Nobody comes in unverified. Every route behind this middleware has an [`Actor`]; which routes
//! stand before it is for the router to say.

use std::{
    error::Error,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{Extensions, HeaderMap, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use ipnet::IpNet;
use metricd_application::{
    deny,
    ports::{Ports, TokenError, TokenVerifier},
};
use metricd_core::{
    actor::{Actor, Call, Identity},
    audit::{AuditedAction, AuditedObject},
};
use tracing::{info, warn};

use super::{
    rate::{RateLimit, Whose},
    request::RequestId,
};
use crate::problem::Problem;

/// Who lets callers in, and how often.
pub(crate) struct Door {
    pub(crate) ports: Arc<Ports>,
    pub(crate) verifier: Arc<dyn TokenVerifier>,
    pub(crate) rate: RateLimit,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub(crate) proxies: Vec<IpNet>,
    /// How many tokens were refused since the start.
    pub(crate) refused: AtomicU64,
}

/// Verifies the caller, and passes the request on with an [`Actor`] or answers in its place.
pub(crate) async fn authenticate(
    State(door): State<Arc<Door>>,
    mut request: Request,
    next: Next,
) -> Response {
    let call = door.call(request.extensions(), request.headers());
    match door.enter(request.headers(), call).await {
        Ok(actor) => {
            request.extensions_mut().insert(actor);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
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
            Err(refusal) => Err(self.refuse(refusal, call).await),
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
                deny(&actor, &self.ports, AuditedAction::Enter, AuditedObject::Catalog).await;
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
                ("there is no token", Problem::unauthorized(None, "A bearer token is needed"))
            }
            Refusal::Unreadable(reason) => {
                let needed = "One header is needed: Authorization: Bearer <token>";
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

    fn call(&self, extensions: &Extensions, headers: &HeaderMap) -> Call {
        let peer = extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(at)| at.ip());
        Call {
            request_id: extensions.get::<RequestId>().map(|id| id.0.to_string()),
            address: peer.map(|peer| client(peer.to_canonical(), headers, &self.proxies)),
        }
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

/// The machine that sent the request: the last one that no trusted proxy has written down for
/// another trusted proxy. What stands further left anybody may have written.
fn client(peer: IpAddr, headers: &HeaderMap, proxies: &[IpNet]) -> IpAddr {
    let is_proxy = |address: &IpAddr| proxies.iter().any(|net| net.contains(address));
    if !is_proxy(&peer) {
        return peer;
    }
    let forwarded = headers.get_all("x-forwarded-for").iter().rev();
    let hops = forwarded
        .flat_map(|value| value.to_str().unwrap_or_default().rsplit(','))
        .map(|hop| hop.trim().parse::<IpAddr>().ok().map(|address| address.to_canonical()));
    let mut client = peer;
    for hop in hops {
        let Some(address) = hop else { break };
        client = address;
        if !is_proxy(&address) {
            break;
        }
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forwarded(peer: &str, hops: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for hop in hops {
            headers.append("x-forwarded-for", hop.parse().unwrap());
        }
        let proxies = ["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        client(peer.parse().unwrap(), &headers, &proxies).to_string()
    }

    #[test]
    fn a_forwarded_address_is_believed_of_trusted_proxies_alone() {
        assert_eq!(forwarded("192.0.2.1", &["198.51.100.7"]), "192.0.2.1");
        assert_eq!(forwarded("10.0.0.1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(forwarded("10.0.0.1", &["203.0.113.9, 198.51.100.7"]), "198.51.100.7");
        assert_eq!(
            forwarded("10.0.0.1", &["203.0.113.9", "198.51.100.7, 10.2.3.4"]),
            "198.51.100.7"
        );
        assert_eq!(forwarded("10.0.0.1", &["nonsense"]), "10.0.0.1");
        assert_eq!(forwarded("10.0.0.1", &["203.0.113.9, nonsense, 10.2.3.4"]), "10.2.3.4");
        assert_eq!(forwarded("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(forwarded("::1", &["2001:db8::5"]), "2001:db8::5");
    }

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

//! Keys, tokens, an issuer's server, a clock and a log, all in the test's hands.

mod jwks;
mod keys;
#[path = "../../shared/log.rs"]
mod log;
mod tokens;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use metricd_application::ports::{Clock, TokenError, TokenVerifier};
use metricd_core::claim::ClaimName;
use metricd_infrastructure::auth::{
    ClaimPath, IssuerConfig, IssuerKind, KeySet, KeySource, RoleRules, Verifier,
};
use serde_json::{Value, json};

pub(crate) use jwks::{Answer, Server};
pub(crate) use keys::{Signer, ec, ed, other_rsa, rsa};
pub(crate) use log::Log;
pub(crate) use tokens::{Draft, encode};

/// 2025-06-15T12:00:00Z.
pub(crate) const NOW: i64 = 1_749_988_800;
pub(crate) const POOL: &str = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_pool";
pub(crate) const OIDC: &str = "https://issuer.example";
pub(crate) const CLIENT: &str = "1example23456789";
pub(crate) const AUDIENCE: &str = "metricd";
pub(crate) const SCOPE: &str = "api/backend_access";

/// A clock that a test moves.
#[derive(Debug)]
pub(crate) struct Hands(AtomicI64);

impl Hands {
    pub(crate) fn at_noon() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(NOW)))
    }

    pub(crate) fn set(&self, seconds: i64) {
        self.0.store(seconds, Ordering::SeqCst);
    }
}

impl Clock for Hands {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.0.load(Ordering::SeqCst), 0).unwrap()
    }
}

/// Every key of the tests, each under its own id.
pub(crate) fn jwks() -> Value {
    json!({ "keys": [rsa().jwk("rsa"), ec().jwk("ec"), ed().jwk("ed")] })
}

pub(crate) fn fixed_keys() -> KeySource {
    KeySource::Fixed(KeySet::parse(&jwks()).unwrap())
}

pub(crate) fn cognito(keys: KeySource) -> IssuerConfig {
    let kind = IssuerKind::Cognito { client_ids: [CLIENT.to_owned()].into() };
    IssuerConfig {
        required_scope: Some(SCOPE.into()),
        roles: rules(),
        ..IssuerConfig::new(POOL, keys, kind)
    }
}

pub(crate) fn oidc(keys: KeySource) -> IssuerConfig {
    let kind = IssuerKind::Oidc { audiences: [AUDIENCE.to_owned(), "metrics".to_owned()].into() };
    IssuerConfig {
        required_scope: Some(SCOPE.into()),
        roles: rules(),
        ..IssuerConfig::new(OIDC, keys, kind)
    }
}

fn rules() -> RoleRules {
    use metricd_core::actor::Role::{Admin, Editor, Viewer};
    RoleRules::parse([
        (Editor, "scope=api/backend_access"),
        (Viewer, "cognito:groups=readers"),
        (Admin, "realm_access.roles=metricd-admin"),
    ])
    .unwrap()
}

pub(crate) fn verifier(issuers: Vec<IssuerConfig>) -> Verifier {
    verifier_at(issuers, Hands::at_noon())
}

pub(crate) fn verifier_at(issuers: Vec<IssuerConfig>, clock: Arc<Hands>) -> Verifier {
    let slot =
        |name: &str, path: &str| (ClaimName::parse(name).unwrap(), ClaimPath::parse(path).unwrap());
    let claims = BTreeMap::from([
        slot("tenant", "custom:tenant_id"),
        slot("team", "https://example.com/team"),
        slot("level", "org.level"),
    ]);
    Verifier::new(issuers, claims, clock).unwrap()
}

/// How a token fared, in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    Passed,
    Invalid(&'static str),
    Expired,
    Scope,
    Unavailable,
}

pub(crate) async fn fate(verifier: &Verifier, token: &str) -> Fate {
    match verifier.verify(token).await {
        Ok(_) => Fate::Passed,
        Err(TokenError::Invalid(text)) => Fate::Invalid(text),
        Err(TokenError::Expired) => Fate::Expired,
        Err(TokenError::Scope { .. }) => Fate::Scope,
        Err(TokenError::Unavailable(_)) => Fate::Unavailable,
    }
}

/// Lets time pass for everything that counts it, at once.
pub(crate) async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// Waits for something that others do; a test that waits in vain fails instead of standing still.
pub(crate) async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), waiting).await.expect("it never came to pass");
}

//! Verifies tokens and caches those that passed. The order matters: what is read of a token before its
//! signature is verified only chooses the key, and nothing is reported of one that fails later.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use async_trait::async_trait;
use aws_lc_rs::digest;
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::Algorithm;
use metricd_application::{
    error_chain,
    ports::{Clock, TokenError, TokenVerifier},
};
use metricd_core::{actor::Identity, claim::ClaimName};
use quick_cache::sync::Cache;
use reqwest::Url;
use serde_json::{Map, Value};
use thiserror::Error;
use tracing::info;

use super::{
    ClaimPath, IssuerConfig, IssuerKind, KeySource, claims,
    fetch::{Address, KeyOrigin},
    key_ring::{KeyRing, MissingKey},
    key_set::VerifyingKey,
    token::{self, Unverified},
};
use crate::http::{Http, is_safe};

/// The tolerance for an issuer's clock that is ahead.
const SKEW: TimeDelta = TimeDelta::seconds(60);
/// The maximum number of cached tokens. Each has its own expiry, so their cache needs no clock
/// (`docs/adr/0013-which-cache-for-what.md`).
const MAX_CACHED_TOKENS: usize = 10_000;

/// Verifies the tokens of trusted issuers.
///
/// A token that passed is cached, by its hash, until it expires or its issuer withdraws the key that
/// signed it; one that did not pass is verified anew each time. Keys are fetched when they are first
/// needed, by `tokio::spawn`.
#[derive(Debug)]
pub struct Verifier {
    issuers: Vec<Issuer>,
    claims: BTreeMap<ClaimName, ClaimPath>,
    clock: PortClock,
    cached: Cache<Fingerprint, Arc<CachedToken>>,
}

/// The reason why the configuration of issuers is rejected.
#[derive(Debug, Error)]
pub enum VerifierError {
    /// An issuer has no name.
    #[error("an issuer has no name")]
    Nameless,
    /// Two issuers have the same name.
    #[error("the issuer `{0}` is described twice")]
    Twice(String),
    /// Without an audience, tokens for others would be accepted.
    #[error("no audience or client is named for the issuer `{0}`")]
    NoAudience(String),
    /// The URL of the keys is not protected by TLS.
    #[error(
        "the keys of the issuer `{0}` must come by https, or from this machine, and without a password in the address"
    )]
    Insecure(String),
    /// Its configuration cannot be discovered, as its name is no URL.
    #[error("the issuer `{0}` is not a URL under which its keys can be looked up")]
    NoAddress(String),
    /// No HTTP client can be built.
    #[error("no HTTP client can be built to fetch the issuers' keys")]
    Http(#[source] reqwest::Error),
}

/// What came of fetching an issuer's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerProbe {
    /// The issuer's name.
    pub issuer: String,
    /// How many keys it has, or why they cannot be had.
    pub keys: Result<usize, String>,
}

/// SHA-256 of a token.
type Fingerprint = [u8; digest::SHA256_OUTPUT_LEN];

#[derive(Debug)]
struct Issuer {
    config: IssuerConfig,
    keys: Arc<KeyRing>,
}

/// A verified token, and when it expires.
#[derive(Debug)]
struct CachedToken {
    identity: Arc<Identity>,
    expires: DateTime<Utc>,
    issuer: usize,
    key: Arc<VerifyingKey>,
}

impl Verifier {
    /// Creates a verifier of these issuers' tokens, which reads these claims for slots. Fetches nothing.
    ///
    /// # Errors
    /// See [`VerifierError`].
    pub fn new(
        issuers: Vec<IssuerConfig>,
        claims: BTreeMap<ClaimName, ClaimPath>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, VerifierError> {
        let mut names = HashSet::new();
        if let Some(twice) = issuers.iter().find(|issuer| !names.insert(&issuer.issuer)) {
            return Err(VerifierError::Twice(twice.issuer.clone()));
        }
        // Built only if keys have to be fetched: it needs the machine's certificates.
        let mut http = None;
        let mut asked = || {
            if let Some(http) = &http {
                return Ok(Arc::clone(http));
            }
            let made = Http::new().map(Arc::new).map_err(VerifierError::Http)?;
            Ok(Arc::clone(http.insert(made)))
        };
        let issuers = issuers
            .into_iter()
            .map(|config| Issuer::new(config, &mut asked))
            .collect::<Result<_, _>>()?;
        let cached = Cache::new(MAX_CACHED_TOKENS);
        Ok(Self { issuers, claims, clock: PortClock(clock), cached })
    }

    /// Fetches each issuer's keys, whether or not they were fetched before.
    pub async fn probe(&self) -> Vec<IssuerProbe> {
        let mut probes = Vec::new();
        for Issuer { config, keys } in &self.issuers {
            let keys = keys.probe().await.map_err(|error| error_chain(&error));
            probes.push(IssuerProbe { issuer: config.issuer.clone(), keys });
        }
        probes
    }

    /// Returns the identity of a token that passed before and still would.
    fn cached(&self, fingerprint: &Fingerprint) -> Option<Arc<Identity>> {
        let token = self.cached.get(fingerprint)?;
        let is_valid =
            token.expires > self.clock.now() && self.issuers[token.issuer].keys.holds(&token.key);
        if !is_valid {
            self.cached.remove(fingerprint);
            return None;
        }
        Some(Arc::clone(&token.identity))
    }

    async fn verify_in_full(&self, token: &str) -> Result<CachedToken, TokenError> {
        let token = Unverified::parse(token).map_err(TokenError::Invalid)?;
        let named = text(&token.claims, "iss")?;
        let (index, issuer) = self
            .issuers
            .iter()
            .enumerate()
            .find(|(_, issuer)| named == Some(&issuer.config.issuer))
            .ok_or(TokenError::Invalid("the token's issuer is not trusted"))?;
        if !issuer.signs_by(token.algorithm) {
            return Err(TokenError::Invalid("the token's algorithm is not one of its issuer's"));
        }
        let key = issuer.keys.key(&token.kid).await.map_err(|error| match error {
            MissingKey::Unknown => TokenError::Invalid("the token's issuer has no key of that id"),
            MissingKey::Unavailable(failure) => TokenError::Unavailable(Box::new(failure)),
        })?;
        if !key.signs_by(token.algorithm) {
            return Err(TokenError::Invalid("the token's algorithm is not its key's"));
        }
        if !key.has_signed(token.signed, token.signature, token.algorithm) {
            return Err(TokenError::Invalid("the token's signature is not valid"));
        }

        // The signature covers what was parsed above: from here on it may be trusted.
        let (identity, expires) = self.read(issuer, &token.claims)?;
        Ok(CachedToken { identity: Arc::new(identity), expires, issuer: index, key })
    }

    fn read(
        &self,
        issuer: &Issuer,
        claims: &Map<String, Value>,
    ) -> Result<(Identity, DateTime<Utc>), TokenError> {
        let now = self.clock.now();
        let client = issuer.check_purpose(claims)?;
        let subject = issuer
            .config
            .subject_claim
            .find(claims)
            .and_then(Value::as_str)
            .filter(|subject| claims::is_name(subject))
            .ok_or(TokenError::Invalid("the token names no subject"))?;
        let scopes = match issuer.config.scope_claim.find(claims) {
            None => BTreeSet::new(),
            Some(value) => claims::scopes(value)
                .ok_or(TokenError::Invalid("the token's scopes are not strings"))?,
        };
        let expires = claims
            .get("exp")
            .and_then(token::instant)
            .ok_or(TokenError::Invalid("the token has no valid expiry time"))?;
        for name in ["nbf", "iat"] {
            let Some(value) = claims.get(name) else { continue };
            let begins = token::instant(value)
                .ok_or(TokenError::Invalid("a time in the token is not a number of seconds"))?;
            if begins > now + SKEW {
                return Err(TokenError::Invalid("the token is not valid yet"));
            }
        }
        if expires <= now {
            return Err(TokenError::Expired);
        }
        let slots = self
            .claims
            .iter()
            .filter_map(|(name, path)| Some((name.clone(), claims::slot(path.find(claims)?))));
        let mut identity = Identity {
            issuer: issuer.config.issuer.clone(),
            subject: subject.to_owned(),
            client: client.map(str::to_owned),
            roles: BTreeSet::new(),
            scopes,
            claims: slots.collect(),
        };
        if let Some(required) = &issuer.config.required_scope
            && !identity.scopes.contains(required)
        {
            let required = required.clone();
            return Err(TokenError::Scope { identity: Arc::new(identity), required });
        }
        identity.roles = issuer.config.roles.roles(claims, &identity.scopes);
        Ok((identity, expires))
    }
}

#[async_trait]
impl TokenVerifier for Verifier {
    async fn verify(&self, token: &str) -> Result<Arc<Identity>, TokenError> {
        if token.len() > token::MAX_BYTES {
            return Err(TokenError::Invalid("the token is too long"));
        }
        let fingerprint = fingerprint(token);
        if let Some(identity) = self.cached(&fingerprint) {
            return Ok(identity);
        }
        let passed = Box::pin(self.verify_in_full(token)).await?;
        let identity = Arc::clone(&passed.identity);
        self.cached.insert(fingerprint, Arc::new(passed));
        info!(subject = identity.subject, issuer = identity.issuer, "Token validated");
        Ok(identity)
    }
}

impl Issuer {
    /// `http` is called only where keys have to be fetched.
    fn new(
        config: IssuerConfig,
        http: impl FnOnce() -> Result<Arc<Http>, VerifierError>,
    ) -> Result<Self, VerifierError> {
        let name = &config.issuer;
        if name.is_empty() {
            return Err(VerifierError::Nameless);
        }
        let (IssuerKind::Cognito { client_ids: taken } | IssuerKind::Oidc { audiences: taken }) =
            &config.kind;
        if taken.is_empty() {
            return Err(VerifierError::NoAudience(name.clone()));
        }
        let remote = |url: &Url, address: Address| {
            if !is_safe(url) {
                return Err(VerifierError::Insecure(name.clone()));
            }
            Ok(KeyRing::remote(name.clone(), KeyOrigin { http: http()?, address }))
        };
        let keys = match &config.keys {
            KeySource::Jwks(url) => remote(url, Address::Jwks(url.clone()))?,
            KeySource::Discovery => {
                let url = configuration_of(name)?;
                let issuer = name.clone();
                remote(&url, Address::Configuration { url: url.clone(), issuer })?
            }
            KeySource::Fixed(keys) => KeyRing::fixed(name.clone(), keys.clone()),
        };
        Ok(Self { config, keys: Arc::new(keys) })
    }

    fn signs_by(&self, algorithm: Algorithm) -> bool {
        match self.config.kind {
            IssuerKind::Cognito { .. } => algorithm == Algorithm::RS256,
            IssuerKind::Oidc { .. } => true,
        }
    }

    /// Checks that it is an access token for metricd, and returns the client that it was issued to.
    fn check_purpose<'a>(
        &self,
        claims: &'a Map<String, Value>,
    ) -> Result<Option<&'a str>, TokenError> {
        const NOT_ACCESS: TokenError = TokenError::Invalid("the token is not an access token");
        const NOT_OURS: TokenError = TokenError::Invalid("the token is for another audience");

        let token_use = claims.get("token_use");
        let is_for = |taken: &BTreeSet<String>, audience: &Value| {
            claims::texts(audience)
                .is_some_and(|texts| texts.into_iter().any(|text| taken.contains(text)))
        };
        match &self.config.kind {
            IssuerKind::Cognito { client_ids } => {
                if token_use.is_none_or(|purpose| purpose != "access") {
                    return Err(NOT_ACCESS);
                }
                let client = text(claims, "client_id")?
                    .filter(|&client| client_ids.contains(client))
                    .ok_or(NOT_OURS)?;
                if claims.get("aud").is_some_and(|audience| !is_for(client_ids, audience)) {
                    return Err(NOT_OURS);
                }
                Ok(Some(client))
            }
            IssuerKind::Oidc { audiences } => {
                let is_something_else = token_use.is_some_and(|purpose| purpose != "access")
                    || claims.get("typ").is_some_and(|kind| kind != "Bearer")
                    || claims.contains_key("at_hash")
                    || claims.contains_key("c_hash");
                if is_something_else {
                    return Err(NOT_ACCESS);
                }
                if claims.get("aud").is_none_or(|audience| !is_for(audiences, audience)) {
                    return Err(NOT_OURS);
                }
                let client = text(claims, "client_id")?;
                Ok(client.or(text(claims, "azp")?))
            }
        }
    }
}

/// A name that a token may omit, but must not have in another type.
fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, TokenError> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if claims::is_name(text) => Ok(Some(text)),
        Some(_) => Err(TokenError::Invalid("a claim of the token is not a valid name")),
    }
}

/// Returns the URL of an issuer's OpenID configuration.
fn configuration_of(issuer: &str) -> Result<Url, VerifierError> {
    const WELL_KNOWN: &str = "/.well-known/openid-configuration";
    let base = issuer.strip_suffix('/').unwrap_or(issuer);
    Url::parse(base)
        .ok()
        .filter(|url| url.has_host() && url.query().is_none() && url.fragment().is_none())
        .and_then(|_| Url::parse(&format!("{base}{WELL_KNOWN}")).ok())
        .ok_or_else(|| VerifierError::NoAddress(issuer.to_owned()))
}

fn fingerprint(token: &str) -> Fingerprint {
    let mut fingerprint = Fingerprint::default();
    fingerprint.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
    fingerprint
}

/// The port, which has no `Debug`.
struct PortClock(Arc<dyn Clock>);

impl std::fmt::Debug for PortClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

impl std::ops::Deref for PortClock {
    type Target = dyn Clock;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{auth::KeySet, system::FixedClock};

    #[test]
    fn only_so_many_tokens_are_cached() {
        let now = DateTime::from_timestamp(1_750_000_000, 0).unwrap();
        let verifier =
            Verifier::new(Vec::new(), BTreeMap::new(), Arc::new(FixedClock(now))).unwrap();
        let base_point = "WGZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmY";
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "kid": "a", "x": base_point });
        let key = Arc::clone(KeySet::parse(&json!({ "keys": [jwk] })).unwrap().get("a").unwrap());
        let identity = Arc::new(Identity {
            issuer: "a".into(),
            subject: "b".into(),
            client: None,
            roles: BTreeSet::new(),
            scopes: BTreeSet::new(),
            claims: BTreeMap::new(),
        });
        let token = Arc::new(CachedToken { identity, expires: now, issuer: 0, key });
        for n in 0..MAX_CACHED_TOKENS * 2 {
            verifier.cached.insert(fingerprint(&n.to_string()), Arc::clone(&token));
        }
        let cached = verifier.cached.len();
        assert!((MAX_CACHED_TOKENS / 2..=MAX_CACHED_TOKENS).contains(&cached), "{cached}");
    }
}

//! Issuers that cannot be trusted as they are described.

use std::{collections::BTreeMap, sync::Arc};

use metricd_infrastructure::auth::{
    IssuerConfig, IssuerKind, KeySource, Url, Verifier, VerifierError,
};

use super::support::{Hands, cognito, fixed_keys, oidc};

fn refuse(issuers: Vec<IssuerConfig>) -> VerifierError {
    let clock: Arc<Hands> = Hands::at_noon();
    Verifier::new(issuers, BTreeMap::new(), clock).unwrap_err()
}

#[test]
fn an_issuer_is_described_once() {
    let error = refuse(vec![oidc(fixed_keys()), cognito(fixed_keys()), oidc(fixed_keys())]);
    assert!(matches!(error, VerifierError::Twice(_)), "{error:?}");
}

#[test]
fn an_issuer_has_a_name() {
    let error = refuse(vec![IssuerConfig { issuer: String::new(), ..oidc(fixed_keys()) }]);
    assert!(matches!(error, VerifierError::Nameless), "{error:?}");
}

#[test]
fn a_token_for_any_audience_is_never_accepted() {
    for kind in
        [IssuerKind::Oidc { audiences: [].into() }, IssuerKind::Cognito { client_ids: [].into() }]
    {
        let error = refuse(vec![IssuerConfig { kind, ..oidc(fixed_keys()) }]);
        assert!(matches!(error, VerifierError::NoAudience(_)), "{error:?}");
    }
}

#[test]
fn keys_are_not_fetched_without_tls() {
    for text in ["http://issuer.example/keys", "ftp://issuer.example/keys", "https://a:b@c.d/"] {
        let error = refuse(vec![oidc(KeySource::Jwks(Url::parse(text).unwrap()))]);
        assert!(matches!(error, VerifierError::Insecure(_)), "{text}: {error:?}");
        assert!(!error.to_string().contains("a:b"), "{error}");
    }
    let issuer = "http://issuer.example".to_owned();
    let error = refuse(vec![IssuerConfig { issuer, ..oidc(KeySource::Discovery) }]);
    assert!(matches!(error, VerifierError::Insecure(_)), "{error:?}");
}

#[test]
fn a_configuration_is_looked_up_at_an_address() {
    for name in ["issuer", "urn:example:issuer", "https://a.example/?x=1", "https://a.example/#x"] {
        let config = IssuerConfig { issuer: name.into(), ..oidc(KeySource::Discovery) };
        let error = refuse(vec![config]);
        assert!(matches!(error, VerifierError::NoAddress(_)), "{name}: {error:?}");
    }
}

//! The cache of verified tokens.

use std::time::Duration;

use metricd_application::ports::TokenVerifier;
use serde_json::json;

use super::support::{
    CLIENT, Draft, Fate, Hands, Log, NOW, POOL, Server, cognito, fate, fixed_keys, jwks, oidc,
    other_rsa, pass, rsa, until, verifier, verifier_at,
};

const VALIDATED: &str = "Token validated";

#[tokio::test]
async fn a_token_is_verified_in_full_once() {
    let log = Log::begin();
    let verifier = verifier(vec![cognito(fixed_keys())]);
    let token = Draft::cognito().signed();
    let first = verifier.verify(&token).await.unwrap();
    for _ in 0..5 {
        assert_eq!(verifier.verify(&token).await.unwrap(), first);
    }
    let lines = log.lines(VALIDATED);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("INFO"), "{lines:?}");
    assert!(lines[0].contains(&format!("subject={CLIENT:?}")), "{lines:?}");
    assert!(lines[0].contains(&format!("issuer={POOL:?}")), "{lines:?}");
    for part in token.split('.') {
        assert!(!log.holds(part), "a part of the token was logged");
    }
}

#[tokio::test]
async fn a_different_token_is_not_a_cache_hit() {
    let verifier = verifier(vec![oidc(fixed_keys())]);
    let token = Draft::oidc().signed();
    assert_eq!(fate(&verifier, &token).await, Fate::Passed);
    let stolen = Draft::oidc().signed_by(other_rsa());
    assert!(matches!(fate(&verifier, &stolen).await, Fate::Invalid(_)));
    assert!(matches!(fate(&verifier, &token[..token.len() - 1]).await, Fate::Invalid(_)));
    let other = Draft::oidc().claim("sub", "boris").signed();
    assert_eq!(verifier.verify(&other).await.unwrap().subject, "boris");
    assert_eq!(verifier.verify(&token).await.unwrap().subject, "anna");
}

#[tokio::test]
async fn a_token_is_not_cached_past_its_expiry() {
    let clock = Hands::at_noon();
    let verifier = verifier_at(vec![oidc(fixed_keys())], clock.clone());
    let token = Draft::oidc().claim("exp", NOW + 60).signed();
    assert_eq!(fate(&verifier, &token).await, Fate::Passed);
    clock.set(NOW + 59);
    assert_eq!(fate(&verifier, &token).await, Fate::Passed);
    clock.set(NOW + 60);
    assert_eq!(fate(&verifier, &token).await, Fate::Expired);
}

#[tokio::test]
async fn a_failure_is_not_cached() {
    let clock = Hands::at_noon();
    let verifier = verifier_at(vec![oidc(fixed_keys())], clock.clone());
    let early = Draft::oidc().claim("nbf", NOW + 100).signed();
    assert!(matches!(fate(&verifier, &early).await, Fate::Invalid(_)));
    clock.set(NOW + 50);
    assert_eq!(fate(&verifier, &early).await, Fate::Passed);
}

#[tokio::test]
async fn a_key_that_is_withdrawn_ends_its_tokens() {
    let server = Server::with_keys(jwks()).await;
    let verifier = verifier(vec![oidc(server.keys())]);
    let token = Draft::oidc().signed();
    assert_eq!(fate(&verifier, &token).await, Fate::Passed);
    server.rotate(json!({ "keys": [other_rsa().jwk("other")] }));
    pass(Duration::from_secs(10)).await;
    let other = Draft::oidc().head("kid", "other").signed_by(other_rsa());
    assert_eq!(fate(&verifier, &other).await, Fate::Passed);
    let unknown = Fate::Invalid("the token's issuer has no key of that id");
    assert_eq!(fate(&verifier, &token).await, unknown);
}

#[tokio::test]
async fn a_key_that_is_replaced_under_its_id_ends_its_tokens() {
    let server = Server::with_keys(jwks()).await;
    let verifier = verifier(vec![oidc(server.keys())]);
    let token = Draft::oidc().signed();
    assert_eq!(fate(&verifier, &token).await, Fate::Passed);
    server.rotate(json!({ "keys": [other_rsa().jwk("rsa")] }));
    pass(Duration::from_secs(10)).await;
    let bogus = Draft::oidc().head("kid", "bogus").signed_by(rsa());
    assert!(matches!(fate(&verifier, &bogus).await, Fate::Invalid(_)));
    let wrong = Fate::Invalid("the token's signature is not valid");
    assert_eq!(fate(&verifier, &token).await, wrong);
}

#[tokio::test]
async fn a_key_that_is_fetched_again_keeps_its_tokens() {
    let log = Log::begin();
    let server = Server::with_keys(jwks()).await;
    let verifier = verifier(vec![oidc(server.keys())]);
    let token = Draft::oidc().signed();
    assert_eq!(fate(&verifier, &token).await, Fate::Passed);
    pass(Duration::from_secs(10)).await;
    let bogus = Draft::oidc().head("kid", "bogus").signed_by(rsa());
    assert!(matches!(fate(&verifier, &bogus).await, Fate::Invalid(_)));
    assert_eq!(server.asked().len(), 2);
    assert_eq!(fate(&verifier, &token).await, Fate::Passed);
    assert_eq!(log.lines(VALIDATED).len(), 1);
}

#[tokio::test]
async fn cached_tokens_keep_the_keys_fresh_too() {
    let server = Server::with_keys(jwks()).await;
    let verifier = verifier(vec![oidc(server.keys())]);
    let token = Draft::oidc().signed();
    assert_eq!(fate(&verifier, &token).await, Fate::Passed);
    server.rotate(json!({ "keys": [other_rsa().jwk("other")] }));
    pass(Duration::from_secs(15 * 60 + 1)).await;
    assert_eq!(fate(&verifier, &token).await, Fate::Passed);
    until(async || fate(&verifier, &token).await != Fate::Passed).await;
    assert_eq!(server.asked().len(), 2);
}

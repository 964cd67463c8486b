//! What good tokens give.

use metricd_application::ports::{TokenError, TokenVerifier};
use metricd_core::{
    actor::Role,
    claim::{ClaimName, ClaimValue},
};
use metricd_infrastructure::auth::{ClaimPath, IssuerConfig};
use serde_json::json;

use super::support::{
    CLIENT, Draft, Fate, OIDC, POOL, SCOPE, cognito, fate, fixed_keys, oidc, verifier,
};

#[tokio::test]
async fn a_machine_of_a_pool_is_who_its_client_is() {
    let verifier = verifier(vec![oidc(fixed_keys()), cognito(fixed_keys())]);
    let identity = verifier.verify(&Draft::cognito().signed()).await.unwrap();
    assert_eq!(identity.issuer, POOL);
    assert_eq!(identity.subject, CLIENT);
    assert_eq!(identity.client.as_deref(), Some(CLIENT));
    assert_eq!(identity.scopes, [SCOPE.to_owned()].into());
    assert_eq!(identity.roles, [Role::Editor].into());
    assert!(identity.claims.is_empty());
}

#[tokio::test]
async fn a_person_brings_roles_and_claims() {
    let verifier = verifier(vec![cognito(fixed_keys()), oidc(fixed_keys())]);
    let draft = Draft::oidc()
        .claim("realm_access", json!({ "roles": ["offline", "metricd-admin"] }))
        .claim("cognito:groups", json!(["readers"]))
        .claim("custom:tenant_id", "acme")
        .claim("https://example.com/team", json!(["a", "b"]))
        .claim("org", json!({ "level": 7 }));
    let identity = verifier.verify(&draft.signed()).await.unwrap();
    assert_eq!(identity.issuer, OIDC);
    assert_eq!(identity.subject, "anna");
    assert_eq!(identity.client.as_deref(), Some("dashboard"));
    assert_eq!(identity.scopes, ["openid".to_owned(), SCOPE.to_owned()].into());
    assert_eq!(identity.roles, Role::ALL.into());
    let claim = |name| identity.claims.get(&ClaimName::parse(name).unwrap()).cloned();
    assert_eq!(claim("tenant"), Some(ClaimValue::Text("acme".into())));
    assert_eq!(claim("team"), Some(ClaimValue::Unusable));
    assert_eq!(claim("level"), Some(ClaimValue::Text("7".into())));
}

#[tokio::test]
async fn a_claim_that_a_token_does_not_have_is_not_there() {
    let verifier = verifier(vec![oidc(fixed_keys())]);
    let identity = verifier.verify(&Draft::oidc().signed()).await.unwrap();
    assert!(identity.claims.is_empty());
    assert_eq!(identity.roles, [Role::Editor].into());
}

#[tokio::test]
async fn the_client_is_named_by_itself_or_as_the_authorized_party() {
    let verifier = verifier(vec![oidc(fixed_keys())]);
    for (draft, client) in [
        (Draft::oidc().claim("client_id", "cli"), Some("cli")),
        (Draft::oidc(), Some("dashboard")),
        (Draft::oidc().without("azp"), None),
    ] {
        let identity = verifier.verify(&draft.signed()).await.unwrap();
        assert_eq!(identity.client.as_deref(), client);
    }
}

#[tokio::test]
async fn a_token_without_the_scope_is_rejected_with_its_identity() {
    let verifier = verifier(vec![cognito(fixed_keys())]);
    let draft =
        Draft::cognito().claim("scope", "api/read").claim("cognito:groups", json!(["readers"]));
    let error = verifier.verify(&draft.signed()).await.unwrap_err();
    let TokenError::Scope { identity, required } = error else { panic!("{error:?}") };
    assert_eq!(required, SCOPE);
    assert_eq!(identity.subject, CLIENT);
    assert_eq!(identity.scopes, ["api/read".to_owned()].into());
    assert!(identity.roles.is_empty());
}

#[tokio::test]
async fn an_issuer_may_have_other_claims_for_scopes_and_subjects() {
    let path = |text: &str| ClaimPath::parse(text).unwrap();
    let verifier = verifier(vec![IssuerConfig {
        scope_claim: path("scp"),
        subject_claim: path("user.name"),
        ..oidc(fixed_keys())
    }]);
    let draft = Draft::oidc()
        .without("scope")
        .without("sub")
        .claim("scp", json!(["x", SCOPE]))
        .claim("user", json!({ "name": "anna" }));
    let identity = verifier.verify(&draft.signed()).await.unwrap();
    assert_eq!(identity.subject, "anna");
    assert_eq!(identity.roles, [Role::Editor].into());
    assert_eq!(
        fate(&verifier, &Draft::oidc().signed()).await,
        Fate::Invalid("the token names no subject")
    );
}

//! Mutations of what a good token claims: each claim missing, malformed and of each wrong type.

use serde_json::{Value, json};

use super::support::{
    AUDIENCE, CLIENT, Draft, Fate, NOW, OIDC, POOL, SCOPE, cognito, fate, fixed_keys, oidc,
    other_rsa, rsa, verifier,
};

const ISSUER: Fate = Fate::Invalid("the token's issuer is not trusted");
const NO_NAME: Fate = Fate::Invalid("a claim of the token is not a valid name");
const NOT_ACCESS: Fate = Fate::Invalid("the token is not an access token");
const NOT_OURS: Fate = Fate::Invalid("the token is for another audience");
const NO_SUBJECT: Fate = Fate::Invalid("the token names no subject");
const SCOPES: Fate = Fate::Invalid("the token's scopes are not strings");
const NO_END: Fate = Fate::Invalid("the token has no valid expiry time");
const NO_BEGINNING: Fate = Fate::Invalid("a time in the token is not a number of seconds");
const NOT_YET: Fate = Fate::Invalid("the token is not valid yet");

async fn check(draft: Draft, claim: &str, cases: impl IntoIterator<Item = (Value, Fate)>) {
    let verifier = verifier(vec![oidc(fixed_keys()), cognito(fixed_keys())]);
    assert_eq!(fate(&verifier, &draft.signed()).await, Fate::Passed);
    for (value, expected) in cases {
        let token = draft.clone().claim(claim, value.clone()).signed();
        assert_eq!(fate(&verifier, &token).await, expected, "{claim}: {value}");
    }
}

/// The claim as nothing but a text: everything else ends alike.
async fn check_types(draft: Draft, claim: &str, expected: fn() -> Fate) {
    let odd = [json!(null), json!(1), json!(true), json!({ "a": 1 }), json!([1]), json!("")];
    check(draft, claim, odd.map(|value| (value, expected()))).await;
}

#[tokio::test]
async fn the_issuer_is_one_that_is_trusted_to_the_letter() {
    let close = [
        format!("{OIDC}/"),
        format!("{OIDC}.evil.example"),
        format!(" {OIDC}"),
        format!("{OIDC} "),
        "https://issuer.exam".into(),
        "https://Issuer.example".into(),
        "http://issuer.example".into(),
        "issuer.example".into(),
        format!("{POOL}2"),
        "https://cognito-idp.eu-west-1.amazonaws.com/".into(),
    ];
    check(Draft::oidc(), "iss", close.map(|text| (json!(text), ISSUER))).await;
    check_types(Draft::oidc(), "iss", || NO_NAME).await;
    check(Draft::oidc(), "iss", [(json!([OIDC]), NO_NAME)]).await;
    let verifier = verifier(vec![oidc(fixed_keys())]);
    assert_eq!(fate(&verifier, &Draft::oidc().without("iss").signed()).await, ISSUER);
    assert_eq!(fate(&verifier, &Draft::cognito().signed()).await, ISSUER);
}

#[tokio::test]
async fn a_key_signs_for_its_own_issuer_only() {
    let keys = |key: &super::support::Signer| {
        let set = json!({ "keys": [key.jwk("rsa")] });
        let keys = metricd_infrastructure::auth::KeySet::parse(&set).unwrap();
        metricd_infrastructure::auth::KeySource::Fixed(keys)
    };
    let verifier = verifier(vec![oidc(keys(rsa())), cognito(keys(other_rsa()))]);
    let signature = Fate::Invalid("the token's signature is not valid");
    assert_eq!(fate(&verifier, &Draft::oidc().signed_by(rsa())).await, Fate::Passed);
    assert_eq!(fate(&verifier, &Draft::cognito().signed_by(other_rsa())).await, Fate::Passed);
    assert_eq!(fate(&verifier, &Draft::oidc().signed_by(other_rsa())).await, signature);
    assert_eq!(fate(&verifier, &Draft::cognito().signed_by(rsa())).await, signature);
}

#[tokio::test]
async fn a_token_ends() {
    let cases = [
        (json!(NOW + 1), Fate::Passed),
        (json!(NOW + 315_360_000), Fate::Passed),
        (json!(1_749_988_800.5), Fate::Passed),
        (json!(NOW), Fate::Expired),
        (json!(NOW - 1), Fate::Expired),
        (json!(0), Fate::Expired),
        (json!((NOW + 60).to_string()), NO_END),
        (json!(null), NO_END),
        (json!(true), NO_END),
        (json!([NOW + 60]), NO_END),
        (json!({ "at": NOW + 60 }), NO_END),
        (json!(-1), NO_END),
        (json!(1e300), NO_END),
        (json!(u64::MAX), NO_END),
        (json!(i64::MAX), NO_END),
        (json!("never"), NO_END),
    ];
    check(Draft::oidc(), "exp", cases.clone()).await;
    check(Draft::cognito(), "exp", cases).await;
    let verifier = verifier(vec![oidc(fixed_keys()), cognito(fixed_keys())]);
    assert_eq!(fate(&verifier, &Draft::oidc().without("exp").signed()).await, NO_END);
    assert_eq!(fate(&verifier, &Draft::cognito().without("exp").signed()).await, NO_END);
}

#[tokio::test]
async fn a_token_has_begun_give_or_take_a_minute() {
    for name in ["nbf", "iat"] {
        let cases = [
            (json!(NOW), Fate::Passed),
            (json!(0), Fate::Passed),
            (json!(NOW + 60), Fate::Passed),
            (json!(NOW + 61), NOT_YET),
            (json!(NOW + 1_000_000), NOT_YET),
            (json!(NOW.to_string()), NO_BEGINNING),
            (json!(null), NO_BEGINNING),
            (json!(false), NO_BEGINNING),
            (json!([NOW]), NO_BEGINNING),
            (json!({}), NO_BEGINNING),
            (json!(-1), NO_BEGINNING),
            (json!(1e300), NO_BEGINNING),
            (json!(u64::MAX), NO_BEGINNING),
        ];
        check(Draft::oidc(), name, cases.clone()).await;
        check(Draft::cognito(), name, cases).await;
    }
    let verifier = verifier(vec![oidc(fixed_keys())]);
    let draft = Draft::oidc().without("nbf").without("iat");
    assert_eq!(fate(&verifier, &draft.signed()).await, Fate::Passed);
}

#[tokio::test]
async fn a_token_that_is_bad_otherwise_is_not_said_to_have_expired() {
    let old = Draft::oidc().claim("exp", NOW - 1);
    let verifier = verifier(vec![oidc(fixed_keys())]);
    assert_eq!(fate(&verifier, &old.clone().claim("aud", "x").signed()).await, NOT_OURS);
    assert_eq!(fate(&verifier, &old.clone().without("sub").signed()).await, NO_SUBJECT);
    assert_eq!(fate(&verifier, &old.claim("scope", "x").signed()).await, Fate::Expired);
}

#[tokio::test]
async fn a_token_needs_a_subject() {
    for draft in [Draft::oidc(), Draft::cognito()] {
        check_types(draft.clone(), "sub", || NO_SUBJECT).await;
        let cases = [
            (json!("x".repeat(256)), Fate::Passed),
            (json!("é".repeat(256)), Fate::Passed),
            (json!("x".repeat(257)), NO_SUBJECT),
            (json!("anna\nadmin"), NO_SUBJECT),
            (json!("anna\0"), NO_SUBJECT),
            (json!("\u{1b}[2J"), NO_SUBJECT),
            (json!("\u{85}"), NO_SUBJECT),
        ];
        check(draft.clone(), "sub", cases).await;
        let verifier = verifier(vec![oidc(fixed_keys()), cognito(fixed_keys())]);
        assert_eq!(fate(&verifier, &draft.without("sub").signed()).await, NO_SUBJECT);
    }
}

#[tokio::test]
async fn a_scope_is_a_whole_word() {
    for draft in [Draft::oidc(), Draft::cognito()] {
        let cases = [
            (json!(SCOPE), Fate::Passed),
            (json!(format!("openid {SCOPE} email")), Fate::Passed),
            (json!(["openid", SCOPE]), Fate::Passed),
            (json!("api/backend_access_all"), Fate::Scope),
            (json!("xapi/backend_access"), Fate::Scope),
            (json!("api/backend_acces"), Fate::Scope),
            (json!("api/Backend_access"), Fate::Scope),
            (json!("api/backend_access,openid"), Fate::Scope),
            (json!("openid\tapi/backend_access"), Fate::Scope),
            (json!("api/ backend_access"), Fate::Scope),
            (json!([format!("openid {SCOPE}")]), Fate::Scope),
            (json!(""), Fate::Scope),
            (json!([]), Fate::Scope),
            (json!(null), SCOPES),
            (json!(1), SCOPES),
            (json!(true), SCOPES),
            (json!({ SCOPE: true }), SCOPES),
            (json!([SCOPE, 1]), SCOPES),
            (json!([[SCOPE]]), SCOPES),
        ];
        check(draft.clone(), "scope", cases).await;
        let verifier = verifier(vec![oidc(fixed_keys()), cognito(fixed_keys())]);
        assert_eq!(fate(&verifier, &draft.without("scope").signed()).await, Fate::Scope);
    }
}

#[tokio::test]
async fn a_pool_s_token_is_an_access_token() {
    let mut odd: Vec<_> = [json!(null), json!(1), json!(["access"]), json!({})].into();
    odd.extend([json!("id"), json!("refresh"), json!("Access"), json!("access "), json!("")]);
    check(Draft::cognito(), "token_use", odd.into_iter().map(|value| (value, NOT_ACCESS))).await;
    let verifier = verifier(vec![cognito(fixed_keys())]);
    assert_eq!(fate(&verifier, &Draft::cognito().without("token_use").signed()).await, NOT_ACCESS);
    let id_token = Draft::cognito()
        .without("client_id")
        .without("scope")
        .claim("token_use", "id")
        .claim("aud", CLIENT)
        .claim("at_hash", "x");
    assert_eq!(fate(&verifier, &id_token.signed()).await, NOT_ACCESS);
}

#[tokio::test]
async fn a_pool_s_token_is_of_a_client_that_is_listed() {
    let cases = [
        (json!("another"), NOT_OURS),
        (json!(format!("{CLIENT}0")), NOT_OURS),
        (json!(&CLIENT[1..]), NOT_OURS),
        (json!([CLIENT]), NO_NAME),
    ];
    check(Draft::cognito(), "client_id", cases).await;
    check_types(Draft::cognito(), "client_id", || NO_NAME).await;
    let verifier = verifier(vec![cognito(fixed_keys())]);
    assert_eq!(fate(&verifier, &Draft::cognito().without("client_id").signed()).await, NOT_OURS);
}

#[tokio::test]
async fn an_audience_that_a_pool_s_token_has_must_match_too() {
    let cases = [
        (json!(CLIENT), Fate::Passed),
        (json!(["x", CLIENT]), Fate::Passed),
        (json!("another"), NOT_OURS),
        (json!(["another"]), NOT_OURS),
        (json!([]), NOT_OURS),
        (json!([CLIENT, 1]), NOT_OURS),
    ];
    check(Draft::cognito(), "aud", cases).await;
    check_types(Draft::cognito(), "aud", || NOT_OURS).await;
}

#[tokio::test]
async fn an_issuer_s_token_is_made_for_metricd() {
    let cases = [
        (json!("metrics"), Fate::Passed),
        (json!(["x", AUDIENCE]), Fate::Passed),
        (json!("metricd2"), NOT_OURS),
        (json!("https://metricd"), NOT_OURS),
        (json!("x metricd"), NOT_OURS),
        (json!(["x"]), NOT_OURS),
        (json!([]), NOT_OURS),
        (json!([AUDIENCE, null]), NOT_OURS),
        (json!([[AUDIENCE]]), NOT_OURS),
    ];
    check(Draft::oidc(), "aud", cases).await;
    check_types(Draft::oidc(), "aud", || NOT_OURS).await;
    let verifier = verifier(vec![oidc(fixed_keys())]);
    assert_eq!(fate(&verifier, &Draft::oidc().without("aud").signed()).await, NOT_OURS);
}

#[tokio::test]
async fn an_issuer_s_id_token_opens_nothing() {
    let cases = [("at_hash", json!("x")), ("c_hash", json!("x")), ("at_hash", json!(null))];
    for (name, value) in cases {
        check(Draft::oidc(), name, [(value, NOT_ACCESS)]).await;
    }
    let kinds = ["ID", "Refresh", "Offline", "Logout", "bearer", ""];
    check(Draft::oidc(), "typ", [(json!("Bearer"), Fate::Passed)]).await;
    check(Draft::oidc(), "typ", kinds.map(|kind| (json!(kind), NOT_ACCESS))).await;
    check_types(Draft::oidc(), "typ", || NOT_ACCESS).await;
    check(Draft::oidc(), "token_use", [(json!("access"), Fate::Passed)]).await;
    check(Draft::oidc(), "token_use", [(json!("id"), NOT_ACCESS)]).await;
    check_types(Draft::oidc(), "token_use", || NOT_ACCESS).await;
}

#[tokio::test]
async fn a_client_is_a_name_or_not_said() {
    for claim in ["client_id", "azp"] {
        check_types(Draft::oidc(), claim, || NO_NAME).await;
        check(Draft::oidc(), claim, [(json!("a\nb"), NO_NAME)]).await;
    }
}

#[tokio::test]
async fn claims_of_any_type_elsewhere_neither_help_nor_hurt() {
    let odd =
        [json!(null), json!(1.5), json!(true), json!("x"), json!({ "roles": 1 }), json!([[]])];
    for name in ["realm_access", "cognito:groups", "custom:tenant_id", "org", "jti", "x"] {
        check(Draft::oidc(), name, odd.clone().map(|value| (value, Fate::Passed))).await;
    }
}

//! The issuer of a machine without any other.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::{Arc, Barrier},
    thread,
    time::Duration,
};

use chrono::{DateTime, Utc};
use metricd_application::ports::TokenVerifier;
use metricd_core::{
    actor::Role,
    claim::{ClaimName, ClaimValue},
};
use metricd_infrastructure::auth::{
    DevelopmentError, DevelopmentIssuer, MintError, RoleRules, TokenRequest, Verifier,
};
use serde_json::{Map, Value, json};

use super::support::{Draft, Fate, Hands, NOW, ec, fate, verifier, verifier_at};

const DAY: Duration = Duration::from_hours(24);
const FILE: &str = "development-issuer.json";

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(NOW, 0).unwrap()
}

fn ask(role: Role) -> TokenRequest {
    TokenRequest { role, ttl: DAY, subject: None, claims: Map::new() }
}

fn claiming(claims: Value) -> TokenRequest {
    let Value::Object(claims) = claims else { panic!("an object is meant") };
    TokenRequest { claims, ..ask(Role::Viewer) }
}

fn trusting(issuer: &DevelopmentIssuer) -> Verifier {
    verifier(vec![issuer.issuer_config(RoleRules::default())])
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_minted_token_stands_for_its_role() {
    let dir = tempfile::tempdir().unwrap();
    let issuer = DevelopmentIssuer::open(dir.path()).unwrap();
    let verifier = trusting(&issuer);
    for role in Role::ALL {
        let token = issuer.mint(&ask(role), now()).unwrap();
        let identity = verifier.verify(&token).await.unwrap();
        assert_eq!(identity.issuer, "urn:metricd:development");
        assert_eq!(identity.subject, role.as_str());
        assert_eq!(identity.roles, [role].into());
        assert!(identity.scopes.is_empty());
    }
}

#[tokio::test]
async fn a_minted_token_has_the_requested_claims() {
    let dir = tempfile::tempdir().unwrap();
    let issuer = DevelopmentIssuer::open(dir.path()).unwrap();
    let rules = RoleRules::parse([(Role::Admin, "groups=ops")]).unwrap();
    let verifier = verifier(vec![issuer.issuer_config(rules)]);
    let claims = json!({ "custom:tenant_id": "acme", "groups": ["ops"], "scope": "a b" });
    let request = TokenRequest { subject: Some("anna".into()), ..claiming(claims) };
    let identity = verifier.verify(&issuer.mint(&request, now()).unwrap()).await.unwrap();
    assert_eq!(identity.subject, "anna");
    assert_eq!(identity.roles, [Role::Viewer, Role::Admin].into());
    assert_eq!(identity.scopes, ["a".to_owned(), "b".to_owned()].into());
    let tenant = ClaimName::parse("tenant").unwrap();
    assert_eq!(identity.claims.get(&tenant), Some(&ClaimValue::Text("acme".into())));
}

#[tokio::test]
async fn a_minted_token_ends_like_any_other() {
    let dir = tempfile::tempdir().unwrap();
    let issuer = DevelopmentIssuer::open(dir.path()).unwrap();
    let clock = Hands::at_noon();
    let verifier = verifier_at(vec![issuer.issuer_config(RoleRules::default())], clock.clone());
    let token = issuer.mint(&ask(Role::Viewer), now()).unwrap();
    clock.set(NOW + 24 * 3600 - 1);
    assert_eq!(fate(&verifier, &token).await, Fate::Passed);
    clock.set(NOW + 24 * 3600);
    assert_eq!(fate(&verifier, &token).await, Fate::Expired);
}

#[tokio::test]
async fn another_key_does_not_sign_for_it() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [ours, theirs] = dirs.each_ref().map(|dir| DevelopmentIssuer::open(dir.path()).unwrap());
    let kid = ours.jwks()["keys"][0]["kid"].clone();
    let forged = Draft::oidc()
        .head("alg", "ES256")
        .head("kid", kid)
        .claim("iss", "urn:metricd:development")
        .claim("metricd_role", "admin")
        .signed_by(ec());
    let verifier = trusting(&ours);
    assert!(matches!(fate(&verifier, &forged).await, Fate::Invalid(_)));
    let foreign = theirs.mint(&ask(Role::Admin), now()).unwrap();
    assert!(matches!(fate(&verifier, &foreign).await, Fate::Invalid(_)));
}

#[test]
fn what_metricd_writes_cannot_be_claimed() {
    let dir = tempfile::tempdir().unwrap();
    let issuer = DevelopmentIssuer::open(dir.path()).unwrap();
    for name in ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "metricd_role"] {
        let refused = issuer.mint(&claiming(json!({ name: "x" })), now());
        assert!(matches!(refused, Err(MintError::Reserved(said)) if said == name), "{name}");
    }
    for subject in ["", "a\nb", &"x".repeat(257)] {
        let request = TokenRequest { subject: Some(subject.into()), ..ask(Role::Viewer) };
        assert!(matches!(issuer.mint(&request, now()), Err(MintError::Subject)));
    }
    let long = claiming(json!({ "x": "y".repeat(16 * 1024) }));
    assert!(matches!(issuer.mint(&long, now()), Err(MintError::TooLong)));
}

#[test]
fn a_token_holds_for_a_while() {
    let dir = tempfile::tempdir().unwrap();
    let issuer = DevelopmentIssuer::open(dir.path()).unwrap();
    let mint = |ttl| issuer.mint(&TokenRequest { ttl, ..ask(Role::Viewer) }, now());
    for ttl in [Duration::ZERO, Duration::from_millis(1), 365 * DAY + Duration::from_secs(1)] {
        assert!(matches!(mint(ttl), Err(MintError::Ttl)), "{ttl:?}");
    }
    assert!(mint(Duration::from_secs(1)).is_ok());
    assert!(mint(365 * DAY).is_ok());
}

#[test]
fn the_key_is_private_and_stays() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("made/here");
    let first = DevelopmentIssuer::open(&data).unwrap();
    assert_eq!(mode(&data), 0o700);
    assert_eq!(mode(&data.join(FILE)), 0o600);
    let names: Vec<_> =
        fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, [FILE]);
    assert_eq!(DevelopmentIssuer::open(&data).unwrap().jwks(), first.jwks());
}

#[test]
fn what_is_served_and_printed_is_public() {
    let dir = tempfile::tempdir().unwrap();
    let issuer = DevelopmentIssuer::open(dir.path()).unwrap();
    let jwks = issuer.jwks();
    let mut members: Vec<_> = jwks["keys"][0].as_object().unwrap().keys().collect();
    members.sort();
    assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
    let file: Value = serde_json::from_slice(&fs::read(dir.path().join(FILE)).unwrap()).unwrap();
    let secret = file["pkcs8"].as_str().unwrap();
    for text in [jwks.to_string(), format!("{issuer:?}")] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[test]
fn concurrent_openers_get_the_same_key() {
    for _ in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let start = Arc::new(Barrier::new(8));
        let openers: Vec<_> = (0..8)
            .map(|_| {
                let (start, dir) = (Arc::clone(&start), dir.path().join("data"));
                thread::spawn(move || {
                    start.wait();
                    DevelopmentIssuer::open(&dir).unwrap().jwks()
                })
            })
            .collect();
        let keys: Vec<_> = openers.into_iter().map(|opener| opener.join().unwrap()).collect();
        assert!(keys.iter().all(|key| *key == keys[0]));
        assert_eq!(fs::read_dir(dir.path().join("data")).unwrap().count(), 1);
    }
}

#[test]
fn a_key_that_others_may_use_is_none() {
    let dir = tempfile::tempdir().unwrap();
    DevelopmentIssuer::open(dir.path()).unwrap();
    let file = dir.path().join(FILE);
    for open in [0o644, 0o640, 0o620, 0o604, 0o601] {
        fs::set_permissions(&file, fs::Permissions::from_mode(open)).unwrap();
        let error = DevelopmentIssuer::open(dir.path()).unwrap_err();
        assert!(matches!(error, DevelopmentError::Open(_)), "{open:o}: {error:?}");
        assert!(error.to_string().contains("chmod 600"), "{error}");
        assert_eq!(mode(&file), open, "its mode was changed");
    }
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(DevelopmentIssuer::open(dir.path()).is_ok());
}

#[test]
fn a_file_that_is_something_else_is_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(FILE);
    for text in ["", "garbage", "{}", r#"{"alg":"ES256","pkcs8":"AAAA"}"#, r#"{"alg":"RS256"}"#] {
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let error = DevelopmentIssuer::open(dir.path()).unwrap_err();
        assert!(matches!(error, DevelopmentError::NoKey(_)), "{text}: {error:?}");
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
    }
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(DevelopmentIssuer::open(dir.path()).is_err());
}

//! Where keys come from, how often they are asked for, and what happens when they cannot be had.

use std::{sync::Arc, time::Duration};

use metricd_application::ports::{TokenError, TokenVerifier};
use metricd_infrastructure::auth::{
    InvalidKeySet, IssuerConfig, IssuerKind, KeySet, KeySource, Url, Verifier,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::support::{
    AUDIENCE, Answer, Draft, Fate, Log, OIDC, SCOPE, Server, ec, ed, encode, fate, jwks, oidc,
    other_rsa, pass, rsa, until, verifier,
};

const UNKNOWN: Fate = Fate::Invalid("the token's issuer has no key of that id");
const COOL_DOWN: Duration = Duration::from_secs(10);

fn by(kid: &str) -> String {
    Draft::oidc().head("kid", kid).signed_by(rsa())
}

/// Returns the fate of a token that is not cached.
async fn fresh(verifier: &Verifier, kid: &str, jti: u32) -> Fate {
    fate(verifier, &Draft::oidc().claim("jti", jti).head("kid", kid).signed_by(rsa())).await
}

/// A set whose one key has this id.
fn under(kid: &str) -> Value {
    json!({ "keys": [rsa().jwk(kid)] })
}

#[tokio::test]
async fn a_thousand_bogus_ids_cost_one_fetch() {
    let server = Server::with_keys(jwks()).await;
    let verifier = Arc::new(verifier(vec![oidc(server.keys())]));
    let bogus: Vec<_> = (0..1000).map(|n| by(&format!("bogus-{n}"))).collect();
    let mut asking = JoinSet::new();
    for token in bogus {
        let verifier = Arc::clone(&verifier);
        asking.spawn(async move { fate(&verifier, &token).await });
    }
    for outcome in asking.join_all().await {
        assert_eq!(outcome, UNKNOWN);
    }
    assert_eq!(server.asked(), ["/keys"]);
    assert_eq!(fate(&verifier, &by("rsa")).await, Fate::Passed);
    assert_eq!(server.asked(), ["/keys"]);
}

#[tokio::test]
async fn keys_are_fetched_when_first_needed() {
    let server = Server::with_keys(jwks()).await;
    let verifier = verifier(vec![oidc(server.keys())]);
    for token in ["", "a.b.c", &Draft::cognito().signed()] {
        assert!(matches!(fate(&verifier, token).await, Fate::Invalid(_)));
    }
    assert!(server.asked().is_empty());
    assert_eq!(fate(&verifier, &by("rsa")).await, Fate::Passed);
    assert_eq!(server.asked(), ["/keys"]);
}

#[tokio::test]
async fn a_new_key_is_found_after_the_fetch_interval() {
    let server = Server::with_keys(under("old")).await;
    let verifier = verifier(vec![oidc(server.keys())]);
    assert_eq!(fresh(&verifier, "old", 1).await, Fate::Passed);
    server.rotate(json!({ "keys": [rsa().jwk("old"), rsa().jwk("new")] }));
    assert_eq!(fresh(&verifier, "new", 2).await, UNKNOWN);
    assert_eq!(server.asked().len(), 1, "it was asked too soon");
    pass(COOL_DOWN).await;
    assert_eq!(fresh(&verifier, "new", 3).await, Fate::Passed);
    assert_eq!(fresh(&verifier, "old", 4).await, Fate::Passed);
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn a_failing_issuer_is_not_fetched_more_often() {
    let server = Server::with_keys(jwks()).await;
    server.fail();
    let verifier = verifier(vec![oidc(server.keys())]);
    for n in 0..3 {
        assert_eq!(fresh(&verifier, "rsa", n).await, Fate::Unavailable);
    }
    assert_eq!(server.asked().len(), 1);
    server.rotate(jwks());
    pass(COOL_DOWN).await;
    assert_eq!(fresh(&verifier, "rsa", 9).await, Fate::Passed);
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn an_issuer_that_is_down_fails_no_cached_key_and_accepts_no_other() {
    let server = Server::with_keys(jwks()).await;
    let verifier = verifier(vec![oidc(server.keys())]);
    let seen = by("rsa");
    assert_eq!(fate(&verifier, &seen).await, Fate::Passed);
    let broken = [
        Answer::Raw(String::new()),
        Answer::Raw("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n".into()),
        Answer::Raw("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".into()),
        Answer::Raw("HTTP/1.1 204 No Content\r\n\r\n".into()),
        Answer::Raw("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"keys\":".into()),
        Answer::Raw("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>".into()),
        Answer::Raw("no HTTP at all".into()),
        Answer::Json(json!({})),
        Answer::Json(json!({ "keys": {} })),
        Answer::Json(json!({ "keys": [] })),
        Answer::Json(json!([rsa().jwk("rsa")])),
        Answer::Json(json!(null)),
        Answer::Endless,
    ];
    let stolen = Draft::oidc().signed_by(other_rsa());
    for (n, answer) in (0..).zip(broken) {
        server.answer("/keys", answer.clone());
        let asked = server.asked().len();
        pass(COOL_DOWN).await;
        assert_eq!(fate(&verifier, &by("bogus")).await, UNKNOWN, "{answer:?}");
        assert_eq!(server.asked().len(), asked + 1, "{answer:?}");
        assert_eq!(fate(&verifier, &seen).await, Fate::Passed, "{answer:?}");
        assert_eq!(fresh(&verifier, "rsa", n).await, Fate::Passed, "{answer:?}");
        assert!(matches!(fate(&verifier, &stolen).await, Fate::Invalid(_)), "{answer:?}");
    }
}

#[tokio::test]
async fn an_issuer_without_fetched_keys_accepts_no_token() {
    let log = Log::begin();
    let unreachable = Url::parse("http://127.0.0.1:1/keys").unwrap();
    let verifier = verifier(vec![oidc(KeySource::Jwks(unreachable))]);
    let token = by("rsa");
    let error = verifier.verify(&token).await.unwrap_err();
    let TokenError::Unavailable(source) = &error else { panic!("{error:?}") };
    assert_eq!(source.to_string(), "the issuer cannot be reached");
    assert!(source.source().is_some(), "the cause is lost");
    let lines = log.lines("Fetching issuer keys failed");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("WARN") && lines[0].contains(OIDC), "{lines:?}");
    assert!(lines[0].contains("Connection refused"), "{lines:?}");
    for part in token.split('.') {
        assert!(!log.holds(part), "a part of the token was logged");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let thief = Server::with_keys(jwks()).await;
    let server = Server::with_keys(jwks()).await;
    let verifier = verifier(vec![oidc(server.keys())]);
    for status in [301, 302, 303, 307, 308] {
        let to = thief.url("/keys");
        let raw = format!("HTTP/1.1 {status} Moved\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
        server.answer("/keys", Answer::Raw(raw));
        assert_eq!(fate(&verifier, &by("rsa")).await, Fate::Unavailable, "{status}");
        pass(COOL_DOWN).await;
    }
    assert_eq!(server.asked().len(), 5);
    assert!(thief.asked().is_empty());
}

#[tokio::test]
async fn an_answer_is_read_to_256_kib_and_no_further() {
    let padded = |bytes: usize| {
        let mut set = jwks();
        let fill = bytes - set.to_string().len() - r#","pad":"""#.len();
        set["pad"] = json!("x".repeat(fill));
        assert_eq!(set.to_string().len(), bytes);
        set
    };
    let server = Server::with_keys(padded(256 * 1024 + 1)).await;
    let verifier = verifier(vec![oidc(server.keys())]);
    assert_eq!(fresh(&verifier, "rsa", 1).await, Fate::Unavailable);
    server.rotate(padded(256 * 1024));
    pass(COOL_DOWN).await;
    assert_eq!(fresh(&verifier, "rsa", 2).await, Fate::Passed);
}

#[tokio::test]
async fn a_set_lists_at_most_a_hundred_keys() {
    let of = |count: usize| {
        let mut keys = vec![rsa().jwk("rsa")];
        keys.extend((1..count).map(|n| json!({ "kty": "oct", "kid": n.to_string() })));
        json!({ "keys": keys })
    };
    assert!(KeySet::parse(&of(100)).is_ok());
    assert!(matches!(KeySet::parse(&of(101)), Err(InvalidKeySet::TooMany)));
    let server = Server::with_keys(of(101)).await;
    let verifier = verifier(vec![oidc(server.keys())]);
    assert_eq!(fresh(&verifier, "rsa", 1).await, Fate::Unavailable);
}

#[tokio::test]
async fn of_two_keys_with_one_id_none_is_used() {
    let log = Log::begin();
    let keys = json!({ "keys": [rsa().jwk("rsa"), other_rsa().jwk("rsa"), rsa().jwk("single")] });
    let server = Server::with_keys(keys).await;
    let verifier = verifier(vec![oidc(server.keys())]);
    assert_eq!(fate(&verifier, &by("rsa")).await, UNKNOWN);
    assert_eq!(fate(&verifier, &Draft::oidc().signed_by(other_rsa())).await, UNKNOWN);
    assert_eq!(fate(&verifier, &by("single")).await, Fate::Passed);
    let lines = log.lines("have the same id");
    assert_eq!(lines.len(), 1);
    assert!(lines[0].contains("WARN") && lines[0].contains("\"rsa\""), "{lines:?}");
}

#[tokio::test]
async fn a_key_that_cannot_be_used_leaves_its_id_to_one_that_can() {
    let mut sealed = other_rsa().jwk("rsa");
    sealed["use"] = json!("enc");
    let server = Server::with_keys(json!({ "keys": [sealed, rsa().jwk("rsa")] })).await;
    let verifier = verifier(vec![oidc(server.keys())]);
    assert_eq!(fate(&verifier, &by("rsa")).await, Fate::Passed);
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
async fn only_keys_that_are_for_signatures_and_strong_are_used() {
    let with = |name: &str, value: Value| {
        let mut jwk = rsa().jwk("rsa");
        jwk[name] = value;
        jwk
    };
    let without = |name: &str| {
        let mut jwk = rsa().jwk("rsa");
        jwk.as_object_mut().unwrap().remove(name);
        jwk
    };
    let weak: [u8; 128] = std::array::from_fn(|_| 0xFF);
    let with_sign_byte = encode([vec![0], rsa().modulus()].concat());
    let off_the_curve = {
        let mut jwk = ec().jwk("rsa");
        jwk["y"] = jwk["x"].clone();
        jwk
    };
    let short = {
        let mut jwk = ec().jwk("rsa");
        jwk["x"] = json!(encode([7; 31]));
        jwk
    };
    let other_curve = {
        let mut jwk = ec().jwk("rsa");
        jwk["crv"] = json!("P-384");
        jwk
    };
    for (name, jwk, expected) in [
        ("without use", without("use"), Fate::Passed),
        ("for encryption", with("use", json!("enc")), UNKNOWN),
        ("for a number", with("use", json!(1)), UNKNOWN),
        ("to verify", with("key_ops", json!(["verify"])), Fate::Passed),
        ("to wrap", with("key_ops", json!(["wrapKey"])), UNKNOWN),
        ("to sign", with("key_ops", json!(["sign"])), UNKNOWN),
        ("for nothing", with("key_ops", json!([])), UNKNOWN),
        ("verify as a text", with("key_ops", json!("verify")), UNKNOWN),
        ("of its alg", with("alg", json!("RS256")), Fate::Passed),
        (
            "of another alg",
            with("alg", json!("RS512")),
            Fate::Invalid("the token's algorithm is not its key's"),
        ),
        ("of an alg of other keys", with("alg", json!("ES256")), UNKNOWN),
        ("of a secret's alg", with("alg", json!("HS256")), UNKNOWN),
        ("of alg none", with("alg", json!("none")), UNKNOWN),
        ("of an alg for encryption", with("alg", json!("RSA-OAEP")), UNKNOWN),
        ("of alg null", with("alg", json!(null)), UNKNOWN),
        ("with a sign byte", with("n", json!(with_sign_byte)), Fate::Passed),
        ("of 1024 bits", with("n", json!(encode(weak))), UNKNOWN),
        (
            "of 2047 bits",
            with("n", json!(encode([[0x7F; 1].as_slice(), &[0xFF; 255]].concat()))),
            UNKNOWN,
        ),
        ("of 1024 bits and zeros", with("n", json!(encode([[0; 128], weak].concat()))), UNKNOWN),
        ("of no bits", with("n", json!("")), UNKNOWN),
        ("of zeros", with("n", json!(encode([0; 256]))), UNKNOWN),
        ("with exponent 1", with("e", json!(encode([1]))), UNKNOWN),
        ("with an even exponent", with("e", json!(encode([2]))), UNKNOWN),
        ("with no exponent", with("e", json!("")), UNKNOWN),
        ("with a long exponent", with("e", json!(encode([0xFF; 200]))), UNKNOWN),
        ("no base64", with("n", json!("***")), UNKNOWN),
        ("a number for a modulus", with("n", json!(7)), UNKNOWN),
        ("without a modulus", without("n"), UNKNOWN),
        ("without a kind", without("kty"), UNKNOWN),
        ("of an unknown kind", with("kty", json!("XYZ")), UNKNOWN),
        ("a secret", json!({ "kty": "oct", "kid": "rsa", "k": encode("secret") }), UNKNOWN),
        ("off the curve", off_the_curve, UNKNOWN),
        ("with a short coordinate", short, UNKNOWN),
        ("of the wrong curve", other_curve, UNKNOWN),
        (
            "a short Edwards key",
            json!({ "kty": "OKP", "crv": "Ed25519", "kid": "rsa", "x": "AA" }),
            UNKNOWN,
        ),
        (
            "for key exchange",
            json!({ "kty": "OKP", "crv": "X25519", "kid": "rsa", "x": encode([9; 32]) }),
            UNKNOWN,
        ),
        ("a text", json!("rsa"), UNKNOWN),
        ("null", json!(null), UNKNOWN),
    ] {
        let keys = KeySet::parse(&json!({ "keys": [jwk, ed().jwk("ed")] })).unwrap();
        let verifier = verifier(vec![oidc(KeySource::Fixed(keys))]);
        assert_eq!(fate(&verifier, &by("rsa")).await, expected, "{name}");
    }
    let named = |kid: Value| with("kid", kid);
    assert!(KeySet::parse(&json!({ "keys": [named(json!("k".repeat(256)))] })).is_ok());
    for jwk in [
        without("kid"),
        named(json!("")),
        named(json!(1)),
        named(json!(null)),
        named(json!("k\n")),
        named(json!("k".repeat(257))),
    ] {
        let refused = KeySet::parse(&json!({ "keys": [jwk] })).unwrap_err();
        assert_eq!(refused, InvalidKeySet::Unusable, "{}", jwk["kid"]);
    }
}

#[tokio::test]
async fn unusable_keys_do_not_replace_good_ones() {
    let server = Server::with_keys(under("old")).await;
    let verifier = verifier(vec![oidc(server.keys())]);
    assert_eq!(fresh(&verifier, "old", 1).await, Fate::Passed);
    pass(COOL_DOWN).await;
    let secret = json!({ "keys": [{ "kty": "oct", "kid": "new", "k": encode("secret") }] });
    server.answer("/keys", Answer::Json(secret));
    assert_eq!(fresh(&verifier, "new", 2).await, UNKNOWN);
    assert_eq!(fresh(&verifier, "old", 3).await, Fate::Passed);
}

#[tokio::test]
async fn a_slow_issuer_holds_up_only_those_whose_key_is_not_known() {
    let server = Server::with_keys(under("old")).await;
    let verifier = Arc::new(verifier(vec![oidc(server.keys())]));
    assert_eq!(fresh(&verifier, "old", 1).await, Fate::Passed);
    pass(COOL_DOWN).await;
    server.answer("/keys", Answer::Held(under("new")));
    let waiting = {
        let verifier = Arc::clone(&verifier);
        tokio::spawn(async move { fresh(&verifier, "new", 2).await })
    };
    server.until_asked(2).await;
    assert_eq!(fresh(&verifier, "old", 3).await, Fate::Passed);
    assert!(!waiting.is_finished());
    server.release();
    assert_eq!(waiting.await.unwrap(), Fate::Passed);
}

#[tokio::test]
async fn a_fetch_goes_on_when_its_caller_has_left() {
    let server = Server::with_keys(jwks()).await;
    server.answer("/keys", Answer::Held(jwks()));
    let verifier = Arc::new(verifier(vec![oidc(server.keys())]));
    let impatient = {
        let verifier = Arc::clone(&verifier);
        tokio::spawn(async move { fresh(&verifier, "rsa", 1).await })
    };
    server.until_asked(1).await;
    impatient.abort();
    assert!(impatient.await.unwrap_err().is_cancelled());
    server.release();
    assert_eq!(fresh(&verifier, "rsa", 2).await, Fate::Passed);
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn an_issuer_has_five_seconds() {
    let server = Server::with_keys(jwks()).await;
    server.answer("/keys", Answer::Held(jwks()));
    let verifier = Arc::new(verifier(vec![oidc(server.keys())]));
    let waiting = {
        let verifier = Arc::clone(&verifier);
        tokio::spawn(async move { verifier.verify(&by("rsa")).await })
    };
    server.until_asked(1).await;
    pass(Duration::from_secs(5)).await;
    let Err(TokenError::Unavailable(source)) = waiting.await.unwrap() else { panic!("it waits") };
    assert_eq!(source.to_string(), "the issuer did not answer within 5 seconds");
}

#[tokio::test]
async fn old_keys_are_refreshed_while_in_use() {
    let log = Log::begin();
    let server = Server::with_keys(under("old")).await;
    let verifier = verifier(vec![oidc(server.keys())]);
    assert_eq!(fresh(&verifier, "old", 1).await, Fate::Passed);
    pass(Duration::from_mins(15)).await;
    assert_eq!(fresh(&verifier, "old", 2).await, Fate::Passed);
    assert_eq!(server.asked().len(), 1);
    server.rotate(json!({ "keys": [rsa().jwk("old"), rsa().jwk("new")] }));
    pass(Duration::from_secs(1)).await;
    assert_eq!(fresh(&verifier, "old", 3).await, Fate::Passed);
    until(async || log.lines("Issuer keys fetched").len() == 2).await;
    assert_eq!(fresh(&verifier, "new", 4).await, Fate::Passed);
    assert_eq!(server.asked().len(), 2);
    let lines = log.lines("Issuer keys fetched");
    assert!(lines[1].contains("INFO") && lines[1].contains("count=2"), "{lines:?}");
    assert!(lines[1].contains(OIDC), "{lines:?}");
}

#[tokio::test]
async fn the_openid_configuration_has_the_url_of_the_keys() {
    let server = Server::with_keys(jwks()).await;
    let issuer = server.url("/realm").to_string();
    let configuration = "/realm/.well-known/openid-configuration";
    let kind = IssuerKind::Oidc { audiences: [AUDIENCE.to_owned()].into() };
    let config = IssuerConfig {
        required_scope: Some(SCOPE.into()),
        ..IssuerConfig::new(issuer.clone(), KeySource::Discovery, kind)
    };
    let verifier = verifier(vec![config]);
    let token = Draft::oidc().claim("iss", issuer.clone()).signed();
    let keys = server.url("/keys").to_string();
    for wrong in [
        json!({ "issuer": format!("{issuer}/"), "jwks_uri": keys }),
        json!({ "issuer": OIDC, "jwks_uri": keys }),
        json!({ "jwks_uri": keys }),
        json!({ "issuer": issuer }),
        json!({ "issuer": issuer, "jwks_uri": "http://issuer.example/keys" }),
        json!({ "issuer": issuer, "jwks_uri": 1 }),
    ] {
        server.answer(configuration, Answer::Json(wrong.clone()));
        assert_eq!(fate(&verifier, &token).await, Fate::Unavailable, "{wrong}");
        pass(COOL_DOWN).await;
    }
    assert!(server.asked().iter().all(|path| path == configuration));
    let right = json!({ "issuer": issuer, "jwks_uri": keys });
    server.answer(configuration, Answer::Json(right));
    assert_eq!(fate(&verifier, &token).await, Fate::Passed);
    assert_eq!(server.asked().last().unwrap(), "/keys");
}

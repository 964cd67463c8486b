//! Mutations of a good token's form, header and signature.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE};
use serde_json::json;

use super::support::{
    Draft, Fate, NOW, OIDC, Server, cognito, encode, fate, jwks, oidc, other_rsa, rsa, verifier,
};

const ALGORITHM: Fate = Fate::Invalid("the token's header names no algorithm that is accepted");
const TYPE: Fate = Fate::Invalid("the token's header names another type");
const NO_KEY: Fate = Fate::Invalid("the token's header names no key");
const UNKNOWN_KEY: Fate = Fate::Invalid("the token's issuer has no key of that id");
const ISSUER: Fate = Fate::Invalid("the token's algorithm is not one of its issuer's");
const KEY: Fate = Fate::Invalid("the token's algorithm is not its key's");
const SIGNATURE: Fate = Fate::Invalid("the token's signature is not valid");
const EXTENSION: Fate = Fate::Invalid("the token's header requires an extension");
const PARTS: Fate = Fate::Invalid("the token does not have three parts");
const EMPTY: Fate = Fate::Invalid("a part of the token is empty");
const HEADER: Fate = Fate::Invalid("the token's header is not a JSON object in base64");
const PAYLOAD: Fate = Fate::Invalid("the token's payload is not a JSON object in base64");
const LONG: Fate = Fate::Invalid("the token is too long");

/// Asks all of them of one verifier, whose keys are served, and of which no header may make a server
/// be asked twice, or another one at all.
async fn check(cases: Vec<(&str, String, Fate)>) {
    let server = Server::with_keys(jwks()).await;
    let verifier = verifier(vec![oidc(server.keys()), cognito(server.keys())]);
    assert_eq!(fate(&verifier, &Draft::oidc().signed()).await, Fate::Passed);
    for (name, token, expected) in cases {
        assert_eq!(fate(&verifier, &token).await, expected, "{name}");
    }
    assert_eq!(fate(&verifier, &Draft::cognito().signed()).await, Fate::Passed);
    assert_eq!(server.asked(), ["/keys", "/keys"], "once for each issuer");
}

/// A signature by a shared secret.
fn by_secret(draft: &Draft, secret: &[u8]) -> String {
    let unsigned = draft.unsigned();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    format!("{unsigned}.{}", encode(hmac::sign(&key, unsigned.as_bytes())))
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
async fn only_a_key_of_the_issuer_signs() {
    let good = Draft::oidc();
    let unsigned = good.unsigned();
    let none = good.clone().head("alg", "none");
    let secret = good.clone().head("alg", "HS256");
    let thief = other_rsa().jwk("rsa");
    let pad = |token: String| {
        let (rest, signature) = token.rsplit_once('.').unwrap();
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(signature).unwrap();
        format!("{rest}.{}", URL_SAFE.encode(bytes))
    };
    check(vec![
        ("alg none, unsigned", format!("{}.", none.unsigned()), EMPTY),
        ("alg none, signed", none.signed(), ALGORITHM),
        ("alg NoNe", good.clone().head("alg", "NoNe").signed(), ALGORITHM),
        ("alg missing", good.clone().headless("alg").signed(), ALGORITHM),
        ("alg null", good.clone().head("alg", json!(null)).signed(), ALGORITHM),
        ("alg a number", good.clone().head("alg", 256).signed(), ALGORITHM),
        ("alg a list", good.clone().head("alg", json!(["RS256"])).signed(), ALGORITHM),
        ("alg in small letters", good.clone().head("alg", "rs256").signed(), ALGORITHM),
        ("the public key as a secret", by_secret(&secret, rsa().pem().as_bytes()), ALGORITHM),
        (
            "the public key without its last line break as a secret",
            by_secret(&secret, rsa().pem().trim_end().as_bytes()),
            ALGORITHM,
        ),
        ("the modulus as a secret", by_secret(&secret, &rsa().modulus()), ALGORITHM),
        (
            "the modulus in base64 as a secret",
            by_secret(&secret, encode(rsa().modulus()).as_bytes()),
            ALGORITHM,
        ),
        ("a secret's signature under RS256", by_secret(&good, rsa().pem().as_bytes()), SIGNATURE),
        ("an empty signature", format!("{unsigned}."), EMPTY),
        ("a signature of null", format!("{unsigned}.{}", encode("null")), SIGNATURE),
        ("a signature of zeros", format!("{unsigned}.{}", encode([0; 256])), SIGNATURE),
        ("a signature that is no base64", format!("{unsigned}.!!!!"), SIGNATURE),
        (
            "a signature of another token",
            {
                let other = good.clone().claim("sub", "eve").signed();
                format!("{unsigned}.{}", other.rsplit_once('.').unwrap().1)
            },
            SIGNATURE,
        ),
        ("another key under the same id", good.signed_by(other_rsa()), SIGNATURE),
        (
            "another key, embedded",
            good.clone().head("jwk", thief.clone()).signed_by(other_rsa()),
            SIGNATURE,
        ),
        (
            "another key, embedded, without an id",
            good.clone().headless("kid").head("jwk", thief).signed_by(other_rsa()),
            NO_KEY,
        ),
        (
            "another certificate, embedded",
            good.clone().head("x5c", json!([encode([48, 130])])).signed_by(other_rsa()),
            SIGNATURE,
        ),
        ("the issuer's other key", good.clone().head("kid", "ec").signed_by(rsa()), KEY),
        ("its id with another alg", good.clone().head("alg", "ES256").signed_by(rsa()), KEY),
        (
            "PS256 said, RS256 done",
            {
                let said = good.clone().head("alg", "PS256").unsigned();
                format!("{said}.{}", encode(rsa().sign("RS256", said.as_bytes())))
            },
            SIGNATURE,
        ),
        ("a Cognito token by PS256", Draft::cognito().head("alg", "PS256").signed(), ISSUER),
        (
            "a Cognito token by another kind of key",
            Draft::cognito().head("alg", "ES256").head("kid", "ec").signed(),
            ISSUER,
        ),
        ("padding", pad(good.signed()), SIGNATURE),
    ])
    .await;
}

#[tokio::test]
async fn every_asymmetric_way_to_sign_is_taken_from_a_key_that_can() {
    let by = |alg: &str, kid: &str| Draft::oidc().head("alg", alg).head("kid", kid).signed();
    check(vec![
        ("RS384", by("RS384", "rsa"), Fate::Passed),
        ("RS512", by("RS512", "rsa"), Fate::Passed),
        ("PS256", by("PS256", "rsa"), Fate::Passed),
        ("PS384", by("PS384", "rsa"), Fate::Passed),
        ("PS512", by("PS512", "rsa"), Fate::Passed),
        ("ES256", by("ES256", "ec"), Fate::Passed),
        ("ES384", by("ES384", "ec"), KEY),
        ("EdDSA", by("EdDSA", "ed"), Fate::Passed),
        ("ES256 by an Edwards key", by("ES256", "ed"), KEY),
    ])
    .await;
}

#[tokio::test]
async fn other_header_fields_are_checked_or_ignored() {
    let head = |name: &str, value: serde_json::Value| Draft::oidc().head(name, value).signed();
    let trap = Server::with_keys(json!({ "keys": [other_rsa().jwk("rsa")] })).await;
    let address = trap.url("/keys").to_string();
    let stolen = |name: &str| Draft::oidc().head(name, address.clone()).signed_by(other_rsa());
    let mut cases = vec![
        ("jku", stolen("jku"), SIGNATURE),
        ("x5u", stolen("x5u"), SIGNATURE),
        ("a good token with jku", head("jku", json!(address)), Fate::Passed),
        ("crit", head("crit", json!(["b64"])), EXTENSION),
        ("an empty crit", head("crit", json!([])), EXTENSION),
        ("crit null", head("crit", json!(null)), EXTENSION),
        ("no typ", Draft::oidc().headless("typ").signed(), Fate::Passed),
        ("typ JWT", head("typ", json!("JWT")), Fate::Passed),
        ("typ in full", head("typ", json!("application/at+jwt")), Fate::Passed),
        ("typ in capitals", head("typ", json!("AT+JWT")), Fate::Passed),
        ("typ of something else", head("typ", json!("logout+jwt")), TYPE),
        ("typ a number", head("typ", json!(1)), TYPE),
        ("typ null", head("typ", json!(null)), TYPE),
        ("no kid", Draft::oidc().headless("kid").signed(), NO_KEY),
    ];
    for (name, kid, expected) in [
        ("kid empty", json!(""), NO_KEY),
        ("kid null", json!(null), NO_KEY),
        ("kid a number", json!(0), NO_KEY),
        ("kid a list", json!(["rsa"]), NO_KEY),
        ("kid long", json!("k".repeat(257)), NO_KEY),
        ("kid with a line break", json!("rsa\n"), NO_KEY),
        ("kid a path", json!("../../../../dev/null"), UNKNOWN_KEY),
        ("kid another path", json!("/proc/self/environ"), UNKNOWN_KEY),
        ("kid SQL", json!("rsa' OR '1'='1"), UNKNOWN_KEY),
        ("kid more SQL", json!("x' UNION SELECT 'secret'; --"), UNKNOWN_KEY),
        ("kid an address", json!(address), UNKNOWN_KEY),
        ("kid in capitals", json!("RSA"), UNKNOWN_KEY),
        ("kid's beginning", json!("rs"), UNKNOWN_KEY),
    ] {
        cases.push((name, Draft::oidc().head("kid", kid).signed_by(rsa()), expected));
    }
    check(cases).await;
    assert!(trap.asked().is_empty(), "a header's address was followed");
}

#[tokio::test]
async fn a_token_is_three_parts_of_base64_and_two_objects() {
    let good = Draft::oidc().signed();
    let parts: Vec<&str> = good.split('.').collect();
    let [header, payload, signature] = parts[..] else { panic!("{good}") };
    // Signed over exactly these texts, so that nothing but their form is wrong.
    let raw = |header: &str, payload: &str| {
        let unsigned = format!("{}.{}", encode(header), encode(payload));
        let signature = encode(rsa().sign("RS256", unsigned.as_bytes()));
        format!("{unsigned}.{signature}")
    };
    let head = r#"{"alg":"RS256","kid":"rsa"}"#;
    let body = format!(
        r#"{{"iss":"{OIDC}","sub":"a","aud":"metricd","scope":"api/backend_access","exp":{}"#,
        NOW + 60
    );
    // Three bytes become four letters, so that not every length can be met in the claims alone.
    let of_size = |bytes: usize| {
        let fill = |head: usize, claims: usize| {
            let draft = Draft::oidc().head("filler", "x".repeat(head));
            draft.claim("filler", "x".repeat(claims))
        };
        let signature = encode([0; 256]).len() + 1;
        let least = (bytes - signature - fill(3, 0).unsigned().len()) / 4 * 3;
        (0..3)
            .flat_map(|head| (least..least + 9).map(move |claims| fill(head, claims)))
            .find(|draft| draft.unsigned().len() + signature == bytes)
            .unwrap_or_else(|| panic!("no token has {bytes} bytes"))
            .signed()
    };
    let (longest, too_long) = (of_size(16_384), of_size(16_385));
    assert_eq!([longest.len(), too_long.len()], [16_384, 16_385]);
    check(vec![
        ("nothing", String::new(), PARTS),
        ("a word", "token".into(), PARTS),
        ("two parts", format!("{header}.{payload}"), PARTS),
        ("four parts", format!("{good}.{signature}"), PARTS),
        ("five parts", "a.b.c.d.e".into(), PARTS),
        ("dots", "..".into(), EMPTY),
        ("no header", format!(".{payload}.{signature}"), EMPTY),
        ("no payload", format!("{header}..{signature}"), EMPTY),
        ("a space before", format!(" {good}"), HEADER),
        ("a line break after", format!("{good}\n"), SIGNATURE),
        ("padding", format!("{header}=.{payload}.{signature}"), HEADER),
        ("no base64", format!("{header}.{payload}*.{signature}"), PAYLOAD),
        ("other letters", format!("{header}.ünï.{signature}"), PAYLOAD),
        ("a header that is a list", raw("[]", &format!("{body}}}")), HEADER),
        ("a payload that is a text", raw(head, "\"a\""), PAYLOAD),
        ("a payload that is null", raw(head, "null"), PAYLOAD),
        ("a payload that goes on", raw(head, &format!("{body}}}{{}}")), PAYLOAD),
        ("a payload that is cut", raw(head, &body), PAYLOAD),
        ("a deep payload", raw(head, &"{\"a\":".repeat(1000)), PAYLOAD),
        ("the same, whole", raw(head, &format!("{body}}}")), Fate::Passed),
        ("two issuers", raw(head, &format!("{body},\"iss\":\"{OIDC}\"}}")), PAYLOAD),
        ("two ends", raw(head, &format!("{body},\"exp\":{}}}", NOW + 60)), PAYLOAD),
        (
            "two algorithms",
            raw(r#"{"alg":"none","kid":"rsa","alg":"RS256"}"#, &format!("{body}}}")),
            HEADER,
        ),
        ("too long", too_long, LONG),
        ("very long", "a".repeat(10_000_000), LONG),
        ("as long as may be", longest, Fate::Passed),
    ])
    .await;
}

//! Parses tokens. Must not be trusted: nothing is verified here.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, AlgorithmFamily};
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};
use serde_json::{Map, Value};

use super::claims::is_name;

/// The maximum size of a token, in bytes.
pub(super) const MAX_BYTES: usize = 16 * 1024;

/// A token whose signature is not verified.
pub(super) struct Unverified<'a> {
    /// The algorithm in its header: never one with a shared secret.
    pub(super) algorithm: Algorithm,
    /// The key id in its header. Only ever compared.
    pub(super) kid: String,
    /// The claims.
    pub(super) claims: Map<String, Value>,
    /// The signed part.
    pub(super) signed: &'a str,
    /// The signature, in base64.
    pub(super) signature: &'a str,
}

impl<'a> Unverified<'a> {
    /// Parses a token. The error tells why it is malformed.
    pub(super) fn parse(token: &'a str) -> Result<Self, &'static str> {
        const PARTS: &str = "the token does not have three parts";
        let (signed, signature) = token.rsplit_once('.').ok_or(PARTS)?;
        let (header, payload) = signed.split_once('.').ok_or(PARTS)?;
        if payload.contains('.') {
            return Err(PARTS);
        }
        if header.is_empty() || payload.is_empty() || signature.is_empty() {
            return Err("a part of the token is empty");
        }
        let header = object(header).ok_or("the token's header is not a JSON object in base64")?;
        if header.contains_key("crit") {
            return Err("the token's header requires an extension");
        }
        if !header.get("typ").is_none_or(is_token_type) {
            return Err("the token's header names another type");
        }
        let algorithm = header
            .get("alg")
            .and_then(Value::as_str)
            .and_then(algorithm)
            .ok_or("the token's header names no algorithm that is accepted")?;
        let kid = header
            .get("kid")
            .and_then(Value::as_str)
            .filter(|kid| is_name(kid))
            .ok_or("the token's header names no key")?
            .to_owned();
        let claims = object(payload).ok_or("the token's payload is not a JSON object in base64")?;
        Ok(Self { algorithm, kid, claims, signed, signature })
    }
}

/// Returns the algorithm of this name, unless it uses a shared secret.
pub(super) fn algorithm(name: &str) -> Option<Algorithm> {
    let algorithm = Algorithm::from_str(name).ok()?;
    (algorithm.family() != AlgorithmFamily::Hmac).then_some(algorithm)
}

fn is_token_type(value: &Value) -> bool {
    const PREFIX: &str = "application/";
    value.as_str().is_some_and(|text| {
        let text = match text.split_at_checked(PREFIX.len()) {
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) => rest,
            _ => text,
        };
        text.eq_ignore_ascii_case("JWT") || text.eq_ignore_ascii_case("at+jwt")
    })
}

/// Parses an instant in a claim: a number of seconds, possibly fractional.
pub(super) fn instant(value: &Value) -> Option<DateTime<Utc>> {
    const END_OF_9999: f64 = 253_402_300_800.0;
    const NANOS: f64 = 1e9;
    let Value::Number(number) = value else { return None };
    let seconds = number.as_f64()?;
    if seconds.is_sign_negative() || !(0.0..END_OF_9999).contains(&seconds) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is neither negative nor near the end of the type"
    )]
    let (whole, nanos) = (seconds as i64, (seconds.fract() * NANOS) as u32);
    DateTime::from_timestamp(whole, nanos)
}

fn object(part: &str) -> Option<Map<String, Value>> {
    let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
    serde_json::from_slice(&bytes).ok().map(|Unambiguous(map)| map)
}

/// An object without duplicate members, of which parsers read different ones.
struct Unambiguous(Map<String, Value>);

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Unambiguous;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Unambiguous, A::Error> {
                let mut map = Map::new();
                while let Some((name, value)) = members.next_entry()? {
                    if map.insert(name, value).is_some() {
                        return Err(A::Error::custom("a member occurs twice"));
                    }
                }
                Ok(Unambiguous(map))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_instant_is_a_number_in_range() {
        let at = |value| instant(&value).map(|instant| instant.timestamp_millis());
        assert_eq!(at(json!(1_750_000_000)), Some(1_750_000_000_000));
        assert_eq!(at(json!(1_750_000_000.5)), Some(1_750_000_000_500));
        assert_eq!(at(json!(0)), Some(0));
        assert_eq!(at(json!(253_402_300_799_u64)), Some(253_402_300_799_000));
        for odd in [
            json!(-1),
            json!(-0.0),
            json!(253_402_300_800_u64),
            json!(u64::MAX),
            json!(1e300),
            json!("1750000000"),
            json!(null),
            json!(true),
            json!([1_750_000_000]),
            json!({}),
        ] {
            assert_eq!(at(odd.clone()), None, "{odd}");
        }
    }

    #[test]
    fn a_shared_secret_is_no_way_to_sign() {
        for name in ["HS256", "HS384", "HS512", "none", "None", "", "rs256", "RS1", "ES256K"] {
            assert_eq!(algorithm(name), None, "{name}");
        }
        for name in ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"] {
            assert!(algorithm(name).is_some(), "{name}");
        }
        for name in ["ES256", "ES384", "EdDSA"] {
            assert!(algorithm(name).is_some(), "{name}");
        }
    }

    #[test]
    fn a_type_is_a_token_in_any_case() {
        for text in ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", "Application/JWT"] {
            assert!(is_token_type(&json!(text)), "{text}");
        }
        for odd in [json!("JWE"), json!("dpop+jwt"), json!(""), json!("application/"), json!(null)]
        {
            assert!(!is_token_type(&odd), "{odd}");
        }
    }

    #[test]
    fn an_object_that_says_something_twice_is_none() {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        assert!(object(&encode(r#"{"iss":"a","sub":"b"}"#)).is_some());
        assert!(object(&encode(r#"{"iss":"a","iss":"a"}"#)).is_none());
        assert!(object(&encode(r#"{"iss":"a","\u0069ss":"b"}"#)).is_none());
        for text in ["[]", "1", "null", "", "{", "{}{}", "\"{}\""] {
            assert!(object(&encode(text)).is_none(), "{text}");
        }
    }
}

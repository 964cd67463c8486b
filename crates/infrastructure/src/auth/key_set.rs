//! The keys of an issuer from a JWKS: which of them may verify which signatures. Must fetch nothing.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, VerificationAlgorithm,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use curve25519_dalek::edwards::CompressedEdwardsY;
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde_json::Value;
use thiserror::Error;

use super::{claims::is_name, token};

/// The maximum number of keys in a set, usable or not.
const MAX_KEYS: usize = 100;

/// Public keys by their ids.
#[derive(Debug, Clone, Default)]
pub struct KeySet {
    keys: HashMap<String, Arc<VerifyingKey>>,
    ambiguous: Vec<String>,
    forgeable: Vec<String>,
}

/// The reason why a document is no set of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidKeySet {
    /// It is no JWKS.
    #[error("it has no list `keys`")]
    Shape,
    /// It has no keys.
    #[error("it lists no keys")]
    Empty,
    /// No key is usable, or their ids are ambiguous.
    #[error("it lists no key that can be used")]
    Unusable,
    /// It has too many keys.
    #[error("it lists more than {MAX_KEYS} keys")]
    TooMany,
}

impl KeySet {
    /// Parses a JWKS. A key that is not for signatures, of an unsupported kind, too weak or without an
    /// id is skipped; where two usable ones have the same id, both are.
    ///
    /// # Errors
    /// When it is no JWKS, has no, too many, or no usable keys.
    pub fn parse(document: &Value) -> Result<Self, InvalidKeySet> {
        let listed = document.get("keys").and_then(Value::as_array).ok_or(InvalidKeySet::Shape)?;
        if listed.is_empty() {
            return Err(InvalidKeySet::Empty);
        }
        if listed.len() > MAX_KEYS {
            return Err(InvalidKeySet::TooMany);
        }
        let mut keys = HashMap::new();
        let mut ambiguous = HashSet::new();
        let mut forgeable = Vec::new();
        for key in listed.iter().filter_map(VerifyingKey::parse) {
            if key.is_forgeable() {
                forgeable.push(key.kid);
                continue;
            }
            let kid = key.kid.clone();
            if keys.insert(kid.clone(), Arc::new(key)).is_some() {
                ambiguous.insert(kid);
            }
        }
        keys.retain(|kid, _| !ambiguous.contains(kid));
        if keys.is_empty() {
            return Err(InvalidKeySet::Unusable);
        }
        Ok(Self { keys, ambiguous: ambiguous.into_iter().collect(), forgeable })
    }

    pub(super) fn get(&self, kid: &str) -> Option<&Arc<VerifyingKey>> {
        self.keys.get(kid)
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Returns the ids that more than one key has.
    pub(super) fn ambiguous(&self) -> &[String] {
        &self.ambiguous
    }

    /// Returns the ids of keys whose signatures can be forged.
    pub(super) fn forgeable(&self) -> &[String] {
        &self.forgeable
    }

    /// Whether this exact key is in the set.
    pub(super) fn holds(&self, key: &Arc<VerifyingKey>) -> bool {
        // A set has few keys: a linear search needs no hash.
        self.keys.values().any(|known| Arc::ptr_eq(known, key) || **known == **key)
    }
}

/// A key that verifies signatures.
#[derive(Debug)]
pub(super) struct VerifyingKey {
    kid: String,
    shape: Shape,
    only: Option<Algorithm>,
    /// Its parameters, as in the JWKS.
    numbers: Vec<Vec<u8>>,
    public: DecodingKey,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Rsa,
    P256,
    P384,
    Ed25519,
}

impl Shape {
    /// Whether keys of this shape sign by the algorithm. An unknown one is never accepted.
    fn signs_by(self, algorithm: Algorithm) -> bool {
        use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
        match self {
            Self::Rsa => matches!(algorithm, RS256 | RS384 | RS512 | PS256 | PS384 | PS512),
            Self::P256 => algorithm == ES256,
            Self::P384 => algorithm == ES384,
            Self::Ed25519 => algorithm == EdDSA,
        }
    }

    fn public_key(self, numbers: &[Vec<u8>]) -> Option<DecodingKey> {
        match (self, numbers) {
            (Self::Rsa, [n, e]) => rsa(n, e),
            (Self::P256, [x, y]) => point::<32>(&ECDSA_P256_SHA256_FIXED, x, y),
            (Self::P384, [x, y]) => point::<48>(&ECDSA_P384_SHA384_FIXED, x, y),
            (Self::Ed25519, [x]) => {
                ParsedPublicKey::new(&ED25519, x).ok()?;
                Some(DecodingKey::from_ed_der(x))
            }
            _ => None,
        }
    }
}

impl PartialEq for VerifyingKey {
    fn eq(&self, other: &Self) -> bool {
        self.kid == other.kid
            && self.shape == other.shape
            && self.only == other.only
            && self.numbers == other.numbers
    }
}

impl VerifyingKey {
    fn parse(jwk: &Value) -> Option<Self> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
        let kid = text("kid").filter(|kid| is_name(kid))?.to_owned();
        let is_for_signatures = jwk.get("use").is_none_or(|purpose| purpose == "sig")
            && jwk.get("key_ops").is_none_or(|operations| {
                operations.as_array().is_some_and(|listed| listed.iter().any(|it| it == "verify"))
            });
        if !is_for_signatures {
            return None;
        }
        let (shape, members): (_, &[&str]) = match (text("kty")?, text("crv")) {
            ("RSA", _) => (Shape::Rsa, &["n", "e"]),
            ("EC", Some("P-256")) => (Shape::P256, &["x", "y"]),
            ("EC", Some("P-384")) => (Shape::P384, &["x", "y"]),
            ("OKP", Some("Ed25519")) => (Shape::Ed25519, &["x"]),
            _ => return None,
        };
        let numbers: Vec<_> = members.iter().map(|name| bytes(name)).collect::<Option<_>>()?;
        let public = shape.public_key(&numbers)?;
        let only = match jwk.get("alg") {
            None => None,
            Some(name) => {
                let algorithm = name.as_str().and_then(token::algorithm)?;
                Some(algorithm).filter(|&algorithm| shape.signs_by(algorithm)).map(Some)?
            }
        };
        Some(Self { kid, shape, only, numbers, public })
    }

    /// Whether a signature can be forged without its private key, which it has none of: a point of low order, in
    /// any of its encodings. Of the other shapes, what is parsed has none.
    fn is_forgeable(&self) -> bool {
        let (Shape::Ed25519, [x]) = (self.shape, self.numbers.as_slice()) else { return false };
        let point = CompressedEdwardsY::from_slice(x).ok().and_then(|point| point.decompress());
        point.is_some_and(|point| point.is_small_order())
    }

    /// Whether a signature by this algorithm can be this key's.
    pub(super) fn signs_by(&self, algorithm: Algorithm) -> bool {
        self.shape.signs_by(algorithm) && self.only.is_none_or(|only| only == algorithm)
    }

    /// Whether `signature`, in base64, is this key's over `signed`.
    pub(super) fn has_signed(&self, signed: &str, signature: &str, algorithm: Algorithm) -> bool {
        self.signs_by(algorithm)
            && crypto::verify(signature, signed.as_bytes(), &self.public, algorithm)
                .unwrap_or(false)
    }
}

fn rsa(modulus: &[u8], exponent: &[u8]) -> Option<DecodingKey> {
    const LEAST_BITS: u32 = 2048;
    const MOST_BYTES: usize = 8192 / 8;
    const MOST_EXPONENT_BYTES: usize = 8;
    let n = without_zeros(modulus);
    let e = without_zeros(exponent);
    let bits = u32::try_from(n.len()).ok()? * 8 - n.first()?.leading_zeros();
    let is_odd_above_one = e != [1] && e.last()? % 2 == 1;
    let fits = bits >= LEAST_BITS && n.len() <= MOST_BYTES && e.len() <= MOST_EXPONENT_BYTES;
    if !fits || !is_odd_above_one {
        return None;
    }
    RsaPublicKeyComponents { n, e }.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).ok()?;
    Some(DecodingKey::from_rsa_raw_components(n, e))
}

/// Strips the sign byte that some issuers write and the library rejects.
fn without_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
    &bytes[zeros..]
}

/// Returns a point on its curve as the library expects it: uncompressed, with coordinates of full length.
fn point<const LENGTH: usize>(
    curve: &'static dyn VerificationAlgorithm,
    x: &[u8],
    y: &[u8],
) -> Option<DecodingKey> {
    const UNCOMPRESSED: u8 = 4;
    if x.len() != LENGTH || y.len() != LENGTH {
        return None;
    }
    let point = [&[UNCOMPRESSED], x, y].concat();
    ParsedPublicKey::new(curve, &point).ok()?;
    Some(DecodingKey::from_ec_der(&point))
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::{constants::EIGHT_TORSION, traits::IsIdentity as _};
    use serde_json::json;

    use super::*;

    /// A point that is on the curve, whatever its order.
    fn edwards(kid: &str, x: &[u8]) -> Value {
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": URL_SAFE_NO_PAD.encode(x) })
    }

    /// Every encoding of the points of low order: each `y` below 2^255, also those that are not reduced, with
    /// either sign.
    fn low_order() -> Vec<[u8; 32]> {
        let reduced = EIGHT_TORSION.map(|point| point.compress().to_bytes());
        let not_reduced = [0xED, 0xEE].map(|first| {
            let mut bytes = [0xFF; 32];
            (bytes[0], bytes[31]) = (first, 0x7F);
            bytes
        });
        let mut all: Vec<_> = reduced.into_iter().chain(not_reduced).collect();
        for mut bytes in all.clone() {
            bytes[31] ^= 0x80;
            all.push(bytes);
        }
        all.sort_unstable();
        all.dedup();
        all
    }

    #[test]
    fn a_key_whose_signatures_can_be_forged_is_not_used() {
        let good = edwards("good", &[&[0x58], [0x66; 31].as_slice()].concat());
        let encodings = low_order();
        assert_eq!(encodings.len(), 14);
        for x in encodings {
            let point = CompressedEdwardsY(x).decompress().unwrap();
            assert!(point.mul_by_cofactor().is_identity(), "{x:?}");
            let set = json!({ "keys": [edwards("bad", &x), good] });
            let keys = KeySet::parse(&set).unwrap();
            assert!(keys.get("bad").is_none() && keys.get("good").is_some(), "{x:?}");
            assert_eq!(keys.forgeable(), ["bad"]);
        }
    }

    #[test]
    fn what_such_a_key_would_accept() {
        let mut neutral = [0; 32];
        neutral[0] = 1;
        let jwk = edwards("bad", &neutral);
        let key = VerifyingKey::parse(&jwk).unwrap();
        // The neutral point, and zero.
        let signature = URL_SAFE_NO_PAD.encode([neutral, [0; 32]].concat());
        assert!(key.is_forgeable() && key.has_signed("anything", &signature, Algorithm::EdDSA));
    }
}

//! The development issuer, used where no issuer is configured: its key is in the data folder, and any
//! user who can read it can mint tokens. Its tokens are verified as all others are.

use std::{
    collections::BTreeSet,
    fmt, fs,
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use aws_lc_rs::{
    digest,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use metricd_core::actor::Role;
use serde_json::{Map, Value, json};
use thiserror::Error;
use uuid::Uuid;

use super::{IssuerConfig, IssuerKind, KeySet, KeySource, RoleRules, claims, token};
use crate::private_folder;

const KEY_FILE: &str = "development-issuer.json";
const AUDIENCE: &str = "metricd";
const ROLE_CLAIM: &str = "metricd_role";
/// Claims that are reserved for the issuer.
const RESERVED: [&str; 8] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", ROLE_CLAIM];
const LONGEST_TTL: Duration = Duration::from_hours(365 * 24);
/// The limit on the size of a key file, in bytes.
const MAX_FILE_BYTES: u64 = 16 * 1024;

/// An issuer for development and evaluation. A user who can read its key file can act as any subject.
pub struct DevelopmentIssuer {
    signing: EncodingKey,
    jwk: Value,
    kid: String,
    keys: KeySet,
}

/// The reason why the development issuer could not be opened.
#[derive(Debug, Error)]
pub enum DevelopmentError {
    /// The file or its folder cannot be used.
    #[error("the key of the development issuer, {}, cannot be read or made", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// Its key is readable by other users.
    #[error(
        "the key of the development issuer, {}, may be used by others: close it with `chmod 600`, or \
         remove it to have a new one made",
        .0.display()
    )]
    Open(PathBuf),
    /// Other users can replace its key.
    #[error(
        "the folder of the development issuer's key, {}, may be written by other users: close it with `chmod go-w {}`",
        .0.display(), .0.display()
    )]
    OpenFolder(PathBuf),
    /// The file holds no key. It is not overwritten.
    #[error(
        "{} does not hold a key of the development issuer: remove it to have a new one made",
        .0.display()
    )]
    NoKey(PathBuf),
    /// The library could not generate a key.
    #[error("no key could be made for the development issuer")]
    Generation,
}

/// The content of a token to mint.
#[derive(Debug, Clone)]
pub struct TokenRequest {
    /// The role.
    pub role: Role,
    /// The time to live: a second to 365 days.
    pub ttl: Duration,
    /// The subject; the role's name by default.
    pub subject: Option<String>,
    /// Further claims: scopes, groups, a tenant.
    pub claims: Map<String, Value>,
}

/// The reason why a token was not minted.
#[derive(Debug, Error)]
pub enum MintError {
    /// A claim is reserved.
    #[error("the claim `{0}` is written by metricd")]
    Reserved(String),
    /// The time to live is out of range.
    #[error("a token holds for a second to 365 days")]
    Ttl,
    /// The subject is invalid.
    #[error("a subject has 1 to {} characters, and no control characters", claims::MAX_NAME_CHARS)]
    Subject,
    /// The token would exceed the size limit.
    #[error("the token would be longer than {} bytes", token::MAX_BYTES)]
    TooLong,
    /// The library could not sign it.
    #[error("the token could not be signed")]
    Sign(#[source] jsonwebtoken::errors::Error),
}

impl DevelopmentIssuer {
    /// The `iss` of its tokens.
    pub const ISSUER: &str = "urn:metricd:development";

    /// Reads the key in this folder, or creates folder and key, readable by this user alone. Processes
    /// that open the folder concurrently get the same key.
    ///
    /// # Errors
    /// See [`DevelopmentError`].
    pub fn open(data_dir: &Path) -> Result<Self, DevelopmentError> {
        let path = data_dir.join(KEY_FILE);
        let failed = |source| DevelopmentError::Io { path: path.clone(), source };
        if !path.try_exists().map_err(failed)? {
            let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
                .and_then(|pair| pair.to_pkcs8v1())
                .map_err(|_| DevelopmentError::Generation)?;
            let text = json!({ "alg": "ES256", "pkcs8": URL_SAFE_NO_PAD.encode(key.as_ref()) });
            make(data_dir, &path, &text.to_string()).map_err(failed)?;
        }
        if private_folder::is_writable_by_others(data_dir).map_err(failed)? {
            return Err(DevelopmentError::OpenFolder(data_dir.to_owned()));
        }
        let file = fs::File::open(&path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(DevelopmentError::NoKey(path));
        }
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err(DevelopmentError::Open(path));
        }
        let mut bytes = Vec::new();
        file.take(MAX_FILE_BYTES).read_to_end(&mut bytes).map_err(failed)?;
        Self::read(&bytes).ok_or(DevelopmentError::NoKey(path))
    }

    fn read(file: &[u8]) -> Option<Self> {
        let text: Value = serde_json::from_slice(file).ok()?;
        if text.get("alg")? != "ES256" {
            return None;
        }
        let pkcs8 = URL_SAFE_NO_PAD.decode(text.get("pkcs8")?.as_str()?).ok()?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8).ok()?;
        // The byte for `uncompressed`, then the two coordinates.
        let (x, y) = pair.public_key().as_ref().get(1..)?.split_at_checked(32)?;
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        let kid = thumbprint(&x, &y);
        let jwk = json!({
            "kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": kid, "use": "sig", "alg": "ES256",
        });
        let keys = KeySet::parse(&json!({ "keys": [jwk] })).ok()?;
        Some(Self { signing: EncodingKey::from_ec_der(&pkcs8), jwk, kid, keys })
    }

    /// Returns its configuration for the verifier: these rules, and the role that a token was minted for.
    #[must_use]
    pub fn issuer_config(&self, roles: RoleRules) -> IssuerConfig {
        let keys = KeySource::Fixed(self.keys.clone());
        let kind = IssuerKind::Oidc { audiences: BTreeSet::from([AUDIENCE.into()]) };
        let minted = RoleRules::of_role_claim(ROLE_CLAIM);
        IssuerConfig { roles: roles.and(minted), ..IssuerConfig::new(Self::ISSUER, keys, kind) }
    }

    /// Returns the JWKS to serve: the public key alone.
    #[must_use]
    pub fn jwks(&self) -> Value {
        json!({ "keys": [self.jwk] })
    }

    /// Mints a token that is valid from `now` on.
    ///
    /// # Errors
    /// See [`MintError`].
    pub fn mint(&self, request: &TokenRequest, now: DateTime<Utc>) -> Result<String, MintError> {
        let reserved = |name: &&String| RESERVED.contains(&name.as_str());
        if let Some(name) = request.claims.keys().find(reserved) {
            return Err(MintError::Reserved(name.clone()));
        }
        let subject = request.subject.as_deref().unwrap_or(request.role.as_str());
        if !claims::is_name(subject) {
            return Err(MintError::Subject);
        }
        if request.ttl.as_secs() == 0 || request.ttl > LONGEST_TTL {
            return Err(MintError::Ttl);
        }
        let expires = TimeDelta::from_std(request.ttl)
            .ok()
            .and_then(|ttl| now.checked_add_signed(ttl))
            .ok_or(MintError::Ttl)?;
        let mut claims = request.claims.clone();
        for (name, value) in [
            ("iss", json!(Self::ISSUER)),
            ("sub", json!(subject)),
            ("aud", json!(AUDIENCE)),
            ("iat", json!(now.timestamp())),
            ("exp", json!(expires.timestamp())),
            ("jti", json!(Uuid::new_v4())),
            (ROLE_CLAIM, json!(request.role.as_str())),
        ] {
            claims.insert(name.into(), value);
        }
        let header = Header { kid: Some(self.kid.clone()), ..Header::new(Algorithm::ES256) };
        let token =
            jsonwebtoken::encode(&header, &claims, &self.signing).map_err(MintError::Sign)?;
        if token.len() > token::MAX_BYTES { Err(MintError::TooLong) } else { Ok(token) }
    }
}

/// Omits the key.
impl fmt::Debug for DevelopmentIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DevelopmentIssuer").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// Creates the file atomically, unless another process has created it meanwhile.
fn make(dir: &Path, path: &Path, text: &str) -> io::Result<()> {
    private_folder::make(dir)?;
    let draft = dir.join(format!("{KEY_FILE}.{}", Uuid::new_v4().simple()));
    let written = write(&draft, text).and_then(|()| match fs::hard_link(&draft, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        outcome => outcome,
    });
    let removed = fs::remove_file(&draft);
    written.and(removed)
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Returns the thumbprint of a key by RFC 7638.
fn thumbprint(x: &str, y: &str) -> String {
    let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, canonical.as_bytes()))
}

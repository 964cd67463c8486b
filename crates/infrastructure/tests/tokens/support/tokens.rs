use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use super::{AUDIENCE, CLIENT, NOW, OIDC, POOL, SCOPE, Signer, ec, ed, rsa};

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A token before it is signed: a good one, until a test changes something.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

impl Draft {
    /// An access token as a Cognito pool makes it for a machine.
    pub(crate) fn cognito() -> Self {
        Self::new(
            json!({ "kid": "rsa", "alg": "RS256" }),
            json!({
                "sub": CLIENT,
                "token_use": "access",
                "scope": SCOPE,
                "auth_time": NOW - 10,
                "iss": POOL,
                "exp": NOW + 3600,
                "iat": NOW - 10,
                "version": 2,
                "jti": "6f2d2f7c-6ee0-4a4e-8a43-8c6e5ab3f5d1",
                "client_id": CLIENT,
            }),
        )
    }

    /// An access token as RFC 9068 describes it.
    pub(crate) fn oidc() -> Self {
        Self::new(
            json!({ "typ": "at+jwt", "kid": "rsa", "alg": "RS256" }),
            json!({
                "iss": OIDC,
                "sub": "anna",
                "aud": AUDIENCE,
                "azp": "dashboard",
                "scope": format!("openid {SCOPE}"),
                "iat": NOW - 10,
                "nbf": NOW - 10,
                "exp": NOW + 3600,
                "jti": "1",
            }),
        )
    }

    fn new(header: Value, claims: Value) -> Self {
        let (Value::Object(header), Value::Object(claims)) = (header, claims) else {
            panic!("both are objects")
        };
        Self { header, claims }
    }

    pub(crate) fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.into(), value.into());
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        assert!(self.claims.remove(name).is_some(), "there is no {name}");
        self
    }

    pub(crate) fn head(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.into(), value.into());
        self
    }

    pub(crate) fn headless(mut self, name: &str) -> Self {
        assert!(self.header.remove(name).is_some(), "there is no {name}");
        self
    }

    /// What a signature would be over.
    pub(crate) fn unsigned(&self) -> String {
        let part = |map: &Map<String, Value>| encode(serde_json::to_vec(map).unwrap());
        format!("{}.{}", part(&self.header), part(&self.claims))
    }

    /// Signed by the key that its `kid` names.
    pub(crate) fn signed(&self) -> String {
        self.signed_by(match self.header.get("kid").and_then(Value::as_str) {
            Some("ec") => ec(),
            Some("ed") => ed(),
            _ => rsa(),
        })
    }

    pub(crate) fn signed_by(&self, key: &Signer) -> String {
        let unsigned = self.unsigned();
        let algorithm = self.header.get("alg").and_then(Value::as_str).unwrap_or_default();
        let signature = key.sign(algorithm, unsigned.as_bytes());
        format!("{unsigned}.{}", encode(signature))
    }
}

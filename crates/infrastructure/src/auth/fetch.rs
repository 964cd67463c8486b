//! Fetches an issuer's keys over HTTP. The server is not trusted: time and bytes are limited, and redirects
//! are not followed. Keys come by TLS or from this machine.

use std::{sync::Arc, time::Duration};

use reqwest::{StatusCode, Url, header};
use serde_json::Value;
use thiserror::Error;

use super::key_set::{InvalidKeySet, KeySet};
use crate::http::{self, Http, is_safe};

/// The time limit of all requests of one fetch together.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The maximum size of one response, decompressed, in bytes.
const MAX_BYTES: usize = 256 * 1024;

/// The reason why an issuer's keys could not be fetched.
#[derive(Debug, Error)]
pub(super) enum KeyFetchError {
    #[error("the issuer cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    #[error("the issuer did not answer within {} seconds", TIMEOUT.as_secs())]
    Late,
    #[error("the issuer answered with status {0}")]
    Status(StatusCode),
    #[error("the issuer's answer is larger than {} KiB", MAX_BYTES / 1024)]
    TooLarge,
    #[error("the issuer's answer is not JSON")]
    NotJson(#[source] serde_json::Error),
    #[error("the issuer's answer is not a key set")]
    NoKeySet(#[source] InvalidKeySet),
    #[error("the issuer's configuration is that of another issuer")]
    OtherIssuer,
    #[error("the issuer's configuration has no `jwks_uri` that is https or on this machine")]
    NoAddress,
    #[error("the fetch from the issuer was interrupted")]
    Unfinished,
}

async fn get(http: &Http, url: &Url) -> Result<Value, KeyFetchError> {
    let request = http.client(url).get(url.clone()).header(header::ACCEPT, "application/json");
    let mut response = request.send().await.map_err(KeyFetchError::Unreachable)?;
    if response.status() != StatusCode::OK {
        return Err(KeyFetchError::Status(response.status()));
    }
    let body = http::body(&mut response, MAX_BYTES).await.map_err(KeyFetchError::Unreachable)?;
    serde_json::from_slice(&body.ok_or(KeyFetchError::TooLarge)?).map_err(KeyFetchError::NotJson)
}

/// The origin of an issuer's keys.
#[derive(Debug)]
pub(super) struct KeyOrigin {
    pub(super) http: Arc<Http>,
    pub(super) address: Address,
}

#[derive(Debug)]
pub(super) enum Address {
    Jwks(Url),
    /// The OpenID configuration that has their URL.
    Configuration {
        url: Url,
        issuer: String,
    },
}

impl KeyOrigin {
    pub(super) async fn fetch(&self) -> Result<KeySet, KeyFetchError> {
        tokio::time::timeout(TIMEOUT, self.ask()).await.unwrap_or(Err(KeyFetchError::Late))
    }

    async fn ask(&self) -> Result<KeySet, KeyFetchError> {
        let document = match &self.address {
            Address::Jwks(url) => get(&self.http, url).await?,
            Address::Configuration { url, issuer } => {
                let configuration = get(&self.http, url).await?;
                get(&self.http, &jwks_uri(&configuration, issuer)?).await?
            }
        };
        KeySet::parse(&document).map_err(KeyFetchError::NoKeySet)
    }
}

fn jwks_uri(configuration: &Value, issuer: &str) -> Result<Url, KeyFetchError> {
    if configuration.get("issuer").and_then(Value::as_str) != Some(issuer) {
        return Err(KeyFetchError::OtherIssuer);
    }
    configuration
        .get("jwks_uri")
        .and_then(Value::as_str)
        .and_then(|text| Url::parse(text).ok())
        .filter(is_safe)
        .ok_or(KeyFetchError::NoAddress)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_configuration_is_taken_from_its_own_issuer_only() {
        let at = |issuer: &str, uri: &str| {
            jwks_uri(&json!({ "issuer": issuer, "jwks_uri": uri }), "https://a.example")
        };
        assert!(at("https://a.example", "https://keys.example/a").is_ok());
        for other in ["https://a.example/", "https://a.exam", "https://b.example", ""] {
            let answer = at(other, "https://keys.example/a");
            assert!(matches!(answer, Err(KeyFetchError::OtherIssuer)), "{other}");
        }
        for uri in ["http://keys.example/a", "keys", "", "file:///keys"] {
            assert!(matches!(at("https://a.example", uri), Err(KeyFetchError::NoAddress)), "{uri}");
        }
        let nothing = jwks_uri(&json!([]), "https://a.example");
        assert!(matches!(nothing, Err(KeyFetchError::OtherIssuer)));
    }
}

//! Asking an issuer for its keys, over HTTP. Whatever answers is not trusted: it gets little time,
//! few bytes and no second address.

use std::{net::IpAddr, sync::Arc, time::Duration};

use reqwest::{Client, StatusCode, Url, header, redirect, retry};
use serde_json::Value;
use thiserror::Error;

use super::key_set::{InvalidKeySet, KeySet};

/// How long all requests of one fetch may take together.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The most bytes of one answer, unpacked.
const MAX_BYTES: usize = 256 * 1024;

/// Why an issuer's keys could not be had.
#[derive(Debug, Error)]
pub(super) enum FetchError {
    #[error("the issuer cannot be asked")]
    Unreachable(#[source] reqwest::Error),
    #[error("the issuer did not answer within {} seconds", TIMEOUT.as_secs())]
    Late,
    #[error("the issuer answered with status {0}")]
    Status(StatusCode),
    #[error("the issuer's answer is larger than {} KiB", MAX_BYTES / 1024)]
    TooLarge,
    #[error("the issuer's answer is not JSON")]
    NotJson(#[source] serde_json::Error),
    #[error("the issuer's answer is no set of keys")]
    NoKeySet(#[source] InvalidKeySet),
    #[error("the issuer's configuration is that of another issuer")]
    OtherIssuer,
    #[error("the issuer's configuration has no `jwks_uri` that is https or on this machine")]
    NoAddress,
    #[error("the issuer was not asked to the end")]
    Unfinished,
}

/// The two ways to an issuer. What is on this machine is asked directly; what is not, through the
/// proxy that `HTTPS_PROXY` and `NO_PROXY` name, if any: it passes on what TLS has sealed.
#[derive(Debug)]
pub(super) struct Http {
    direct: Client,
    outward: Client,
}

impl Http {
    pub(super) fn new() -> Result<Self, reqwest::Error> {
        let client = || {
            Client::builder()
                .user_agent("metricd")
                .redirect(redirect::Policy::none())
                .retry(retry::never())
                .pool_max_idle_per_host(0)
        };
        Ok(Self { direct: client().no_proxy().build()?, outward: client().build()? })
    }

    async fn get(&self, url: &Url) -> Result<Value, FetchError> {
        let client = if is_on_this_machine(url) { &self.direct } else { &self.outward };
        let request = client.get(url.clone()).header(header::ACCEPT, "application/json");
        let mut response = request.send().await.map_err(FetchError::Unreachable)?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(FetchError::Unreachable)? {
            if body.len() + chunk.len() > MAX_BYTES {
                return Err(FetchError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&body).map_err(FetchError::NotJson)
    }
}

/// Where an issuer's keys are fetched from.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) http: Arc<Http>,
    pub(super) address: Address,
}

#[derive(Debug)]
pub(super) enum Address {
    Jwks(Url),
    /// A document that says where they are.
    Configuration {
        url: Url,
        issuer: String,
    },
}

impl Origin {
    pub(super) async fn fetch(&self) -> Result<KeySet, FetchError> {
        tokio::time::timeout(TIMEOUT, self.ask()).await.unwrap_or(Err(FetchError::Late))
    }

    async fn ask(&self) -> Result<KeySet, FetchError> {
        let document = match &self.address {
            Address::Jwks(url) => self.http.get(url).await?,
            Address::Configuration { url, issuer } => {
                let configuration = self.http.get(url).await?;
                self.http.get(&jwks_uri(&configuration, issuer)?).await?
            }
        };
        KeySet::parse(&document).map_err(FetchError::NoKeySet)
    }
}

fn jwks_uri(configuration: &Value, issuer: &str) -> Result<Url, FetchError> {
    if configuration.get("issuer").and_then(Value::as_str) != Some(issuer) {
        return Err(FetchError::OtherIssuer);
    }
    configuration
        .get("jwks_uri")
        .and_then(Value::as_str)
        .and_then(|text| Url::parse(text).ok())
        .filter(is_safe)
        .ok_or(FetchError::NoAddress)
}

/// Whether nobody on the way can put keys into the answer. A password in it would reach the logs.
pub(super) fn is_safe(url: &Url) -> bool {
    let is_sealed = match url.scheme() {
        "https" => true,
        "http" => is_on_this_machine(url),
        _ => false,
    };
    is_sealed && url.username().is_empty() && url.password().is_none()
}

fn is_on_this_machine(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_come_sealed_or_from_this_machine() {
        for text in [
            "https://issuer.example/keys",
            "http://localhost:8080/keys",
            "http://127.0.0.1/keys",
            "http://127.8.8.8/keys",
            "http://[::1]:80/keys",
        ] {
            assert!(is_safe(&Url::parse(text).unwrap()), "{text}");
        }
        for text in [
            "http://issuer.example/keys",
            "http://localhost.issuer.example/keys",
            "http://127.0.0.1.issuer.example/keys",
            "http://10.0.0.1/keys",
            "http://[::2]/keys",
            "file:///etc/keys",
            "ftp://localhost/keys",
            "https://user:secret@issuer.example/keys",
            "https://user@issuer.example/keys",
        ] {
            assert!(!is_safe(&Url::parse(text).unwrap()), "{text}");
        }
    }

    #[test]
    fn a_configuration_is_taken_from_its_own_issuer_only() {
        let at = |issuer: &str, uri: &str| {
            jwks_uri(&json!({ "issuer": issuer, "jwks_uri": uri }), "https://a.example")
        };
        assert!(at("https://a.example", "https://keys.example/a").is_ok());
        for other in ["https://a.example/", "https://a.exam", "https://b.example", ""] {
            let answer = at(other, "https://keys.example/a");
            assert!(matches!(answer, Err(FetchError::OtherIssuer)), "{other}");
        }
        for uri in ["http://keys.example/a", "keys", "", "file:///keys"] {
            assert!(matches!(at("https://a.example", uri), Err(FetchError::NoAddress)), "{uri}");
        }
        let nothing = jwks_uri(&json!([]), "https://a.example");
        assert!(matches!(nothing, Err(FetchError::OtherIssuer)));
    }
}

//! The HTTP client. Servers are not trusted: it follows no redirect, does not retry, and limits the size
//! of bodies.

use std::{net::IpAddr, time::Duration};

use reqwest::{Client, Response, Url, redirect, retry};

/// The time limit for connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Two clients: `https` to other machines goes through the proxy of `HTTPS_PROXY` and `NO_PROXY`, if any.
/// Everything else is sent directly: a proxy could read it.
#[derive(Debug)]
pub(crate) struct Http {
    direct: Client,
    outward: Client,
}

impl Http {
    pub(crate) fn new() -> Result<Self, reqwest::Error> {
        let client = || {
            Client::builder()
                .user_agent("metricd")
                .redirect(redirect::Policy::none())
                .retry(retry::never())
                .connect_timeout(CONNECT_TIMEOUT)
                .pool_max_idle_per_host(0)
        };
        Ok(Self { direct: client().no_proxy().build()?, outward: client().build()? })
    }

    /// Returns the client for `url`.
    pub(crate) fn client(&self, url: &Url) -> &Client {
        let is_sealed = url.scheme() == "https";
        if is_sealed && !is_on_this_machine(url) { &self.outward } else { &self.direct }
    }
}

/// Whether traffic to the URL is protected, by TLS or on this machine. A password in the URL would be logged.
pub(crate) fn is_safe(url: &Url) -> bool {
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

/// Returns a response's body, decompressed; `None` if it has more than `most` bytes.
pub(crate) async fn body(
    response: &mut Response,
    most: usize,
) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > most {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_passes_on_only_what_is_sealed() {
        let http = Http::new().unwrap();
        for (text, by_proxy) in [
            ("https://models.example/v1", true),
            ("https://10.0.0.1/v1", true),
            ("http://models.example/v1", false),
            ("http://vllm:8000/v1", false),
            ("http://10.0.0.1/v1", false),
            ("http://localhost:11434/v1", false),
            ("http://127.0.0.1/v1", false),
            ("https://[::1]/v1", false),
        ] {
            let client = http.client(&Url::parse(text).unwrap());
            assert_eq!(std::ptr::eq(client, &raw const http.outward), by_proxy, "{text}");
        }
    }

    #[test]
    fn what_is_safe_is_sealed_or_on_this_machine() {
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
}

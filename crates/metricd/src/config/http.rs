//! `[http]`: what stands between metricd and its callers.

use std::net::IpAddr;

use axum::http::HeaderValue;
use ipnet::IpNet;

use super::{declare::settings, types::list};

settings! {
    /// Browsers and proxies between metricd and its callers.
    pub(crate) struct HttpSettings in "http" {
        /// The origins whose web pages may call the API (CORS).
        cors_origins: Vec<HeaderValue> = list("an origin such as https://dash.example", origin);
        /// The proxies whose `X-Forwarded-For` is trusted.
        trusted_proxies: Vec<IpNet> = list("an address or a network such as 10.0.0.0/8", network);
    }
}

/// Reads an origin as browsers send it: scheme, host and port only.
fn origin(text: &str) -> Option<HeaderValue> {
    let (scheme, host) = text.split_once("://")?;
    let fits = matches!(scheme, "http" | "https")
        && !host.is_empty()
        && !host.contains(|c: char| "/?#@*".contains(c) || c.is_whitespace())
        && text == text.to_ascii_lowercase();
    HeaderValue::try_from(text).ok().filter(|_| fits)
}

fn network(text: &str) -> Option<IpNet> {
    text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).ok()
}

//! `[http]`: what stands between metricd and its callers.

use std::{net::IpAddr, time::Duration};

use axum::http::HeaderValue;
use ipnet::IpNet;

use super::{
    declare::settings,
    types::{duration, integer, list},
};

settings! {
    /// Browsers and proxies between metricd and its callers.
    pub(crate) struct HttpSettings in "http" {
        /// The origins whose web pages may call the API (CORS).
        cors_origins: Vec<HeaderValue> = list("an origin such as https://dash.example", origin);
        /// The proxies whose `X-Forwarded-For` is trusted.
        trusted_proxies: Vec<IpNet> = list("an address or a network such as 10.0.0.0/8", network);
        /// How long a response may wait for a client that takes none of it; one that takes less than
        /// `http.min_write_rate` is given as much longer as it would need for that at this rate.
        write_timeout: Duration = duration("30s");
        /// The rate at which a client must take what it is sent, in bytes per second, on average.
        min_write_rate: u32 = integer(4_096).at_least(1);
        /// The most connections. Beyond them the one that is idle for longest is closed, or else all but
        /// `/health` is answered 503.
        max_connections: u32 = integer(768).at_least(1);
        /// The most connections of one client, an IPv6 network of 64 bits being one. Of a client behind a
        /// trusted proxy, its requests in progress are counted instead.
        max_connections_per_client: u32 = integer(256).at_least(1);
        /// The most bytes of response bodies that are being sent at once, where one that many clients are sent
        /// counts once. Bodies of less than 64 KiB are not counted.
        max_bytes_in_flight: u32 = integer(256 * 1024 * 1024).at_least(65_536);
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

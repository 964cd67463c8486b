//! The client's address behind proxies.

use std::net::IpAddr;

use axum::http::HeaderMap;
use ipnet::IpNet;

/// Returns the address of the client: the last one in `X-Forwarded-For` that is not a trusted proxy's. What
/// stands further left may be forged.
pub(crate) fn client(peer: IpAddr, headers: &HeaderMap, proxies: &[IpNet]) -> IpAddr {
    let is_proxy = |address: &IpAddr| proxies.iter().any(|net| net.contains(address));
    if !is_proxy(&peer) {
        return peer;
    }
    let forwarded = headers.get_all("x-forwarded-for").iter().rev();
    let hops = forwarded
        .flat_map(|value| value.to_str().unwrap_or_default().rsplit(','))
        .map(|hop| hop.trim().parse::<IpAddr>().ok().map(|address| address.to_canonical()));
    let mut client = peer;
    for hop in hops {
        let Some(address) = hop else { break };
        client = address;
        if !is_proxy(&address) {
            break;
        }
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forwarded(peer: &str, hops: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for hop in hops {
            headers.append("x-forwarded-for", hop.parse().unwrap());
        }
        let proxies = ["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        client(peer.parse().unwrap(), &headers, &proxies).to_string()
    }

    #[test]
    fn a_forwarded_address_is_accepted_from_trusted_proxies_only() {
        assert_eq!(forwarded("192.0.2.1", &["198.51.100.7"]), "192.0.2.1");
        assert_eq!(forwarded("10.0.0.1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(forwarded("10.0.0.1", &["203.0.113.9, 198.51.100.7"]), "198.51.100.7");
        assert_eq!(
            forwarded("10.0.0.1", &["203.0.113.9", "198.51.100.7, 10.2.3.4"]),
            "198.51.100.7"
        );
        assert_eq!(forwarded("10.0.0.1", &["nonsense"]), "10.0.0.1");
        assert_eq!(forwarded("10.0.0.1", &["203.0.113.9, nonsense, 10.2.3.4"]), "10.2.3.4");
        assert_eq!(forwarded("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(forwarded("::1", &["2001:db8::5"]), "2001:db8::5");
    }
}

//! Rate limiting. Callers are told apart by their verified identity, clients without a valid token by address.
//!
//! Must never count by anything that a client can choose.

use std::{
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
};
use metricd_core::actor::Identity;

/// Idle entries are removed once per this many requests.
const SWEEP_EVERY: u32 = 4_096;

/// A token bucket for each caller and address.
pub(crate) struct RateLimit {
    limiter: Option<DefaultKeyedRateLimiter<BucketKey>>,
    clock: DefaultClock,
    requests: AtomicU32,
}

/// What a request is counted against.
pub(crate) enum RateLimitKey<'a> {
    Caller(&'a Identity),
    Address(IpAddr),
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum BucketKey {
    Caller { issuer: String, subject: String },
    Address(IpAddr),
}

impl RateLimit {
    /// Limits the average rate per second and the burst; no rate means no limit.
    pub(crate) fn new(per_second: Option<NonZeroU32>, burst: NonZeroU32) -> Self {
        let quota = per_second.map(|rate| Quota::per_second(rate).allow_burst(burst));
        Self {
            limiter: quota.map(RateLimiter::keyed),
            clock: DefaultClock::default(),
            requests: AtomicU32::new(0),
        }
    }

    /// Counts a request, or returns the time to wait before the next one.
    pub(crate) fn check(&self, key: RateLimitKey<'_>) -> Result<(), Duration> {
        let Some(limiter) = &self.limiter else {
            return Ok(());
        };
        if self.requests.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
        limiter
            .check_key(&key.into())
            .map_err(|not_until| not_until.wait_time_from(self.clock.now()))
    }
}

impl From<RateLimitKey<'_>> for BucketKey {
    fn from(key: RateLimitKey<'_>) -> Self {
        match key {
            RateLimitKey::Caller(Identity { issuer, subject, .. }) => {
                Self::Caller { issuer: issuer.clone(), subject: subject.clone() }
            }
            RateLimitKey::Address(address) => Self::Address(network(address)),
        }
    }
}

/// The addresses of an IPv6 network of 64 bits count as one: a customer has all of them.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn limit(burst: u32) -> RateLimit {
        RateLimit::new(NonZeroU32::new(1), NonZeroU32::new(burst).unwrap())
    }

    fn identity(subject: &str, scope: &str) -> Identity {
        Identity {
            issuer: "https://issuer.example".into(),
            subject: subject.into(),
            client: None,
            roles: BTreeSet::new(),
            scopes: BTreeSet::from([scope.to_owned()]),
            claims: BTreeMap::new(),
        }
    }

    #[test]
    fn a_caller_has_one_limit_whatever_else_the_token_claims() {
        let limit = limit(2);
        let ann = ["a", "b", "c"].map(|scope| identity("ann", scope));
        assert_eq!(limit.check(RateLimitKey::Caller(&ann[0])), Ok(()));
        assert_eq!(limit.check(RateLimitKey::Caller(&ann[1])), Ok(()));
        let wait = limit.check(RateLimitKey::Caller(&ann[2])).unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(1), "{wait:?}");
        assert_eq!(limit.check(RateLimitKey::Caller(&identity("bob", "a"))), Ok(()));
    }

    #[test]
    fn addresses_of_one_network_count_together() {
        let limit = limit(1);
        let check =
            |address: &str| limit.check(RateLimitKey::Address(address.parse().unwrap())).is_ok();
        assert!(check("2001:db8:0:1::1"));
        assert!(!check("2001:db8:0:1:ffff::2"));
        assert!(check("2001:db8:0:2::1"));
        assert!(check("192.0.2.1"));
        assert!(check("192.0.2.2"));
    }

    #[test]
    fn without_a_rate_there_is_no_limit() {
        let limit = RateLimit::new(None, NonZeroU32::MIN);
        assert!(
            (0..1_000).all(|_| limit.check(RateLimitKey::Caller(&identity("ann", "a"))).is_ok())
        );
    }
}

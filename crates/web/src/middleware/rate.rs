//! How often one caller may ask. Callers are told apart by who they are, never by what they send:
//! whoever has no good token is told apart by address.

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

/// Callers who have not asked for a while are forgotten after so many requests.
const SWEEP_EVERY: u32 = 4_096;

/// A limit for each caller.
pub(crate) struct RateLimit {
    limiter: Option<DefaultKeyedRateLimiter<Key>>,
    clock: DefaultClock,
    asked: AtomicU32,
}

/// Whose request it is.
pub(crate) enum Whose<'a> {
    Caller(&'a Identity),
    Address(IpAddr),
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    Caller { issuer: String, subject: String },
    Address(IpAddr),
}

impl RateLimit {
    /// So many requests in a second on average, and so many at once; none means no limit.
    pub(crate) fn new(per_second: Option<NonZeroU32>, burst: NonZeroU32) -> Self {
        let quota = per_second.map(|rate| Quota::per_second(rate).allow_burst(burst));
        Self {
            limiter: quota.map(RateLimiter::keyed),
            clock: DefaultClock::default(),
            asked: AtomicU32::new(0),
        }
    }

    /// Counts a request, or says how long to wait before the next one.
    pub(crate) fn check(&self, whose: Whose<'_>) -> Result<(), Duration> {
        let Some(limiter) = &self.limiter else {
            return Ok(());
        };
        if self.asked.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
        limiter
            .check_key(&whose.into())
            .map_err(|not_until| not_until.wait_time_from(self.clock.now()))
    }
}

impl From<Whose<'_>> for Key {
    fn from(whose: Whose<'_>) -> Self {
        match whose {
            Whose::Caller(Identity { issuer, subject, .. }) => {
                Self::Caller { issuer: issuer.clone(), subject: subject.clone() }
            }
            Whose::Address(address) => Self::Address(network(address)),
        }
    }
}

/// An IPv6 customer has a whole network of addresses: they count as one.
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
    fn a_caller_has_one_limit_whatever_the_token_says_beside() {
        let limit = limit(2);
        let ann = ["a", "b", "c"].map(|scope| identity("ann", scope));
        assert_eq!(limit.check(Whose::Caller(&ann[0])), Ok(()));
        assert_eq!(limit.check(Whose::Caller(&ann[1])), Ok(()));
        let wait = limit.check(Whose::Caller(&ann[2])).unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(1), "{wait:?}");
        assert_eq!(limit.check(Whose::Caller(&identity("bob", "a"))), Ok(()));
    }

    #[test]
    fn addresses_of_one_network_count_together() {
        let limit = limit(1);
        let check = |address: &str| limit.check(Whose::Address(address.parse().unwrap())).is_ok();
        assert!(check("2001:db8:0:1::1"));
        assert!(!check("2001:db8:0:1:ffff::2"));
        assert!(check("2001:db8:0:2::1"));
        assert!(check("192.0.2.1"));
        assert!(check("192.0.2.2"));
    }

    #[test]
    fn without_a_rate_nobody_waits() {
        let limit = RateLimit::new(None, NonZeroU32::MIN);
        assert!((0..1_000).all(|_| limit.check(Whose::Caller(&identity("ann", "a"))).is_ok()));
    }
}

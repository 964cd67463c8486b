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
    Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
    middleware::{StateInformationMiddleware, StateSnapshot},
    state::keyed::DefaultKeyedStateStore,
};
use metricd_core::actor::Identity;

use crate::quota::{QuotaExceeded, QuotaLeft, QuotaPolicy};

/// Idle entries are removed once per this many requests.
const SWEEP_EVERY: u32 = 4_096;

/// A token bucket for each caller and address.
pub(crate) struct RateLimit {
    limiter: Option<Limiter>,
    clock: DefaultClock,
    requests: AtomicU32,
}

struct Limiter {
    buckets: RateLimiter<
        BucketKey,
        DefaultKeyedStateStore<BucketKey>,
        DefaultClock,
        StateInformationMiddleware,
    >,
    of_callers: QuotaPolicy,
    of_addresses: QuotaPolicy,
}

/// What a request is counted against.
pub(crate) enum RateLimitKey<'a> {
    Caller(&'a Identity),
    Address(IpAddr),
}

/// Who a limit is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum BucketKey {
    Caller { issuer: String, subject: String },
    Address(IpAddr),
}

impl RateLimit {
    /// Limits the average rate per second and the burst; no rate means no limit.
    pub(crate) fn new(per_second: Option<NonZeroU32>, burst: NonZeroU32) -> Self {
        let limiter = per_second.map(|rate| {
            let quota = Quota::per_second(rate).allow_burst(burst);
            let buckets = RateLimiter::keyed(quota);
            Limiter {
                buckets: buckets.with_middleware(),
                of_callers: QuotaPolicy::new("caller", rate, burst),
                of_addresses: QuotaPolicy::new("address", rate, burst),
            }
        });
        Self { limiter, clock: DefaultClock::default(), requests: AtomicU32::new(0) }
    }

    /// Counts a request, and returns what is left; none where there is no limit.
    pub(crate) fn check(&self, key: RateLimitKey<'_>) -> Result<Option<QuotaLeft>, QuotaExceeded> {
        let Some(Limiter { buckets, of_callers, of_addresses }) = &self.limiter else {
            return Ok(None);
        };
        if self.requests.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            buckets.retain_recent();
            buckets.shrink_to_fit();
        }
        let policy = match key {
            RateLimitKey::Caller(_) => of_callers,
            RateLimitKey::Address(_) => of_addresses,
        };
        match buckets.check_key(&key.into()) {
            Ok(state) => {
                Ok(Some(policy.left(state.remaining_burst_capacity(), until_whole(&state))))
            }
            Err(not_until) => {
                let wait = not_until.wait_time_from(self.clock.now());
                Err(QuotaExceeded(policy.left(0, wait)))
            }
        }
    }
}

fn until_whole(state: &StateSnapshot) -> Duration {
    let quota = state.quota();
    let spent = quota.burst_size().get().saturating_sub(state.remaining_burst_capacity());
    quota.replenish_interval() * spent
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
pub(crate) fn network(address: IpAddr) -> IpAddr {
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
        let check = |identity| limit.check(RateLimitKey::Caller(identity));
        let requests = |left: Option<QuotaLeft>| left.unwrap().requests;
        assert_eq!(check(&ann[0]).map(requests), Ok(1));
        assert_eq!(check(&ann[1]).map(requests), Ok(0));
        let wait = check(&ann[2]).unwrap_err().0.reset_after;
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(1), "{wait:?}");
        assert_eq!(check(&identity("bob", "a")).map(requests), Ok(1));
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
    fn what_is_left_is_told_in_the_fields_of_the_draft() {
        let limit = RateLimit::new(NonZeroU32::new(2), NonZeroU32::new(5).unwrap());
        let ann = identity("ann", "a");
        let fields = || {
            let left = limit.check(RateLimitKey::Caller(&ann)).unwrap().unwrap();
            left.fields().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        };
        let policy = "ratelimit-policy: \"caller\";q=5;w=3";
        assert_eq!(fields(), ["ratelimit: \"caller\";r=4;t=1", policy]);
        fields();
        assert_eq!(fields(), ["ratelimit: \"caller\";r=2;t=2", policy]);
    }

    #[test]
    fn without_a_rate_there_is_no_limit() {
        let limit = RateLimit::new(None, NonZeroU32::MIN);
        assert!(
            (0..1_000).all(|_| limit.check(RateLimitKey::Caller(&identity("ann", "a"))).is_ok())
        );
    }
}

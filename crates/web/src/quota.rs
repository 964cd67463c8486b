//! What is left of a client's quota, and the fields that tell it: those of the IETF's draft
//! (draft-ietf-httpapi-ratelimit-headers).

use std::{
    num::NonZeroU32,
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::http::{HeaderName, HeaderValue};

pub(crate) const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
pub(crate) const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// A rate limit as clients are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QuotaPolicy {
    name: &'static str,
    field: HeaderValue,
}

impl QuotaPolicy {
    /// Names the limit: the requests at once, and as many again in the time that this rate takes for them.
    pub(crate) fn new(name: &'static str, per_second: NonZeroU32, burst: NonZeroU32) -> Self {
        let window_seconds = burst.get().div_ceil(per_second.get());
        let field = format!("\"{name}\";q={burst};w={window_seconds}");
        Self { name, field: HeaderValue::try_from(field).expect("it is ASCII") }
    }

    /// Returns the quota of which so many requests are left.
    pub(crate) fn left(&self, requests: u32, reset_after: Duration) -> QuotaLeft {
        QuotaLeft { policy: self.clone(), requests, reset_after }
    }
}

/// What is left of a client's quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QuotaLeft {
    policy: QuotaPolicy,
    pub(crate) requests: u32,
    /// The time until the whole quota, or the next request of an empty one, is there.
    pub(crate) reset_after: Duration,
}

/// Nothing is left of a client's quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QuotaExceeded(pub(crate) QuotaLeft);

impl QuotaLeft {
    /// Returns the time until more is there in whole seconds, at least one: a client that comes then does not
    /// come too early.
    pub(crate) fn reset_after_seconds(&self) -> u64 {
        let time = self.reset_after;
        (time.as_secs() + u64::from(time.subsec_nanos() > 0)).max(1)
    }

    /// Returns the fields that tell it.
    pub(crate) fn fields(self) -> [(HeaderName, HeaderValue); 2] {
        let seconds = self.reset_after_seconds();
        let QuotaLeft { policy: QuotaPolicy { name, field }, requests, .. } = self;
        let left = format!("\"{name}\";r={requests};t={seconds}");
        let left = HeaderValue::try_from(left).expect("it is ASCII");
        [(RATE_LIMIT, left), (RATE_LIMIT_POLICY, field)]
    }
}

/// Carries a caller's quota from the authentication of a request out to where its response is completed, which may be
/// one that no handler made.
#[derive(Debug, Clone, Default)]
pub(crate) struct RequestQuota(Arc<OnceLock<QuotaLeft>>);

impl RequestQuota {
    /// Notes what is left; of a request that is passed on twice, the first counts.
    pub(crate) fn set(&self, left: QuotaLeft) {
        let _ = self.0.set(left);
    }

    /// Returns the fields that tell what is left, if the caller has a limit.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> + use<> {
        self.0.get().cloned().map(QuotaLeft::fields).into_iter().flatten()
    }
}

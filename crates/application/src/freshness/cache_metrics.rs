//! What is counted of look-ups in the answer cache.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use super::answer::MissReason;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LookUpResult {
    result: &'static str,
}

/// How look-ups ended.
#[derive(Debug, Clone)]
pub(super) struct CacheMetrics {
    look_ups: Family<LookUpResult, Counter>,
    /// What nearly all look-ups count is at hand.
    pub(super) hit: Counter,
}

impl Default for CacheMetrics {
    fn default() -> Self {
        let look_ups = Family::<LookUpResult, Counter>::default();
        let hit = look_ups.get_or_create_owned(&LookUpResult { result: "hit" });
        Self { look_ups, hit }
    }
}

impl CacheMetrics {
    /// Counts a look-up that found nothing to serve.
    pub(super) fn missed(&self, reason: MissReason) {
        let result = match reason {
            MissReason::Absent => "miss",
            MissReason::Expired => "expired",
            MissReason::Bypassed | MissReason::Uncacheable => "bypassed",
        };
        self.look_ups.get_or_create(&LookUpResult { result }).inc();
    }

    /// Adds everything to `registry`.
    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "Look-ups in the cache of answers, by what was found";
        registry.register("cache_lookups", help, self.look_ups.clone());
    }
}

//! Which metrics' queries fail, as far as this server has run them.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use metricd_core::ids::MetricId;
use quick_cache::sync::Cache;

/// The most failing metrics that are remembered.
const MAX_METRICS: usize = 10_000;

/// Remembers the metrics whose queries failed when they last ran.
#[derive(Clone)]
pub struct QueryHealth(Arc<Cache<MetricId, QueryFailure>>);

/// Since when a metric's query fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryFailure {
    /// When it first failed.
    pub since: DateTime<Utc>,
    /// Whether the query no longer fits the database; else it failed on data.
    pub is_broken: bool,
    /// The version of the query that fails.
    pub query_version: i64,
}

impl Default for QueryHealth {
    fn default() -> Self {
        Self(Arc::new(Cache::new(MAX_METRICS)))
    }
}

impl std::fmt::Debug for QueryHealth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueryHealth").field("failing", &self.0.len()).finish()
    }
}

impl QueryHealth {
    /// Records that a metric's query failed, and returns the failure with its beginning.
    #[must_use]
    pub fn failed(&self, metric: MetricId, failure: QueryFailure) -> QueryFailure {
        let failure = match self.failure(metric, failure.query_version) {
            Some(known) if known.is_broken == failure.is_broken => known,
            _ => failure,
        };
        self.0.insert(metric, failure);
        failure
    }

    /// Records that a metric's query ran.
    pub fn ran(&self, metric: MetricId) {
        if !self.0.is_empty() {
            self.0.remove(&metric);
        }
    }

    /// Records that a metric's query fits the database, whatever its data do to it.
    pub fn planned(&self, metric: MetricId) {
        if !self.0.is_empty() {
            let _ = self.0.remove_if(&metric, |failure| failure.is_broken);
        }
    }

    /// Returns the failure of a metric's query of this version, if it failed when it last ran.
    #[must_use]
    pub fn failure(&self, metric: MetricId, query_version: i64) -> Option<QueryFailure> {
        self.0.get(&metric).filter(|failure| failure.query_version == query_version)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_failure_lasts_until_the_query_runs_or_is_replaced() {
        let (health, metric) = (QueryHealth::default(), MetricId(Uuid::nil()));
        let at = |seconds| QueryFailure {
            since: DateTime::from_timestamp(seconds, 0).unwrap(),
            is_broken: true,
            query_version: 1,
        };
        assert_eq!(health.failed(metric, at(1)), at(1));
        assert_eq!(health.failed(metric, at(2)), at(1));
        assert_eq!(health.failure(metric, 1), Some(at(1)));
        assert_eq!(health.failure(metric, 2), None);
        health.ran(metric);
        assert_eq!(health.failure(metric, 1), None);
        assert_eq!(health.failed(metric, at(3)), at(3));
    }
}

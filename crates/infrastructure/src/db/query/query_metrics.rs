//! What is counted of authors' queries: how many ran, how they ended and how long they took.

use std::time::Duration;

use metricd_application::ports::RunError;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::{Registry, Unit},
};
use tokio::time::Instant;

use crate::db::queue::UnendedQueries;

/// Upper bounds of the durations that are told apart, in seconds.
const DURATIONS: [f64; 9] = [0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 10.0, 25.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

/// What is counted of all queries.
#[derive(Debug, Clone)]
pub(in crate::db) struct QueryMetrics {
    queries: Family<Outcome, Counter>,
    durations: Histogram,
    rejections: Family<Reason, Counter>,
}

impl Default for QueryMetrics {
    fn default() -> Self {
        Self {
            queries: Family::default(),
            durations: Histogram::new(DURATIONS),
            rejections: Family::default(),
        }
    }
}

impl QueryMetrics {
    /// Adds everything to `registry`.
    pub(in crate::db) fn register(&self, registry: &mut Registry) {
        let help = "Queries of authors that were run, by how they ended";
        registry.register("queries", help, self.queries.clone());
        let help = "How long they ran";
        registry.register_with_unit("query_duration", help, Unit::Seconds, self.durations.clone());
        let help = "Queries that got no permit to run, by the reason";
        registry.register("query_queue_rejections", help, self.rejections.clone());
    }

    /// Counts a query that is planned, or begins to run; one that is dropped before it has ended was canceled.
    pub(super) fn begin(&self) -> RunningQuery {
        RunningQuery { metrics: self.clone(), begun: Instant::now(), is_over: false }
    }

    /// Counts a query without a permit.
    pub(super) fn rejected(&self, error: &RunError) {
        let reason = match error {
            RunError::QueueFull => "full",
            RunError::Unavailable(cause) if cause.is::<UnendedQueries>() => "unended",
            _ => "timeout",
        };
        self.rejections.get_or_create(&Reason { reason }).inc();
    }

    fn count(&self, outcome: &'static str, took: Duration) {
        self.queries.get_or_create(&Outcome { outcome }).inc();
        self.durations.observe(took.as_secs_f64());
    }
}

/// A query that runs.
pub(super) struct RunningQuery {
    metrics: QueryMetrics,
    begun: Instant,
    is_over: bool,
}

impl RunningQuery {
    /// Counts a query only if it cannot even be planned.
    pub(super) fn planned<T>(mut self, planned: &Result<T, RunError>) {
        match planned {
            Ok(_) => self.is_over = true,
            Err(_) => self.end(planned),
        }
    }

    /// Counts how it has ended.
    pub(super) fn end<T>(mut self, ended: &Result<T, RunError>) {
        self.is_over = true;
        let outcome = match ended {
            // It is run again as it is defined now.
            Ok(_) | Err(RunError::Redefined) => "ok",
            Err(RunError::Deadline) => "deadline",
            Err(RunError::Refused(_) | RunError::TooExpensive { .. } | RunError::QueueFull) => {
                "refused"
            }
            Err(_) => "failed",
        };
        self.metrics.count(outcome, self.begun.elapsed());
    }
}

impl Drop for RunningQuery {
    fn drop(&mut self) {
        if !self.is_over {
            self.metrics.count("canceled", self.begun.elapsed());
        }
    }
}

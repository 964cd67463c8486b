//! What is counted of requests: how many, how they ended and how long they took, by operation.
//!
//! Must never have a label that a client decides on: the number of series is that of the operations.

use std::{sync::atomic::AtomicU64, time::Duration};

use axum::http::StatusCode;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

/// Upper bounds of the durations that are told apart, in seconds.
const DURATIONS: [f64; 8] = [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 30.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Operation {
    operation: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    operation: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FromCache {
    cache: &'static str,
}

/// What is counted of all requests.
#[derive(Debug, Clone)]
pub struct HttpMetrics {
    requests: Family<Outcome, Counter>,
    seconds: Family<Operation, Counter<f64, AtomicU64>>,
    durations: Family<FromCache, Histogram, fn() -> Histogram>,
    /// The requests without a response yet.
    pub(crate) in_flight: Gauge,
    /// The connections that are open.
    pub(crate) connections: Gauge,
    /// The requests that were refused because there are too many.
    pub(crate) overloads: Counter,
}

impl Default for HttpMetrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            seconds: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(DURATIONS)),
            in_flight: Gauge::default(),
            connections: Gauge::default(),
            overloads: Counter::default(),
        }
    }
}

/// Where the body of a response is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CacheUse {
    /// From the cache of answers.
    Hit,
    /// From the database, past that cache.
    Miss,
    /// It is no answer of a metric.
    None,
}

impl CacheUse {
    /// The value of the label.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::None => "none",
        }
    }
}

impl HttpMetrics {
    /// Adds everything to `registry`.
    pub fn register(&self, registry: &mut Registry) {
        let of_http = registry.sub_registry_with_prefix("http");
        let help = "Requests by operation and by how they ended";
        of_http.register("requests", help, self.requests.clone());
        let help = "How long the requests of an operation took, summed up";
        of_http.register("request_seconds", help, self.seconds.clone());
        let help = "How long requests took, by whether the answer was cached";
        of_http.register_with_unit("request_duration", help, Unit::Seconds, self.durations.clone());
        let help = "Requests without a response yet";
        of_http.register("requests_in_flight", help, self.in_flight.clone());
        of_http.register("connections", "Connections that are open", self.connections.clone());
        let help = "Requests refused because there were too many";
        of_http.register("overloads", help, self.overloads.clone());
    }

    /// What is counted of the requests of `operation`.
    pub(crate) fn of_operation(&self, operation: &str) -> OperationMetrics {
        let labels = Operation { operation: operation.to_owned() };
        let ok = Outcome { operation: operation.to_owned(), outcome: "ok" };
        OperationMetrics {
            ok: self.requests.get_or_create(&ok).clone(),
            seconds: self.seconds.get_or_create(&labels).clone(),
            cached: self.durations.get_or_create(&FromCache { cache: "hit" }).clone(),
            all: self.clone(),
            operation: operation.to_owned(),
        }
    }
}

/// What is counted of the requests of one operation.
#[derive(Debug, Clone)]
pub(crate) struct OperationMetrics {
    /// What nearly all requests count is at hand.
    ok: Counter,
    seconds: Counter<f64, AtomicU64>,
    cached: Histogram,
    all: HttpMetrics,
    operation: String,
}

impl OperationMetrics {
    /// Counts a request that has begun until what is returned is dropped.
    pub(crate) fn begin(&self) -> InFlight {
        self.all.in_flight.inc();
        InFlight(self.all.in_flight.clone())
    }

    /// Counts a request that has ended.
    pub(crate) fn count(&self, status: StatusCode, cache: CacheUse, took: Duration) {
        let outcome = match status.as_u16() {
            500.. => "server_error",
            400.. => "client_error",
            _ => "ok",
        };
        if outcome == "ok" {
            self.ok.inc();
        } else {
            let labels = Outcome { operation: self.operation.clone(), outcome };
            self.all.requests.get_or_create(&labels).inc();
        }
        let took = took.as_secs_f64();
        self.seconds.inc_by(took);
        if cache == CacheUse::Hit {
            self.cached.observe(took);
        } else {
            let labels = FromCache { cache: cache.as_str() };
            self.all.durations.get_or_create(&labels).observe(took);
        }
    }
}

/// A request without a response yet.
#[derive(Debug)]
pub(crate) struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

//! What is counted of sentences that were to become queries.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// How the generation of queries ended.
#[derive(Debug, Clone, Default)]
pub struct GenerationMetrics(Family<Outcome, Counter>);

impl GenerationMetrics {
    /// Adds everything to `registry`.
    pub fn register(&self, registry: &mut Registry) {
        let help = "Queries generated from sentences, by outcome";
        registry.register("generations", help, self.0.clone());
    }

    pub(crate) fn count(&self, outcome: &'static str) {
        self.0.get_or_create(&Outcome { outcome }).inc();
    }
}

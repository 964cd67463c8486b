//! What is counted of sentences that were to become queries.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use super::{Generation, GenerationError, Trial};

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

    pub(super) fn count(&self, generated: &Result<(Generation, Trial), GenerationError>) {
        let outcome = match generated {
            Ok((generation, _)) if generation.grounded => "ok",
            Ok(_) | Err(GenerationError::Ungrounded { .. }) => "not_understood",
            Err(GenerationError::Query(_)) => "refused",
            Err(GenerationError::Run(_) | GenerationError::Store(_)) => "failed",
        };
        self.0.get_or_create(&Outcome { outcome }).inc();
    }
}

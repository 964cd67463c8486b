//! From a sentence to SQL.

use async_trait::async_trait;
use metricd_core::{actor::Actor, ids::QueryId};
use thiserror::Error;

/// Writes a query for a prompt.
#[async_trait]
pub trait QueryGenerator: Send + Sync {
    /// Writes the SQL of the query `id` for `prompt`. A prompt that cannot be grounded in the
    /// schema still gives a query, marked as such.
    ///
    /// # Errors
    /// When nothing could be written at all.
    async fn generate(
        &self,
        actor: &Actor,
        id: &QueryId,
        prompt: &str,
    ) -> Result<Generated, GenerateError>;
}

/// A query written for a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated {
    /// The SQL, as an author would have written it.
    pub sql: String,
    /// Who wrote it.
    pub source: GenerationSource,
    /// Whether the prompt was understood in terms of the schema.
    pub grounded: bool,
    /// What was understood, or what was not, as a sentence for the caller.
    pub explanation: String,
}

/// Who wrote a generated query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GenerationSource {
    /// The template that returns a metric's own raw records.
    Fallback,
}

/// The generator gave nothing.
#[derive(Debug, Error)]
#[error("no query could be generated")]
pub struct GenerateError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

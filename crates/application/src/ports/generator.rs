//! The port that generates SQL for a sentence.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::NaiveDate;
use metricd_core::{ids::QueryId, schema::SampledSchema};
use thiserror::Error;

/// A generator of queries for sentences. Its suggestions are checked as all SQL is.
#[async_trait]
pub trait QueryGenerator: Send + Sync {
    /// Returns the kind of this generator.
    fn source(&self) -> GenerationSource;

    /// Returns the maximum number of suggestions for one sentence, when earlier ones are rejected.
    fn attempts(&self) -> u32;

    /// Returns the time limit for all attempts together.
    fn patience(&self) -> Duration;

    /// Suggests a query.
    ///
    /// # Errors
    /// When it cannot be reached, or its answer cannot be read.
    async fn suggest(&self, request: &SuggestionRequest<'_>) -> Result<Suggestion, GenerateError>;
}

/// A request for one suggestion.
#[derive(Debug, Clone, Copy)]
pub struct SuggestionRequest<'a> {
    /// The id that the query will have: its metric's own records bear it.
    pub query_id: &'a QueryId,
    /// The sentence.
    pub prompt: &'a str,
    /// The tables that the query may read, and values of their rows.
    pub schema: &'a Arc<SampledSchema>,
    /// The current day, in UTC.
    pub today: NaiveDate,
    /// The suggestions that were rejected before, oldest first.
    pub refused: &'a [RefusedAttempt],
}

/// A suggestion that was rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedAttempt {
    /// The SQL; `None` when the answer held none that could be read.
    pub sql: Option<String>,
    /// The reason, from the gate or the database.
    pub reason: String,
}

/// The answer of a generator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Suggestion {
    /// A query.
    Query {
        /// The SQL, as an author would have written it: placeholders and all.
        sql: String,
        /// What was understood, as a sentence for the caller.
        explanation: String,
    },
    /// The sentence cannot be grounded in the schema.
    NotUnderstood {
        /// What was not understood, as a sentence for the caller.
        explanation: String,
    },
}

/// The source of a generated query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GenerationSource {
    /// A language model.
    Model,
    /// metricd's own grammar of questions.
    Offline,
    /// The template that returns a metric's own raw records.
    Fallback,
}

impl GenerationSource {
    /// All variants.
    pub const ALL: [Self; 3] = [Self::Model, Self::Offline, Self::Fallback];

    /// Returns its name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Offline => "offline",
            Self::Fallback => "fallback",
        }
    }
}

/// The reason why a generator made no suggestion.
#[derive(Debug, Error)]
pub enum GenerateError {
    /// It cannot be reached, or answers with an error.
    #[error("the generator is not reachable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Its answer is malformed; another attempt may help.
    #[error("the generator's answer cannot be read: {0}")]
    Unreadable(String),
}

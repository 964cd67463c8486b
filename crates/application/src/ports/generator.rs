//! From a sentence to SQL.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::NaiveDate;
use metricd_core::{ids::QueryId, schema::Schema};
use thiserror::Error;

/// Suggests a query for a sentence. What it suggests is trusted no more than anybody's SQL.
#[async_trait]
pub trait QueryGenerator: Send + Sync {
    /// Who this is.
    fn source(&self) -> GenerationSource;

    /// How often it is worth asking, when what it suggests is refused.
    fn attempts(&self) -> u32;

    /// How long all attempts together may take.
    fn patience(&self) -> Duration;

    /// Suggests a query.
    ///
    /// # Errors
    /// When it cannot be asked, or its answer cannot be read.
    async fn suggest(&self, request: &SuggestionRequest<'_>) -> Result<Suggestion, GenerateError>;
}

/// What a generator is asked.
#[derive(Debug, Clone, Copy)]
pub struct SuggestionRequest<'a> {
    /// The id that the query will have: its metric's own records bear it.
    pub query_id: &'a QueryId,
    /// The sentence.
    pub prompt: &'a str,
    /// What the query may read.
    pub schema: &'a Arc<Schema>,
    /// The present day, in UTC.
    pub today: NaiveDate,
    /// What was suggested before and why it was refused, oldest first.
    pub refused: &'a [RefusedAttempt],
}

/// A suggestion that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedAttempt {
    /// The SQL; `None` when the answer held none that could be read.
    pub sql: Option<String>,
    /// Why, in the words of the gate or of the database.
    pub reason: String,
}

/// A generator's answer.
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

/// Who wrote a generated query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GenerationSource {
    /// A language model.
    Model,
    /// metricd's own grammar of questions.
    Offline,
    /// Nobody: the template that returns a metric's own raw records.
    Fallback,
}

impl GenerationSource {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Offline => "offline",
            Self::Fallback => "fallback",
        }
    }
}

/// Why a generator gave nothing.
#[derive(Debug, Error)]
pub enum GenerateError {
    /// It cannot be reached, or refuses to answer.
    #[error("the generator is not reachable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Its answer makes no sense; asking again may help.
    #[error("the generator's answer cannot be read: {0}")]
    Unreadable(String),
}

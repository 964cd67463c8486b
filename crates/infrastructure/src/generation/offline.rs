//! The query generator that needs no network: an adapter over `metricd-grammar`.
//!
//! Must hold no rule of the grammar.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use metricd_application::ports::{
    GenerateError, GenerationSource, QueryGenerator, Suggestion, SuggestionRequest,
};
use metricd_grammar::{Interpretation, interpret};

/// The time limit for one suggestion, including the trial run of its query.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Suggests queries by the grammar alone, without a network.
#[derive(Debug, Clone, Copy, Default)]
pub struct OfflineGenerator;

#[async_trait]
impl QueryGenerator for OfflineGenerator {
    fn source(&self) -> GenerationSource {
        GenerationSource::Offline
    }

    /// One: the same sentence gives the same query.
    fn attempts(&self) -> u32 {
        1
    }

    fn patience(&self) -> Duration {
        TIMEOUT
    }

    async fn suggest(&self, request: &SuggestionRequest<'_>) -> Result<Suggestion, GenerateError> {
        let (prompt, schema, today) =
            (request.prompt.to_owned(), Arc::clone(request.schema), request.today);
        // Stemming a large schema is CPU-bound: it must not block the async threads.
        let task = tokio::task::spawn_blocking(move || interpret(&prompt, &schema, today));
        match task.await {
            Ok(interpretation) => Ok(suggestion(interpretation)),
            Err(error) => Err(GenerateError::Unavailable(error.into())),
        }
    }
}

/// Converts the grammar's output into the port's type. A `From` is not possible: both are foreign here.
fn suggestion(interpretation: Interpretation) -> Suggestion {
    match interpretation {
        Interpretation::Query { sql, explanation } => Suggestion::Query { sql, explanation },
        Interpretation::NotUnderstood { explanation } => Suggestion::NotUnderstood { explanation },
    }
}

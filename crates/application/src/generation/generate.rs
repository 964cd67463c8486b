//! Generates a query for a prompt: calls one generator after the other.
//!
//! Must never trust a suggestion: it is gated, compiled, costed and tried, and a generator is told why one
//! was rejected.

use std::sync::Arc;

use metricd_core::{
    actor::{Action, Actor, Object},
    audit::AuditedObject,
    ids::QueryId,
    schema::SampledSchema,
    sql::TableName,
};
use thiserror::Error;
use tokio::time::{Instant, timeout_at};
use tracing::{info, warn};

use super::{
    raw_records,
    trial::{Trial, try_query},
};
use crate::{
    authorize,
    compile::{CompileError, compile, compile_suggestion},
    context::Context,
    error::{Cause, Classified, Classify, InputField},
    error_chain,
    ports::{
        GenerateError, GenerationSource, QueryGenerator, RefusedAttempt, RunError, StoreError,
        Suggestion, SuggestionRequest,
    },
    rights::permits,
};

/// A query that was generated for a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// The generator.
    pub source: GenerationSource,
    /// Whether the prompt was understood in terms of the schema.
    pub grounded: bool,
    /// What was understood, or what was not, as a sentence for the caller.
    pub explanation: String,
    /// The number of suggestions that were checked, including the accepted one.
    pub attempts: u32,
    /// The SQL, as an author would have written it.
    pub sql: String,
}

/// The reason why no query was generated.
#[derive(Debug, Error)]
pub enum GenerationError {
    /// The caller may not write this SQL.
    #[error("the generated query does not compile")]
    Query(#[source] CompileError),
    /// The prompt was not understood, and the caller made that an error.
    #[error("{explanation}")]
    Ungrounded {
        /// What was not understood.
        explanation: String,
    },
    /// The trial run failed for a reason other than the query.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The schema could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Classify for GenerationError {
    fn classify(&self) -> Classified {
        match self {
            Self::Query(CompileError::Forbidden(error)) => error.classify(),
            Self::Query(CompileError::Database(error)) | Self::Run(error) => error.classify(),
            // A generated query that does not compile is a defect of the generator.
            Self::Query(_) => Cause::Internal.into(),
            Self::Ungrounded { explanation } => {
                let cause = Cause::SentenceNotUnderstood;
                Classified::faulty(cause, InputField::Sentence, explanation)
            }
            Self::Store(error) => error.classify(),
        }
    }
}

/// Generates a query for `prompt`, over the tables that `actor` may write SQL over. A prompt that no
/// generator understands falls back to the metric's own raw records; with `strict` it is an error.
///
/// # Errors
/// See [`GenerationError`].
pub(crate) async fn generate(
    actor: &Actor,
    context: &Context,
    query_id: &QueryId,
    prompt: &str,
    strict: bool,
) -> Result<(Generation, Trial), GenerationError> {
    let generated = generate_query(actor, context, query_id, prompt, strict).await;
    context.generation_metrics.count(match &generated {
        Ok((generation, _)) if generation.grounded => "ok",
        Ok(_) | Err(GenerationError::Ungrounded { .. }) => "not_understood",
        Err(GenerationError::Query(_)) => "refused",
        Err(GenerationError::Run(_) | GenerationError::Store(_)) => "failed",
    });
    generated
}

async fn generate_query(
    actor: &Actor,
    context: &Context,
    query_id: &QueryId,
    prompt: &str,
    strict: bool,
) -> Result<(Generation, Trial), GenerationError> {
    // Authorized first: a caller who may not write SQL must not use a model either.
    authorize(actor, context, Action::WriteSql, AuditedObject::Catalog)
        .await
        .map_err(|forbidden| GenerationError::Query(forbidden.into()))?;
    let mut outcomes = Outcomes::default();
    if let Some(generated) = try_generators(actor, context, query_id, prompt, &mut outcomes).await?
    {
        return Ok(generated);
    }
    let attempts = outcomes.attempts + 1;
    let explanation = outcomes.explanation();
    if strict {
        return Err(GenerationError::Ungrounded { explanation });
    }
    let sql = raw_records::sql(query_id, prompt);
    let compiled = match compile(actor, context, &sql).await {
        Ok(compiled) => compiled,
        // An operator may have revoked it.
        Err(error @ CompileError::Unreadable(_)) => {
            let explanation =
                format!("{explanation} Nor can its own records be returned: {error}.");
            return Err(GenerationError::Ungrounded { explanation });
        }
        Err(error) => return Err(GenerationError::Query(error)),
    };
    let explanation =
        format!("{explanation} The metric returns its own raw records of the last day_range days.");
    let trial = try_query(actor, context, compiled).await?;
    let source = GenerationSource::Fallback;
    Ok((Generation { source, grounded: false, explanation, attempts, sql }, trial))
}

/// One part in this many of the time budget is reserved for the last generator: however slow a model
/// is, the offline grammar still answers.
const RESERVED_PART: u32 = 5;

/// Calls the generators one after the other, within their common time budget.
async fn try_generators(
    actor: &Actor,
    context: &Context,
    query_id: &QueryId,
    prompt: &str,
    outcomes: &mut Outcomes,
) -> Result<Option<(Generation, Trial)>, GenerationError> {
    let time = context.generation_time;
    let end = Instant::now() + time;
    let before_last = end - time / RESERVED_PART;
    let Ok(schema) = timeout_at(before_last, schema_for(actor, context)).await else {
        warn!("Reading the schema timed out");
        outcomes.timed_out = true;
        return Ok(None);
    };
    let schema = schema?;
    let mut generators = context.generators.iter().peekable();
    while let Some(generator) = generators.next() {
        let all = if generators.peek().is_some() { before_last } else { end };
        let until = all.min(Instant::now() + generator.patience());
        let prompt_context = PromptContext { actor, context, query_id, prompt, schema: &schema };
        match timeout_at(until, prompt_context.suggest(generator.as_ref(), outcomes)).await {
            Ok(Ok(None)) => {}
            Ok(answered) => return answered,
            Err(_) => {
                warn!(source = generator.source().as_str(), "Generator timed out");
                outcomes.timed_out = true;
            }
        }
    }
    Ok(None)
}

/// The outcomes of the generators so far.
#[derive(Debug, Default)]
struct Outcomes {
    /// The number of suggestions.
    attempts: u32,
    /// The explanation of the first generator that did not understand.
    not_understood: Option<String>,
    /// The reason why the last rejected suggestion was rejected.
    refused: Option<String>,
    /// Whether a generator timed out.
    timed_out: bool,
}

impl Outcomes {
    /// Explains why there is no query, as a sentence for the caller.
    fn explanation(self) -> String {
        match (self.refused, self.not_understood) {
            (Some(reason), _) => {
                format!("The query that was written for it was refused: {reason}.")
            }
            (None, Some(explanation)) => explanation,
            (None, None) if self.timed_out => "The sentence was not understood in time.".to_owned(),
            (None, None) => "The sentence was not understood.".to_owned(),
        }
    }
}

/// Returns the tables that stored SQL may read and over which `actor` may write SQL.
async fn schema_for(actor: &Actor, context: &Context) -> Result<Arc<SampledSchema>, StoreError> {
    let sampled = context.schema.sampled().await?;
    let may_write_over =
        |table: &TableName| permits(actor, context, Action::WriteSql, Object::Table(table));
    if sampled.schema.tables.iter().all(|table| may_write_over(&table.name)) {
        return Ok(sampled);
    }
    Ok(Arc::new(sampled.restricted(may_write_over)))
}

/// The context of one prompt.
struct PromptContext<'a> {
    actor: &'a Actor,
    context: &'a Context,
    query_id: &'a QueryId,
    prompt: &'a str,
    schema: &'a Arc<SampledSchema>,
}

impl PromptContext<'_> {
    /// Requests suggestions until one passes. Returns `None` if the generator has none that does.
    async fn suggest(
        &self,
        generator: &dyn QueryGenerator,
        outcomes: &mut Outcomes,
    ) -> Result<Option<(Generation, Trial)>, GenerationError> {
        let source = generator.source();
        let mut refused = Vec::new();
        for _ in 0..generator.attempts() {
            let request = SuggestionRequest {
                query_id: self.query_id,
                prompt: self.prompt,
                schema: self.schema,
                today: self.context.now().date_naive(),
                refused: &refused,
            };
            outcomes.attempts += 1;
            let (sql, explanation) = match generator.suggest(&request).await {
                Ok(Suggestion::Query { sql, explanation }) => (sql, explanation),
                Ok(Suggestion::NotUnderstood { explanation }) => {
                    outcomes.not_understood.get_or_insert(explanation);
                    return Ok(None);
                }
                Err(GenerateError::Unreadable(reason)) => {
                    refused.push(RefusedAttempt { sql: None, reason });
                    continue;
                }
                Err(error @ GenerateError::Unavailable(_)) => {
                    warn!(
                        error = error_chain(&error),
                        source = source.as_str(),
                        "Generator unavailable"
                    );
                    return Ok(None);
                }
            };
            match self.check(&sql).await? {
                Ok(trial) => {
                    let (grounded, attempts) = (true, outcomes.attempts);
                    let generation = Generation { source, grounded, explanation, attempts, sql };
                    return Ok(Some((generation, trial)));
                }
                Err(reason) => {
                    info!(
                        source = source.as_str(),
                        attempt = outcomes.attempts,
                        "Suggestion refused"
                    );
                    outcomes.refused = Some(reason.clone());
                    refused.push(RefusedAttempt { sql: Some(sql), reason });
                }
            }
        }
        warn!(source = source.as_str(), attempts = refused.len(), "Generator gave no usable query");
        Ok(None)
    }

    /// Compiles a suggestion with all checks of SQL, and tries it. The inner error is why the suggestion
    /// is rejected.
    async fn check(&self, sql: &str) -> Result<Result<Trial, String>, GenerationError> {
        let compiled = match compile_suggestion(self.actor, self.context, sql).await {
            Ok(compiled) => compiled,
            Err(CompileError::Database(error)) => return refusal(error),
            Err(CompileError::Forbidden(_)) => {
                let reason = "it reads a table that the caller may not write SQL over";
                return Ok(Err(reason.to_owned()));
            }
            Err(fault) => return Ok(Err(fault.to_string())),
        };
        match try_query(self.actor, self.context, compiled).await {
            Ok(trial) => Ok(Ok(trial)),
            Err(error) => refusal(error),
        }
    }
}

/// Returns why the database rejects a suggestion, or the error if it could not check any suggestion.
fn refusal<T>(error: RunError) -> Result<Result<T, String>, GenerationError> {
    match error {
        RunError::Unavailable(_) | RunError::QueueFull => Err(error.into()),
        error => Ok(Err(error_chain(&error))),
    }
}

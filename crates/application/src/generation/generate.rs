//! Asks one generator after the other, and believes none: what they suggest is gated, prepared,
//! costed and tried, and what is wrong with it is told to whoever can do better.

use std::sync::Arc;

use metricd_core::{
    actor::{Action, Actor, Object},
    audit::AuditedObject,
    ids::QueryId,
    schema::Schema,
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

/// How a query was written for a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// Who wrote it.
    pub source: GenerationSource,
    /// Whether the sentence was understood in terms of the schema.
    pub grounded: bool,
    /// What was understood, or what was not, as a sentence for the caller.
    pub explanation: String,
    /// How many suggestions were looked at, the one that was taken included.
    pub attempts: u32,
    /// The SQL, as an author would have written it.
    pub sql: String,
}

/// Why there is no query at all.
#[derive(Debug, Error)]
pub enum GenerationError {
    /// The caller may not write SQL, or not what this one needs.
    #[error("the generated query does not compile")]
    Query(#[source] CompileError),
    /// The sentence was not understood, and the caller wants to hear of it.
    #[error("{explanation}")]
    Ungrounded {
        /// What was not understood.
        explanation: String,
    },
    /// The query failed when it was tried, for a reason that is no fault of it.
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

/// Writes a query for `prompt`, grounded in those tables that `actor` may write SQL over. One that no
/// generator understands becomes the query for the metric's own raw records, which says so; with
/// `strict` it is an error.
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
    // Whoever may not write SQL shall not cost a model's time either.
    authorize(actor, context, Action::WriteSql, AuditedObject::Catalog)
        .await
        .map_err(|forbidden| GenerationError::Query(forbidden.into()))?;
    let mut heard = Heard::default();
    if let Some(generated) = ask_all(actor, context, query_id, prompt, &mut heard).await? {
        return Ok(generated);
    }
    let attempts = heard.attempts + 1;
    let why = heard.why();
    if strict {
        return Err(GenerationError::Ungrounded { explanation: why });
    }
    let sql = raw_records::sql(query_id, prompt);
    let explanation =
        format!("{why} The metric returns its own raw records of the last day_range days.");
    let compiled = compile(actor, context, &sql).await.map_err(GenerationError::Query)?;
    let trial = try_query(actor, context, compiled).await?;
    let source = GenerationSource::Fallback;
    Ok((Generation { source, grounded: false, explanation, attempts, sql }, trial))
}

/// Of the time that generators have, one part in so many is the last one's alone: however slow a model
/// is, the grammar that needs none still answers.
const PARTS: u32 = 5;

/// Asks the generators one after the other, for no longer than they all together may take.
async fn ask_all(
    actor: &Actor,
    context: &Context,
    query_id: &QueryId,
    prompt: &str,
    heard: &mut Heard,
) -> Result<Option<(Generation, Trial)>, GenerationError> {
    let time = context.generation_time;
    let end = Instant::now() + time;
    let before_last = end - time / PARTS;
    let Ok(schema) = timeout_at(before_last, schema_for(actor, context)).await else {
        warn!("Schema too slow");
        heard.too_late = true;
        return Ok(None);
    };
    let schema = schema?;
    let mut generators = context.generators.iter().peekable();
    while let Some(generator) = generators.next() {
        let all = if generators.peek().is_some() { before_last } else { end };
        let until = all.min(Instant::now() + generator.patience());
        let asking = Asking { actor, context, query_id, prompt, schema: &schema };
        match timeout_at(until, asking.ask(generator.as_ref(), heard)).await {
            Ok(Ok(None)) => {}
            Ok(answered) => return answered,
            Err(_) => {
                warn!(source = generator.source().as_str(), "Generator too slow");
                heard.too_late = true;
            }
        }
    }
    Ok(None)
}

/// What generators have said of a sentence that is not answered yet.
#[derive(Debug, Default)]
struct Heard {
    /// How many suggestions were asked for.
    attempts: u32,
    /// What the first one who did not understand said of it.
    not_understood: Option<String>,
    /// What was wrong with the last suggestion that was refused.
    refused: Option<String>,
    /// Whether somebody's time was over before they had answered.
    too_late: bool,
}

impl Heard {
    /// Why there is no query, as a sentence for the caller.
    fn why(self) -> String {
        match (self.refused, self.not_understood) {
            (Some(reason), _) => {
                format!("The query that was written for it was refused: {reason}.")
            }
            (None, Some(explanation)) => explanation,
            (None, None) if self.too_late => "The sentence was not understood in time.".to_owned(),
            (None, None) => "The sentence was not understood.".to_owned(),
        }
    }
}

/// The tables that may be read and that `actor` may write SQL over.
async fn schema_for(actor: &Actor, context: &Context) -> Result<Arc<Schema>, StoreError> {
    let schema = context.schema.schema().await?;
    let may = |table: &&metricd_core::schema::Table| {
        permits(actor, context, Action::WriteSql, Object::Table(&table.name))
    };
    if schema.tables.iter().all(|table| may(&table)) {
        return Ok(schema);
    }
    Ok(Arc::new(Schema { tables: schema.tables.iter().filter(may).cloned().collect() }))
}

/// One sentence on its way to a generator.
struct Asking<'a> {
    actor: &'a Actor,
    context: &'a Context,
    query_id: &'a QueryId,
    prompt: &'a str,
    schema: &'a Arc<Schema>,
}

impl Asking<'_> {
    /// Asks until a suggestion passes. `None`: the generator is of no help with this sentence.
    async fn ask(
        &self,
        generator: &dyn QueryGenerator,
        heard: &mut Heard,
    ) -> Result<Option<(Generation, Trial)>, GenerationError> {
        let source = generator.source();
        let mut refused = Vec::new();
        for _ in 0..generator.attempts() {
            let request = SuggestionRequest {
                query_id: self.query_id,
                prompt: self.prompt,
                schema: self.schema,
                today: self.context.clock.now().date_naive(),
                refused: &refused,
            };
            heard.attempts += 1;
            let (sql, explanation) = match generator.suggest(&request).await {
                Ok(Suggestion::Query { sql, explanation }) => (sql, explanation),
                Ok(Suggestion::NotUnderstood { explanation }) => {
                    heard.not_understood.get_or_insert(explanation);
                    return Ok(None);
                }
                Err(GenerateError::Unreadable(reason)) => {
                    refused.push(RefusedAttempt { sql: None, reason });
                    continue;
                }
                Err(error @ GenerateError::Unavailable(_)) => {
                    warn!(
                        error = &error as &dyn std::error::Error,
                        source = source.as_str(),
                        "Generator unavailable"
                    );
                    return Ok(None);
                }
            };
            match self.check(&sql).await? {
                Ok(trial) => {
                    let (grounded, attempts) = (true, heard.attempts);
                    let generation = Generation { source, grounded, explanation, attempts, sql };
                    return Ok(Some((generation, trial)));
                }
                Err(reason) => {
                    info!(source = source.as_str(), attempt = heard.attempts, "Suggestion refused");
                    heard.refused = Some(reason.clone());
                    refused.push(RefusedAttempt { sql: Some(sql), reason });
                }
            }
        }
        warn!(source = source.as_str(), attempts = refused.len(), "Generator gave no usable query");
        Ok(None)
    }

    /// Holds a suggestion to everything that SQL is held to, and tries it. The inner error is what is
    /// wrong with the suggestion.
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

/// What the database has against a suggestion. Another one may do better, unless the database cannot
/// look at any.
fn refusal<T>(error: RunError) -> Result<Result<T, String>, GenerationError> {
    match error {
        RunError::Unavailable(_) | RunError::QueueFull => Err(error.into()),
        error => Ok(Err(error_chain(&error))),
    }
}

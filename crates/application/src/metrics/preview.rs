//! Previews a metric without creating it.

use metricd_core::{
    actor::{Action, Actor, Object},
    ids::{MetricId, QueryId},
    sql::SlotNote,
};
use thiserror::Error;

use super::create::{QuerySource, notes_for, planned};
use crate::{
    Forbidden, authorize_on,
    compile::{CompileError, compile},
    context::Context,
    deny,
    error::{Cause, Classified, Classify, InputField},
    error_chain,
    generation::{Generation, GenerationError, Trial, generate, try_query},
    ports::RunError,
    rights::permits,
};

/// The preview of a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// The trial run of its query.
    pub trial: Trial,
    /// How its SQL was generated, if it came from a prompt.
    pub generation: Option<Generation>,
    /// Whether the caller could see the SQL of the metric.
    pub shows_sql: bool,
    /// The notes on the SQL; of generated SQL, the warnings.
    pub notes: Vec<SlotNote>,
}

/// The reason why there is no preview.
#[derive(Debug, Error)]
pub enum PreviewError {
    /// The caller may not create metrics, or lacks a claim that the SQL uses.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// The SQL that the caller wrote does not compile.
    #[error("the query does not compile")]
    Query(#[source] CompileError),
    /// The SQL that the caller wrote fails.
    #[error(transparent)]
    Run(#[from] RunError),
    /// No query could be generated.
    #[error(transparent)]
    Generate(#[from] GenerationError),
}

impl Classify for PreviewError {
    fn classify(&self) -> Classified {
        match self {
            Self::Forbidden(error) => error.classify(),
            Self::Query(error) => error.classify(),
            // The SQL's author may see the database's message.
            Self::Run(RunError::Query(fault)) => fault.for_author(),
            Self::Run(RunError::Refused(reason)) => {
                let reason = error_chain(reason.as_ref());
                Classified::faulty(Cause::InvalidSql, InputField::Sql, &reason)
            }
            Self::Run(error) => error.classify(),
            Self::Generate(error) => error.classify(),
        }
    }
}

/// Does all that creating a metric from `source` does, but stores nothing.
///
/// # Errors
/// See [`PreviewError`].
pub async fn preview_metric(
    actor: &Actor,
    context: &Context,
    source: QuerySource,
) -> Result<Preview, PreviewError> {
    authorize_on(actor, context, Action::Create, Object::Catalog).await?;
    let query_id = QueryId::from(context.ids.fresh());
    let (sql, trial, generation) = match source {
        QuerySource::Sql(sql) => {
            let compiled = compile(actor, context, &sql).await.map_err(PreviewError::Query)?;
            if actor.scope(&compiled.0.claims).is_err() {
                let denied = deny(actor, context, Action::Create, Object::Catalog.into()).await;
                return Err(denied.into());
            }
            (sql, try_query(actor, context, compiled).await?, None)
        }
        QuerySource::Prompt { text, strict } => {
            let (generation, trial) = generate(actor, context, &query_id, &text, strict).await?;
            (generation.sql.clone(), trial, Some(generation))
        }
    };
    let ids = (MetricId(context.ids.fresh()), query_id);
    let compiled = (trial.template.clone(), trial.description.columns.clone());
    let (_, metric) = planned(actor, context, ids, sql, compiled, generation.is_some());
    let shows_sql = permits(actor, context, Action::ReadSql, Object::Metric(&metric));
    let notes = notes_for(&trial.template, generation.as_ref(), shows_sql);
    Ok(Preview { trial, generation, shows_sql, notes })
}

//! What a metric would be, without making it.

use metricd_core::{
    actor::{Action, Actor, Object},
    ids::QueryId,
};
use thiserror::Error;

use super::generate::{Generation, GenerationError, Trial, attempt, generate};
use crate::{
    Forbidden, authorize_on,
    compile::{CompileError, compile},
    deny,
    metrics::QuerySource,
    ports::{Ports, RunError},
    rights::might_permit,
};

/// What a metric would be.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// Its query, tried.
    pub trial: Trial,
    /// How its SQL was written, when it came from a sentence.
    pub generation: Option<Generation>,
    /// Whether the caller may see the SQL of a metric at all.
    pub shows_sql: bool,
}

/// Why there is nothing to show.
#[derive(Debug, Error)]
pub enum PreviewError {
    /// The caller may not make metrics, or lacks a claim that the SQL asks for.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// The SQL that the caller wrote does not compile.
    #[error("the query does not compile")]
    Query(#[source] CompileError),
    /// The SQL that the caller wrote fails.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The sentence was not understood, and the caller wants to hear of it.
    #[error("{explanation}")]
    Ungrounded {
        /// What was not understood.
        explanation: String,
    },
    /// No query could be generated.
    #[error(transparent)]
    Generate(#[from] GenerationError),
}

/// Does all that making a metric from `source` does, and stores nothing.
///
/// # Errors
/// See [`PreviewError`].
pub async fn preview_metric(
    actor: &Actor,
    ports: &Ports,
    source: QuerySource,
) -> Result<Preview, PreviewError> {
    authorize_on(actor, ports, Action::Create, Object::Catalog).await?;
    match source {
        QuerySource::Sql(sql) => {
            let compiled = compile(actor, ports, &sql).await.map_err(PreviewError::Query)?;
            if actor.scope(&compiled.0.claims).is_err() {
                let denied = deny(actor, ports, Action::Create, Object::Catalog.into()).await;
                return Err(denied.into());
            }
            let trial = attempt(actor, ports, compiled).await?;
            Ok(Preview { trial, generation: None, shows_sql: true })
        }
        QuerySource::Prompt { text, strict } => {
            let id = QueryId::from(ports.ids.fresh());
            let (generation, trial) = generate(actor, ports, &id, &text).await?;
            if strict && !generation.grounded {
                return Err(PreviewError::Ungrounded { explanation: generation.explanation });
            }
            let shows_sql = might_permit(actor, ports, Action::ReadSql);
            Ok(Preview { trial, generation: Some(generation), shows_sql })
        }
    }
}

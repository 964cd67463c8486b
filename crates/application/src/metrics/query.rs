//! Returns the SQL behind a metric to callers with the permission.

use metricd_core::{
    actor::{Action, Actor, Object},
    ids::MetricId,
    metric::CompiledMetric,
};
use thiserror::Error;

use crate::{
    Forbidden, authorize, authorize_on,
    context::Context,
    error::{Cause, Classified, Classify},
    ports::StoreError,
    rights::find_readable,
};

/// The reason why the SQL is not returned.
#[derive(Debug, Error)]
pub enum QueryError {
    /// The caller may not see SQL.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// No metric has this id.
    #[error("Metric not found")]
    NotFound,
    /// The catalog could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Classify for QueryError {
    fn classify(&self) -> Classified {
        match self {
            Self::Forbidden(error) => error.classify(),
            Self::NotFound => Cause::MetricNotFound.into(),
            Self::Store(error) => error.classify(),
        }
    }
}

/// Returns the metric `id` with its SQL, template and slots.
///
/// # Errors
/// See [`QueryError`].
pub async fn get_query(
    actor: &Actor,
    context: &Context,
    id: MetricId,
) -> Result<CompiledMetric, QueryError> {
    authorize(actor, context, Action::ReadSql, id.into()).await?;
    let compiled = find_readable(actor, context, id).await?.ok_or(QueryError::NotFound)?;
    authorize_on(actor, context, Action::ReadSql, Object::Metric(&compiled.metric)).await?;
    Ok(compiled)
}

//! Adds one record to a metric's data.

use std::sync::Arc;

use metricd_core::{
    actor::{Action, Actor, Object},
    audit::AuditEvent,
    ids::{MetricId, RecordId},
    record::MetricRecord,
};
use thiserror::Error;

use super::target::RecordTarget;
use crate::{
    Forbidden, authorize, authorize_on,
    context::Context,
    error::{Cause, Classified, Classify},
    freshness::Definition,
    idempotency::{KeyError, Outcome, claim, store_response},
    ports::{IdempotentRequest, StoreError, StoredResponse},
    rights::find_definition,
};

/// The reason why no record was added.
#[derive(Debug, Error)]
pub enum CreateRecordError {
    /// The caller may not add records.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// No metric has this id.
    #[error("Metric not found")]
    NotFound,
    /// The idempotency key could not be acquired.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] Arc<StoreError>),
}

impl Classify for CreateRecordError {
    fn classify(&self) -> Classified {
        match self {
            Self::Forbidden(error) => error.classify(),
            Self::NotFound => Cause::MetricNotFound.into(),
            Self::Key(error) => error.classify(),
            Self::Store(error) => error.classify(),
        }
    }
}

impl From<StoreError> for CreateRecordError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

/// Adds the record that `record` builds for the metric `id`, once if `request` is idempotent.
///
/// # Errors
/// See [`CreateRecordError`].
pub async fn create_record(
    actor: &Actor,
    context: &Context,
    id: MetricId,
    record: impl FnOnce(&RecordTarget) -> MetricRecord + Send,
    request: Option<&IdempotentRequest>,
) -> Result<Outcome<()>, CreateRecordError> {
    let definition = authorized_metric(actor, context, id).await?;
    let now = context.clock.now();
    let target = RecordTarget::new(definition.compiled.metric.query_id.clone(), now);
    let record = record(&target);
    let mut work = context.store.begin().await?;
    let replayed = claim::<CreateRecordError>(actor, context, work.as_mut(), request).await?;
    if let Some(response) = replayed {
        return Ok(Outcome::Replayed(response));
    }
    work.insert_record(RecordId(context.ids.fresh()), &record).await?;
    store_response(actor, context, work.as_mut(), request, StoredResponse::default).await?;
    work.commit(&AuditEvent::done(actor, now, Action::Record, id.into(), None), &[]).await?;
    Ok(Outcome::Executed(()))
}

/// Authorizes adding records to the metric `id`, and finds it.
pub(super) async fn authorized_metric(
    actor: &Actor,
    context: &Context,
    id: MetricId,
) -> Result<Arc<Definition>, CreateRecordError> {
    authorize(actor, context, Action::Record, id.into()).await?;
    let found = find_definition(actor, context, id).await?;
    let (found, _) = found.ok_or(CreateRecordError::NotFound)?;
    authorize_on(actor, context, Action::Record, Object::Metric(&found.compiled.metric)).await?;
    Ok(found)
}

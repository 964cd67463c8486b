//! Adds one record to a metric's data.

use std::sync::Arc;

use chrono::NaiveDateTime;
use metricd_core::{
    actor::{Action, Actor, Object},
    audit::AuditEvent,
    ids::{MetricId, RecordId},
    record::{MetricRecord, RecordValues},
};
use thiserror::Error;

use crate::{
    Forbidden, authorize, authorize_on,
    context::Context,
    error::{Cause, Classified, Classify},
    idempotency::{ClaimError, KeyError, Outcome, claim, keep},
    ports::{IdempotentRequest, StoreError, StoredResponse},
    rights::find_definition,
};

/// The record to add.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateRecord {
    /// When it happened, as UTC wall time; now unless given.
    pub date: Option<NaiveDateTime>,
    /// What was recorded: finite numbers, and texts without NUL.
    pub values: RecordValues,
}

/// Why no record was added.
#[derive(Debug, Error)]
pub enum CreateRecordError {
    /// The caller may not add records.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// No metric has this id.
    #[error("Metric not found")]
    NotFound,
    /// Its key is not free.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// It could not be stored.
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

/// Adds a record to the data of the metric `id`'s query, `once` if that is asked for.
///
/// # Errors
/// See [`CreateRecordError`].
pub async fn create_record(
    actor: &Actor,
    context: &Context,
    id: MetricId,
    command: CreateRecord,
    once: Option<&IdempotentRequest>,
) -> Result<Outcome<()>, CreateRecordError> {
    authorize(actor, context, Action::Record, id.into()).await?;
    let (known, _) =
        find_definition(actor, context, id).await?.ok_or(CreateRecordError::NotFound)?;
    let metric = &known.compiled.metric;
    authorize_on(actor, context, Action::Record, Object::Metric(metric)).await?;
    let now = context.clock.now();
    let record = MetricRecord {
        query_id: metric.query_id.clone(),
        date: command.date.unwrap_or_else(|| now.naive_utc()),
        values: command.values,
    };
    let mut work = context.store.begin().await?;
    match claim(actor, context, work.as_mut(), once).await {
        Ok(()) => {}
        Err(ClaimError::Replayed(answer)) => return Ok(Outcome::Replayed(answer)),
        Err(ClaimError::Refused(error)) => return Err(error.into()),
        Err(ClaimError::Store(error)) => return Err(error.into()),
    }
    work.insert_record(RecordId(context.ids.fresh()), &record).await?;
    keep(actor, context, work.as_mut(), once, StoredResponse::default).await?;
    work.commit(&AuditEvent::done(actor, now, Action::Record, id.into(), None), &[]).await?;
    Ok(Outcome::Executed(()))
}

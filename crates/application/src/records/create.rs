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
    idempotency::{Done, KeyError, NotOurs, claim, keep},
    ports::{KeptAnswer, Once, Ports, StoreError},
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
    ports: &Ports,
    id: MetricId,
    command: CreateRecord,
    once: Option<&Once>,
) -> Result<Done<()>, CreateRecordError> {
    authorize(actor, ports, Action::Record, id.into()).await?;
    let known = find_definition(actor, ports, id).await?.ok_or(CreateRecordError::NotFound)?;
    let metric = &known.compiled.metric;
    authorize_on(actor, ports, Action::Record, Object::Metric(metric)).await?;
    let now = ports.clock.now();
    let record = MetricRecord {
        query_id: metric.query_id.clone(),
        date: command.date.unwrap_or_else(|| now.naive_utc()),
        values: command.values,
    };
    let mut work = ports.store.begin().await?;
    match claim(actor, ports, work.as_mut(), once).await {
        Ok(()) => {}
        Err(NotOurs::Before(answer)) => return Ok(Done::Before(answer)),
        Err(NotOurs::Refused(error)) => return Err(error.into()),
        Err(NotOurs::Store(error)) => return Err(error.into()),
    }
    work.insert_record(RecordId(ports.ids.fresh()), &record).await?;
    keep(actor, ports, work.as_mut(), once, KeptAnswer::default).await?;
    work.commit(&AuditEvent::done(actor, now, Action::Record, id.into(), None), &[]).await?;
    Ok(Done::Now(()))
}

//! Adds one record to a metric's data.

use chrono::NaiveDateTime;
use metricd_core::{
    actor::{Action, Actor},
    ids::{MetricId, RecordId},
    record::{MetricRecord, RecordValues},
};
use thiserror::Error;

use crate::{
    Forbidden, authorize,
    ports::{Ports, StoreError},
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
    /// It could not be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Adds a record to the data of the metric `id`'s query.
///
/// # Errors
/// See [`CreateRecordError`].
pub async fn create_record(
    actor: &Actor,
    ports: &Ports,
    id: MetricId,
    command: CreateRecord,
) -> Result<(), CreateRecordError> {
    authorize(actor, Action::AddRecord)?;
    let known = ports.catalog.find(id).await?.ok_or(CreateRecordError::NotFound)?;
    let record = MetricRecord {
        query_id: known.metric.query_id,
        date: command.date.unwrap_or_else(|| ports.clock.now().naive_utc()),
        values: command.values,
    };
    let mut work = ports.store.begin().await?;
    work.insert_record(RecordId(ports.ids.fresh()), &record).await?;
    work.commit().await?;
    Ok(())
}

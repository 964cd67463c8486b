//! Adds many records to a metric's data: all of them or none.

use std::{io, sync::Arc};

use async_trait::async_trait;
use metricd_core::{
    actor::{Action, Actor, Object},
    audit::AuditEvent,
    ids::{MetricId, RecordId},
    record::MetricRecord,
};
use thiserror::Error;

use super::CreateRecord;
use crate::{
    Forbidden, authorize, authorize_on,
    context::Context,
    error::{Cause, Classified, Classify},
    idempotency::{ClaimError, KeyError, Outcome, Replayable, claim, keep},
    ports::StoreError,
    rights::find_definition,
};

/// Records on this machine, checked already: no transaction waits for whoever sent them.
#[async_trait]
pub trait RecordSource: Send {
    /// The next records, in order; none once all were given.
    ///
    /// # Errors
    /// When they cannot be read.
    async fn next(&mut self) -> io::Result<Vec<CreateRecord>>;
}

/// Why no record was added.
#[derive(Debug, Error)]
pub enum CreateRecordsError {
    /// The caller may not add records.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// No metric has this id.
    #[error("Metric not found")]
    NotFound,
    /// Their key is not free.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The records cannot be read again.
    #[error("the spooled records cannot be read")]
    Unread(#[from] io::Error),
    /// They could not be stored.
    #[error(transparent)]
    Store(#[from] Arc<StoreError>),
}

impl Classify for CreateRecordsError {
    fn classify(&self) -> Classified {
        match self {
            Self::Forbidden(error) => error.classify(),
            Self::NotFound => Cause::MetricNotFound.into(),
            Self::Key(error) => error.classify(),
            Self::Unread(_) => Cause::Internal.into(),
            Self::Store(error) => error.classify(),
        }
    }
}

impl From<StoreError> for CreateRecordsError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

/// Adds all records of `source` to the data of the metric `id`'s query, once if that is asked for, and says
/// how many they are. Those without a date are of the present moment.
///
/// # Errors
/// See [`CreateRecordsError`].
pub async fn create_records(
    actor: &Actor,
    context: &Context,
    id: MetricId,
    source: &mut dyn RecordSource,
    asked: Option<Replayable<'_, u64>>,
) -> Result<Outcome<u64>, CreateRecordsError> {
    authorize(actor, context, Action::Record, id.into()).await?;
    let (known, _) =
        find_definition(actor, context, id).await?.ok_or(CreateRecordsError::NotFound)?;
    let metric = &known.compiled.metric;
    authorize_on(actor, context, Action::Record, Object::Metric(metric)).await?;
    let now = context.clock.now();
    let mut created = 0;
    let mut work = context.store.begin().await?;
    let once = asked.as_ref().map(|asked| asked.once);
    match claim(actor, context, work.as_mut(), once).await {
        Ok(()) => {}
        Err(ClaimError::Replayed(answer)) => return Ok(Outcome::Replayed(answer)),
        Err(ClaimError::Refused(error)) => return Err(error.into()),
        Err(ClaimError::Store(error)) => return Err(error.into()),
    }
    loop {
        let records = source.next().await?;
        if records.is_empty() {
            break;
        }
        let batch: Vec<_> = records
            .into_iter()
            .map(|CreateRecord { date, values }| {
                let date = date.unwrap_or_else(|| now.naive_utc());
                let record = MetricRecord { query_id: metric.query_id.clone(), date, values };
                (RecordId(context.ids.fresh()), record)
            })
            .collect();
        work.insert_records(&batch).await?;
        created += batch.len() as u64;
    }
    if let Some(Replayable { once, answer }) = asked {
        keep(actor, context, work.as_mut(), Some(once), || answer(&created)).await?;
    }
    work.commit(&AuditEvent::done(actor, now, Action::Record, id.into(), None), &[]).await?;
    Ok(Outcome::Executed(created))
}

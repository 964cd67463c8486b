//! Adds many records to a metric's data: all of them or none.
//!
//! Must never wait for a client while a transaction is open: a [`RecordUpload`] is begun before the body is
//! read, and stores what is on this machine already.

use std::io;

use async_trait::async_trait;
use metricd_core::{
    actor::{Action, Actor},
    audit::AuditEvent,
    ids::{MetricId, RecordId},
    record::MetricRecord,
};
use thiserror::Error;

use super::{
    create::{CreateRecordError, authorized_metric},
    target::RecordTarget,
};
use crate::{
    context::Context,
    error::{Cause, Classified, Classify},
    idempotency::{Outcome, Replayable, claim, store_response},
    ports::StoreError,
};

/// Records on this machine, checked already.
#[async_trait]
pub trait RecordBatches: Send {
    /// The next records for `target`, in order; none after the last.
    ///
    /// # Errors
    /// When they cannot be read.
    async fn next(&mut self, target: &RecordTarget) -> io::Result<Vec<MetricRecord>>;
}

/// The reason why no records were added.
#[derive(Debug, Error)]
pub enum CreateRecordsError {
    /// One record could not be added either.
    #[error(transparent)]
    Create(#[from] CreateRecordError),
    /// The spooled records cannot be read.
    #[error("the spooled records cannot be read")]
    Unread(#[from] io::Error),
}

impl Classify for CreateRecordsError {
    fn classify(&self) -> Classified {
        match self {
            Self::Create(error) => error.classify(),
            Self::Unread(_) => Cause::Internal.into(),
        }
    }
}

impl From<StoreError> for CreateRecordsError {
    fn from(error: StoreError) -> Self {
        Self::Create(error.into())
    }
}

/// A permitted upload of records to a metric that exists.
pub struct RecordUpload<'a> {
    actor: &'a Actor,
    context: &'a Context,
    id: MetricId,
}

/// Authorizes adding records to the metric `id`, before anything of them is read.
///
/// # Errors
/// See [`CreateRecordsError`].
pub async fn begin_upload<'a>(
    actor: &'a Actor,
    context: &'a Context,
    id: MetricId,
) -> Result<RecordUpload<'a>, CreateRecordsError> {
    authorized_metric(actor, context, id).await?;
    Ok(RecordUpload { actor, context, id })
}

impl RecordUpload<'_> {
    /// Stores all records of `source`, once if the request is idempotent, and returns their number. Those
    /// without a date are dated now.
    ///
    /// # Errors
    /// See [`CreateRecordsError`].
    pub async fn store(
        self,
        source: &mut dyn RecordBatches,
        replayable: Option<Replayable<'_, u64>>,
    ) -> Result<Outcome<u64>, CreateRecordsError> {
        let Self { actor, context, id } = self;
        // While the body was read, the metric may have been deleted or given another query, and the caller may have
        // lost the permission.
        let definition = authorized_metric(actor, context, id).await?;
        let now = context.clock.now();
        let target = RecordTarget::new(definition.compiled.metric.query_id.clone(), now);
        let mut work = context.store.begin().await?;
        let request = replayable.as_ref().map(|replayable| replayable.request);
        let replayed = claim::<CreateRecordError>(actor, context, work.as_mut(), request).await?;
        if let Some(response) = replayed {
            return Ok(Outcome::Replayed(response));
        }
        let mut created = 0;
        loop {
            let records = source.next(&target).await?;
            if records.is_empty() {
                break;
            }
            let with_id = |record| (RecordId(context.ids.fresh()), record);
            let batch: Vec<_> = records.into_iter().map(with_id).collect();
            work.insert_records(&batch).await?;
            created += batch.len() as u64;
        }
        if let Some(Replayable { request, response }) = replayable {
            let response = || response(&created);
            store_response(actor, context, work.as_mut(), Some(request), response).await?;
        }
        work.commit(&AuditEvent::done(actor, now, Action::Record, id.into(), None), &[]).await?;
        Ok(Outcome::Executed(created))
    }
}

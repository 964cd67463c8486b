//! Deletes a metric.

use metricd_core::{
    actor::{Action, Actor},
    audit::AuditEvent,
    ids::MetricId,
};
use thiserror::Error;

use super::{
    locking::{Locked, lock},
    update::ExpectedState,
};
use crate::{
    Forbidden, authorize,
    context::Context,
    error::{Cause, Classified, Classify},
    ports::StoreError,
    rights::{authorize_within, find_readable, may_know},
};

/// The reason why a metric was not deleted.
#[derive(Debug, Error)]
pub enum DeleteError {
    /// The caller may not delete metrics.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// No metric has this id.
    #[error("Metric not found")]
    NotFound,
    /// The metric is locked.
    #[error("The metric is locked")]
    Locked,
    /// The metric is in another state than the caller expects.
    #[error("Precondition failed: the metric was modified concurrently")]
    Stale,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Classify for DeleteError {
    fn classify(&self) -> Classified {
        match self {
            Self::Forbidden(error) => error.classify(),
            Self::NotFound => Cause::MetricNotFound.into(),
            Self::Locked => Cause::MetricLocked.into(),
            Self::Stale => Cause::MetricModified.into(),
            Self::Store(error) => error.classify(),
        }
    }
}

/// Deletes the metric `id`, provided that it is in an `expected` state, and its query when no other metric uses it.
/// Records stay.
///
/// # Errors
/// See [`DeleteError`].
pub async fn delete_metric(
    actor: &Actor,
    context: &Context,
    id: MetricId,
    expected: Option<ExpectedState>,
) -> Result<(), DeleteError> {
    authorize(actor, context, Action::Delete, id.into()).await?;
    let known = find_readable(actor, context, id).await?.ok_or(DeleteError::NotFound)?;
    let Locked { work, metric, .. } =
        lock(context, id, known.metric.query_id).await?.ok_or(DeleteError::NotFound)?;
    if !may_know(actor, context, &metric) {
        return Err(DeleteError::NotFound);
    }
    let mut work = authorize_within(actor, context, Action::Delete, &metric, work).await?;
    if expected.is_some_and(|expected| !expected(&metric)) {
        return Err(DeleteError::Stale);
    }
    if !metric.is_editable {
        return Err(DeleteError::Locked);
    }
    work.delete_metric(id).await?;
    work.delete_unused_query(&metric.query_id).await?;
    let (now, version) = (context.clock.now(), Some(metric.query_version));
    work.commit(&AuditEvent::done(actor, now, Action::Delete, id.into(), version), &[]).await?;
    Ok(())
}

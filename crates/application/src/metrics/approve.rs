//! Approves a generated metric, so that it may be read.

use metricd_core::{
    actor::{Action, Actor},
    audit::AuditEvent,
    ids::MetricId,
    metric::{Metric, Query, Review},
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

/// The reason why a metric was not approved.
#[derive(Debug, Error)]
pub enum ApproveError {
    /// The caller may not approve.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// No metric has this id.
    #[error("Metric not found")]
    NotFound,
    /// The query has another version than the caller expects.
    #[error("The query was modified concurrently: it is at version {current} now")]
    Changed {
        /// The current version.
        current: i64,
    },
    /// The metric is in another state than the caller expects.
    #[error("Precondition failed: the metric was modified concurrently")]
    Stale,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Classify for ApproveError {
    fn classify(&self) -> Classified {
        match self {
            Self::Forbidden(error) => error.classify(),
            Self::NotFound => Cause::MetricNotFound.into(),
            Self::Changed { .. } => Classified::from(Cause::QueryModified).with_detail(self),
            Self::Stale => Cause::MetricModified.into(),
            Self::Store(error) => error.classify(),
        }
    }
}

/// Approves the query of the metric `id` at `version`, or as it is now, provided that the metric is in an `expected`
/// state, and returns the metric. Does nothing if it does not wait for approval. The query's other metrics are
/// approved with it, which takes the permission on each.
///
/// # Errors
/// See [`ApproveError`].
pub async fn approve_metric(
    actor: &Actor,
    context: &Context,
    id: MetricId,
    version: Option<i64>,
    expected: Option<ExpectedState>,
) -> Result<Metric, ApproveError> {
    authorize(actor, context, Action::Approve, id.into()).await?;
    let known = find_readable(actor, context, id).await?.ok_or(ApproveError::NotFound)?;
    let Locked { work, query, metric, sharing } =
        lock(context, id, known.metric.query_id).await?.ok_or(ApproveError::NotFound)?;
    if !may_know(actor, context, &metric) {
        return Err(ApproveError::NotFound);
    }
    let mut work = authorize_within(actor, context, Action::Approve, &metric, work).await?;
    if version.is_some_and(|version| version != query.version) {
        return Err(ApproveError::Changed { current: query.version });
    }
    if expected.is_some_and(|expected| !expected(&metric)) {
        return Err(ApproveError::Stale);
    }
    if query.review != Review::Waiting {
        return Ok(metric);
    }
    for other in &sharing {
        work = authorize_within(actor, context, Action::Approve, other, work).await?;
    }
    let query = Query { review: Review::Approved, ..query };
    work.update_query(&query).await?;
    let (now, version) = (context.clock.now(), Some(query.version));
    let event = |id: MetricId| AuditEvent::done(actor, now, Action::Approve, id.into(), version);
    let more: Vec<_> = sharing.iter().map(|other| event(other.id)).collect();
    work.commit(&event(id), &more).await?;
    Ok(Metric { review: query.review, ..metric })
}

//! Replaces a metric's layouts.

use metricd_core::{
    actor::{Action, Actor},
    audit::AuditEvent,
    ids::MetricId,
    layout::LayoutItem,
    metric::Metric,
};
use thiserror::Error;

use super::update::ExpectedState;
use crate::{
    Forbidden, authorize,
    context::Context,
    error::{Cause, Classified, Classify},
    ports::StoreError,
    rights::{authorize_within, may_know},
};

/// The reason why layouts were not replaced.
#[derive(Debug, Error)]
pub enum ReplaceLayoutsError {
    /// The caller may not change layouts.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// No metric has this id.
    #[error("Metric not found")]
    NotFound,
    /// The metric is locked.
    #[error("The metric is locked")]
    Locked,
    /// They were modified concurrently.
    #[error(
        "Precondition failed: the layouts were modified concurrently and are at version {current} now"
    )]
    Stale {
        /// The current layout version.
        current: i64,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Classify for ReplaceLayoutsError {
    fn classify(&self) -> Classified {
        match self {
            Self::Forbidden(error) => error.classify(),
            Self::NotFound => Cause::MetricNotFound.into(),
            Self::Locked => Cause::MetricLocked.into(),
            Self::Stale { .. } => Classified::from(Cause::LayoutsModified).with_detail(self),
            Self::Store(error) => error.classify(),
        }
    }
}

/// Replaces the metric's layouts by `layouts`, provided that it is in an `expected` state, and
/// returns the changed metric.
///
/// # Errors
/// See [`ReplaceLayoutsError`].
pub async fn replace_layouts(
    actor: &Actor,
    context: &Context,
    id: MetricId,
    layouts: Vec<LayoutItem>,
    expected: Option<ExpectedState>,
) -> Result<Metric, ReplaceLayoutsError> {
    authorize(actor, context, Action::Arrange, id.into()).await?;
    let mut work = context.store.begin().await?;
    let mut metric = work.lock_metric(id).await?.ok_or(ReplaceLayoutsError::NotFound)?;
    if !may_know(actor, context, &metric) {
        return Err(ReplaceLayoutsError::NotFound);
    }
    let mut work = authorize_within(actor, context, Action::Arrange, &metric, work).await?;
    if !metric.is_editable {
        return Err(ReplaceLayoutsError::Locked);
    }
    if expected.is_some_and(|expected| !expected(&metric)) {
        return Err(ReplaceLayoutsError::Stale { current: metric.layout_version });
    }
    if metric.layouts == layouts {
        return Ok(metric);
    }
    metric.layouts = layouts;
    metric.layout_version += 1;
    work.update_metric(&metric).await?;
    let (now, version) = (context.clock.now(), Some(metric.layout_version));
    work.commit(&AuditEvent::done(actor, now, Action::Arrange, id.into(), version), &[]).await?;
    Ok(metric)
}

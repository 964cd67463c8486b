//! Lists metrics, page by page.

use metricd_core::{
    actor::{Action, Actor},
    ids::MetricId,
    metric::Metric,
};
use thiserror::Error;

use crate::{
    Forbidden, authorize,
    ports::{MetricFilter, Ports, StoreError},
};

/// The most metrics of one page.
pub const MAX_PAGE: u32 = 200;

/// Which page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// The most metrics, 1 to [`MAX_PAGE`].
    pub limit: u32,
    /// The last metric of the page before.
    pub after: Option<MetricId>,
    /// Only metrics whose name, description or tags hold this text.
    pub text: Option<String>,
}

/// A page of metrics.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The metrics, ordered by id.
    pub items: Vec<Metric>,
    /// Where the next page begins, if there is one.
    pub next: Option<MetricId>,
}

/// Why there is no list.
#[derive(Debug, Error)]
pub enum ListError {
    /// The caller may not read metrics.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// The catalog could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Lists metrics with their layouts, without records.
///
/// # Errors
/// See [`ListError`].
pub async fn list_metrics(
    actor: &Actor,
    ports: &Ports,
    request: PageRequest,
) -> Result<Page, ListError> {
    authorize(actor, Action::ReadMetric)?;
    let limit = request.limit.clamp(1, MAX_PAGE);
    let filter = MetricFilter { limit: limit + 1, after: request.after, text: request.text };
    let mut items = ports.catalog.list(&filter).await?;
    let more = items.len() > limit as usize;
    items.truncate(limit as usize);
    let next = items.last().filter(|_| more).map(|metric| metric.id);
    Ok(Page { items, next })
}

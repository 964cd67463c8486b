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
    rights::may_read,
};

/// The most metrics of one page.
pub const MAX_PAGE: u32 = 200;
/// The most metrics that are looked at for one page: a caller who may read few of many gets short
/// pages rather than slow ones.
const MAX_SCANNED: u32 = 2_000;

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
    /// The metrics, ordered by id. There may be fewer than asked for, or none, before the last page.
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

/// Lists the metrics that the caller may read, with their layouts, without records.
///
/// # Errors
/// See [`ListError`].
pub async fn list_metrics(
    actor: &Actor,
    ports: &Ports,
    request: PageRequest,
) -> Result<Page, ListError> {
    authorize(actor, ports, Action::Read).await?;
    let limit = request.limit.clamp(1, MAX_PAGE) as usize;
    let mut filter = MetricFilter {
        // One more than is shown says whether there is more.
        limit: request.limit.clamp(1, MAX_PAGE) + 1,
        after: request.after,
        text: request.text,
    };
    let mut items: Vec<Metric> = Vec::new();
    let mut scanned = 0;
    loop {
        let candidates = ports.catalog.list(&filter).await?;
        let is_last = candidates.len() < filter.limit as usize;
        scanned += filter.limit;
        for metric in candidates {
            let id = metric.id;
            if may_read(actor, ports, &metric) {
                if items.len() == limit {
                    return Ok(Page { next: items.last().map(|metric| metric.id), items });
                }
                items.push(metric);
            }
            filter.after = Some(id);
        }
        if is_last {
            return Ok(Page { items, next: None });
        }
        if scanned >= MAX_SCANNED {
            return Ok(Page { items, next: filter.after });
        }
        filter.limit = MAX_PAGE;
    }
}

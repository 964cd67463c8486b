//! Lists metrics, page by page.

use metricd_core::{
    actor::{Action, Actor},
    ids::MetricId,
    metric::Metric,
};
use thiserror::Error;
use uuid::Uuid;

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
    // Where a page that is cut short ends: see `place_between`.
    let mut place = None;
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
                place = Some(id);
            } else {
                place = Some(place_between(filter.after, id));
            }
            filter.after = Some(id);
        }
        if is_last {
            return Ok(Page { items, next: None });
        }
        if scanned >= MAX_SCANNED {
            return Ok(Page { items, next: place });
        }
        filter.limit = MAX_PAGE;
    }
}

/// A place after `before` and before `id`, to go on from with `id`: a caller who may not read the
/// metric `id` is not told of it.
fn place_between(before: Option<MetricId>, id: MetricId) -> MetricId {
    let (low, high) = (before.map_or(0, |before| before.0.as_u128()), id.0.as_u128());
    MetricId(Uuid::from_u128(low + high.saturating_sub(low) / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_lies_between_two_metrics_and_is_neither() {
        let id = |number| MetricId(Uuid::from_u128(number));
        assert_eq!(place_between(None, id(8)), id(4));
        assert_eq!(place_between(Some(id(8)), id(u128::MAX)), id(u128::MAX / 2 + 4));
        // Where nothing lies between, the one before is asked for again and changes nothing.
        assert_eq!(place_between(Some(id(7)), id(8)), id(7));
    }
}

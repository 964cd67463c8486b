//! Lists metrics, page by page.

use metricd_core::{
    actor::{Action, Actor},
    audit::AuditedObject,
    ids::MetricId,
    metric::Metric,
};
use uuid::Uuid;

use crate::{
    authorize, context::Context, listing::ListError, ports::MetricFilter, rights::may_know,
};

/// The maximum number of metrics on one page.
pub const MAX_PAGE: u32 = 200;
/// The maximum number of metrics that are read for one page: a caller who may read few of many gets
/// short pages rather than slow ones.
const MAX_SCANNED: u32 = 2_000;

/// A request for a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// The maximum number of metrics, 1 to [`MAX_PAGE`].
    pub limit: u32,
    /// The last metric of the previous page.
    pub after: Option<MetricId>,
    /// Only metrics whose name, description or tags contain this text.
    pub text: Option<String>,
}

/// A page of metrics.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The metrics, ordered by id: perhaps fewer than requested, or none, even before the last page.
    pub items: Vec<Metric>,
    /// The cursor of the next page, if there is one.
    pub next: Option<MetricId>,
}

/// Lists the metrics that the caller may read, with their layouts, without records.
///
/// # Errors
/// See [`ListError`].
pub async fn list_metrics(
    actor: &Actor,
    context: &Context,
    request: PageRequest,
) -> Result<Page, ListError> {
    authorize(actor, context, Action::Read, AuditedObject::Catalog).await?;
    let limit = request.limit.clamp(1, MAX_PAGE);
    // One more than the page holds tells whether there is a next page.
    let mut filter = MetricFilter { limit: limit + 1, after: request.after, text: request.text };
    let mut items: Vec<Metric> = Vec::new();
    let mut scanned = 0;
    // The cursor of a page that is cut short: see `place_between`.
    let mut place = None;
    loop {
        let candidates = context.catalog.list(&filter).await?;
        let is_last = candidates.len() < filter.limit as usize;
        scanned += filter.limit;
        for metric in candidates {
            let id = metric.id;
            if may_know(actor, context, &metric) {
                if items.len() == limit as usize {
                    return Ok(Page { next: items.last().map(|metric| metric.id), items });
                }
                items.push(metric);
                place = Some(id);
            } else {
                place = Some(place_between(filter.after, id, context.ids.fresh()));
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

/// Returns a cursor after `before` and before `id`, which does not reveal the id of a metric that the
/// caller may not read. Where the ids are adjacent, it is `before`.
fn place_between(before: Option<MetricId>, id: MetricId, chance: Uuid) -> MetricId {
    let (low, high) = (before.map_or(0, |before| before.0.as_u128()), id.0.as_u128());
    let gap = high.saturating_sub(low).max(1);
    MetricId(Uuid::from_u128(low + chance.as_u128() % gap))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_lies_between_two_metrics() {
        let id = |number| MetricId(Uuid::from_u128(number));
        let place = |before, after, chance| {
            place_between(before, id(after), Uuid::from_u128(chance)).0.as_u128()
        };
        for chance in [0, 1, 5, 1 << 90, u128::MAX] {
            assert!(place(None, 8, chance) < 8);
            assert!((8..u128::MAX).contains(&place(Some(id(8)), u128::MAX, chance)));
            // Adjacent ids: the cursor repeats the id before, which changes nothing.
            assert_eq!(place(Some(id(7)), 8, chance), 7);
        }
        assert_ne!(place(Some(id(8)), 1 << 100, 5), place(Some(id(8)), 1 << 100, 6));
    }
}

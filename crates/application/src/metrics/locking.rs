//! Locks a metric together with its query, to change them.

use metricd_core::{
    ids::{MetricId, QueryId},
    metric::{Metric, Query},
};

use crate::{
    context::Context,
    ports::{StoreError, UnitOfWork},
};

/// A metric with its query and everything else that the query answers, locked in `work`.
pub(super) struct Locked {
    pub(super) work: Box<dyn UnitOfWork>,
    pub(super) query: Query,
    pub(super) metric: Metric,
    /// The other metrics that the query answers.
    pub(super) sharing: Vec<Metric>,
}

/// Opens a unit of work in which the query `query_id` and then the metric `id` are locked; another query
/// if the metric was given one meanwhile. Returns `None` if the metric no longer exists.
pub(super) async fn lock(
    context: &Context,
    id: MetricId,
    mut query_id: QueryId,
) -> Result<Option<Locked>, StoreError> {
    loop {
        let mut work = context.store.begin().await?;
        let query = work.lock_query(&query_id).await?;
        let (metric, sharing): (Vec<_>, Vec<_>) =
            work.lock_metrics_of(&query_id).await?.into_iter().partition(|metric| metric.id == id);
        if let (Some(query), Some(metric)) = (query, metric.into_iter().next()) {
            return Ok(Some(Locked { work, query, metric, sharing }));
        }
        drop(work);
        let Some(found) = context.catalog.find(id).await? else {
            return Ok(None);
        };
        query_id = found.metric.query_id;
    }
}

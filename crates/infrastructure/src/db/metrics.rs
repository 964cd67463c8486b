//! Metrics and their layouts, inside a unit of work.

use async_trait::async_trait;
use metricd_application::ports::{Metrics, StoreError};
use metricd_core::{
    changes::Changed,
    ids::{MetricId, QueryId},
    metric::Metric,
};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, JoinType, QueryFilter, QueryOrder, QuerySelect,
    RelationTrait, Select, sea_query::Expr,
};

use super::{
    entities::{
        layout_items,
        metric_configurations::{self, Column, Entity, MetricRow},
        queries,
    },
    errors::{corrupt, store_error},
    unit_of_work::PgUnitOfWork,
};

/// A metric's layouts as JSON, so that one statement reads them with the metric.
const LAYOUTS: &str = r#"(SELECT coalesce(pg_catalog.json_agg(pg_catalog.row_to_json(item.*) ORDER BY item."position"), '[]')
    FROM "metricd"."layout_items" AS item
    WHERE item."metric_id" = "metric_configurations"."id")"#;

/// Metrics with their layouts and their query's version, as [`MetricRow`]s.
pub(crate) fn metric_rows() -> Select<Entity> {
    Entity::find()
        .join(JoinType::InnerJoin, metric_configurations::Relation::Queries.def())
        .expr_as(Expr::col((queries::Entity, queries::Column::Version)), "query_version")
        .expr_as(Expr::col((queries::Entity, queries::Column::Review)), "review")
        .expr_as(Expr::cust(LAYOUTS), "layouts")
}

/// The metric that a row holds.
pub(crate) fn metric(row: MetricRow) -> Result<Metric, StoreError> {
    let id = row.metric.id;
    row.try_into().map_err(corrupt("metric", id))
}

impl PgUnitOfWork {
    // A lock is taken by a statement of its own: a statement that waited for a lock sees the locked
    // row as it is then, but everything else as it was before.
    async fn lock_metrics(&mut self, which: Condition) -> Result<Vec<Metric>, StoreError> {
        Entity::find()
            .filter(which.clone())
            .order_by_asc(Column::Id)
            .select_only()
            .column(Column::Id)
            .lock_exclusive()
            .into_tuple::<uuid::Uuid>()
            .all(&self.tx)
            .await
            .map_err(store_error)?;
        let rows = metric_rows()
            .filter(which)
            .order_by_asc(Column::Id)
            .into_model::<MetricRow>()
            .all(&self.tx)
            .await
            .map_err(store_error)?;
        rows.into_iter().map(metric).collect()
    }

    async fn insert_layouts(&mut self, metric: &Metric) -> Result<(), StoreError> {
        let rows = layout_items::rows_of(metric.id, &metric.layouts);
        // A statement has at most 65,535 parameters.
        for chunk in rows.chunks(4_000) {
            layout_items::Entity::insert_many(chunk.to_vec())
                .exec_without_returning(&self.tx)
                .await
                .map_err(store_error)?;
        }
        Ok(())
    }
}

#[async_trait]
impl Metrics for PgUnitOfWork {
    async fn lock_metric(&mut self, id: MetricId) -> Result<Option<Metric>, StoreError> {
        let found = self.lock_metrics(Condition::all().add(Column::Id.eq(id.0))).await?;
        Ok(found.into_iter().next())
    }

    async fn lock_all_metrics(&mut self) -> Result<Vec<Metric>, StoreError> {
        self.lock_metrics(Condition::all()).await
    }

    async fn lock_metrics_of(&mut self, query: &QueryId) -> Result<Vec<Metric>, StoreError> {
        self.lock_metrics(Condition::all().add(Column::QueryId.eq(query.as_str()))).await
    }

    async fn insert_metric(&mut self, metric: &Metric) -> Result<(), StoreError> {
        self.touched.add(Changed::Metric(metric.id));
        Entity::insert(metric_configurations::ActiveModel::from(metric))
            .exec_without_returning(&self.tx)
            .await
            .map_err(store_error)?;
        self.insert_layouts(metric).await
    }

    async fn update_metric(&mut self, metric: &Metric) -> Result<(), StoreError> {
        self.touched.add(Changed::Metric(metric.id));
        Entity::update(metric_configurations::ActiveModel::from(metric))
            .exec(&self.tx)
            .await
            .map_err(store_error)?;
        let stored = layout_items::Entity::find()
            .filter(layout_items::Column::MetricId.eq(metric.id.0))
            .order_by_asc(layout_items::Column::Position)
            .all(&self.tx)
            .await
            .map_err(store_error)?;
        let wanted = layout_items::rows_of(metric.id, &metric.layouts);
        let same = stored.len() == wanted.len()
            && stored
                .iter()
                .zip(&wanted)
                .all(|(stored, wanted)| layout_items::same(stored, wanted));
        if same {
            return Ok(());
        }
        layout_items::Entity::delete_many()
            .filter(layout_items::Column::MetricId.eq(metric.id.0))
            .exec(&self.tx)
            .await
            .map_err(store_error)?;
        self.insert_layouts(metric).await
    }

    async fn delete_metric(&mut self, id: MetricId) -> Result<(), StoreError> {
        self.touched.add(Changed::Metric(id));
        Entity::delete_by_id(id.0).exec(&self.tx).await.map_err(store_error)?;
        Ok(())
    }
}

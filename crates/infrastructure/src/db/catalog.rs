//! Reads of the catalog, each one statement.

use std::sync::Arc;

use async_trait::async_trait;
use metricd_application::ports::{Catalog, MetricFilter, StoreError};
use metricd_core::{
    ids::{MetricId, QueryId},
    metric::{CompiledMetric, Metric, QueryVersion},
};
use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, FromQueryResult, IdenStatic, Iterable, QueryFilter,
    QueryOrder, QueryResult, QuerySelect, sea_query::Expr,
};

use super::{
    engine::Engine,
    entities::{
        metric_configurations::{Column, MetricRow},
        queries, query_versions,
    },
    metrics::{metric, metric_rows},
    queries::query,
};

/// The catalog on PostgreSQL.
pub(super) struct PgCatalog {
    engine: Arc<Engine>,
}

impl PgCatalog {
    pub(super) fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }
}

const QUERY_PREFIX: &str = "query_";

/// A metric's row with its query's.
struct CompiledRow {
    metric: MetricRow,
    query: queries::Model,
}

impl FromQueryResult for CompiledRow {
    fn from_query_result(row: &QueryResult, _: &str) -> Result<Self, DbErr> {
        Ok(Self {
            metric: MetricRow::from_query_result(row, "")?,
            query: queries::Model::from_query_result(row, QUERY_PREFIX)?,
        })
    }
}

#[async_trait]
impl Catalog for PgCatalog {
    async fn find(&self, id: MetricId) -> Result<Option<CompiledMetric>, StoreError> {
        let mut select = metric_rows().filter(Column::Id.eq(id.0));
        for column in queries::Column::iter() {
            let alias = format!("{QUERY_PREFIX}{}", column.as_str());
            select = select.expr_as(Expr::col((queries::Entity, column)), alias);
        }
        let find = || select.clone().into_model::<CompiledRow>().one(self.engine.orm());
        let row = self.engine.retrying(find).await?;
        let compiled = |row: CompiledRow| -> Result<CompiledMetric, StoreError> {
            Ok(CompiledMetric { metric: metric(row.metric)?, query: query(row.query)? })
        };
        row.map(compiled).transpose()
    }

    async fn list(&self, filter: &MetricFilter) -> Result<Vec<Metric>, StoreError> {
        let mut select = metric_rows().order_by_asc(Column::Id).limit(u64::from(filter.limit));
        if let Some(after) = filter.after {
            select = select.filter(Column::Id.gt(after.0));
        }
        if let Some(text) = &filter.text {
            // PostgreSQL's text cannot hold this character, nor take it to compare.
            if text.contains('\0') {
                return Ok(Vec::new());
            }
            let holds_text = Expr::cust_with_values(
                r#"("name" ILIKE $1 OR "description" ILIKE $1
                    OR EXISTS (SELECT FROM pg_catalog.unnest("tags") AS tag WHERE tag ILIKE $1))"#,
                [like_pattern(text)],
            );
            select = select.filter(holds_text);
        }
        let list = || select.clone().into_model::<MetricRow>().all(self.engine.orm());
        let rows = self.engine.retrying(list).await?;
        rows.into_iter().map(metric).collect()
    }

    async fn versions(
        &self,
        id: &QueryId,
        limit: u32,
        before: Option<i64>,
    ) -> Result<Vec<QueryVersion>, StoreError> {
        use query_versions::Column as Of;
        let mut select = query_versions::Entity::find()
            .filter(Of::QueryId.eq(id.as_str()))
            .order_by_desc(Of::Version)
            .limit(u64::from(limit));
        if let Some(before) = before {
            select = select.filter(Of::Version.lt(before));
        }
        let read = || select.clone().all(self.engine.orm());
        let rows = self.engine.retrying(read).await?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    async fn is_reachable(&self) -> bool {
        self.engine.is_reachable().await
    }
}

/// A pattern of `LIKE` that finds `text` anywhere, with no character of it special.
fn like_pattern(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

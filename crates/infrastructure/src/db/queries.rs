//! Queries, inside a unit of work.

use async_trait::async_trait;
use metricd_application::ports::{Queries, StoreError};
use metricd_core::{
    changes::Changed,
    ids::QueryId,
    metric::{Query, QueryVersion},
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr};

use super::{
    entities::{
        queries::{ActiveModel, Column, Entity, Model},
        query_versions,
    },
    errors::{corrupt, store_error},
    unit_of_work::PgUnitOfWork,
};

/// The query that a row holds.
pub(crate) fn query(row: Model) -> Result<Query, StoreError> {
    let id = row.id.clone();
    row.try_into().map_err(corrupt("query", id))
}

#[async_trait]
impl Queries for PgUnitOfWork {
    async fn lock_query(&mut self, id: &QueryId) -> Result<Option<Query>, StoreError> {
        let row = Entity::find_by_id(id.as_str())
            .lock_exclusive()
            .one(&self.tx)
            .await
            .map_err(store_error)?;
        row.map(query).transpose()
    }

    async fn lock_all_queries(&mut self) -> Result<Vec<Query>, StoreError> {
        let rows = Entity::find()
            .order_by_asc(Column::Id)
            .lock_exclusive()
            .all(&self.tx)
            .await
            .map_err(store_error)?;
        rows.into_iter().map(query).collect()
    }

    async fn insert_query(&mut self, query: &Query) -> Result<(), StoreError> {
        self.touched.add(Changed::Query(query.id.clone()));
        Entity::insert(ActiveModel::from(query))
            .exec_without_returning(&self.tx)
            .await
            .map_err(store_error)?;
        Ok(())
    }

    async fn update_query(&mut self, query: &Query) -> Result<(), StoreError> {
        self.touched.add(Changed::Query(query.id.clone()));
        Entity::update(ActiveModel::from(query)).exec(&self.tx).await.map_err(store_error)?;
        Ok(())
    }

    async fn keep_version(
        &mut self,
        id: &QueryId,
        version: &QueryVersion,
    ) -> Result<(), StoreError> {
        query_versions::Entity::insert(query_versions::ActiveModel::of(id.as_str(), version))
            .exec_without_returning(&self.tx)
            .await
            .map_err(store_error)?;
        Ok(())
    }

    async fn delete_unused_query(&mut self, id: &QueryId) -> Result<bool, StoreError> {
        let unused = Expr::cust(
            r#"NOT EXISTS (SELECT 1 FROM "metricd"."metric_configurations" AS metric
                WHERE metric."query_id" = "queries"."id")"#,
        );
        let deleted = Entity::delete_many()
            .filter(Column::Id.eq(id.as_str()))
            .filter(unused)
            .exec(&self.tx)
            .await
            .map_err(store_error)?;
        let is_gone = deleted.rows_affected > 0;
        if is_gone {
            self.touched.add(Changed::Query(id.clone()));
        }
        Ok(is_gone)
    }
}

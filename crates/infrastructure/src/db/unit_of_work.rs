//! One transaction across all repositories. It takes effect on commit; dropped, it rolls back.

use std::sync::Arc;

use async_trait::async_trait;
use metricd_application::ports::{CatalogCounts, ChangeSink, Store, StoreError, UnitOfWork};
use metricd_core::{audit::AuditEvent, changes::Changed};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, EntityTrait, Statement};
use sqlx::PgPool;

use super::{
    begin::to_its_end,
    changes::Touched,
    entities::audit_events,
    errors::{retry_lost, store_error},
    migrations,
    transaction::Transaction,
    turns::{Turn, Turns},
};

/// Opens units of work on PostgreSQL.
pub(crate) struct PgStore {
    pool: PgPool,
    connections: u32,
    turns: Turns,
    /// The role that stored SQL runs as, where it is another one.
    reader: Option<Arc<str>>,
    told: Arc<dyn ChangeSink>,
}

impl PgStore {
    pub(crate) fn new(
        pool: PgPool,
        connections: u32,
        turns: Turns,
        reader: Option<Arc<str>>,
        told: Arc<dyn ChangeSink>,
    ) -> Self {
        Self { pool, connections, turns, reader, told }
    }
}

#[async_trait]
impl Store for PgStore {
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        let turn = self.turns.take().await?;
        let begin = || Transaction::begin(&self.pool);
        let tx = retry_lost(self.connections, begin).await.map_err(store_error)?;
        let (reader, told) = (self.reader.clone(), Arc::clone(&self.told));
        let touched = Touched::default();
        Ok(Box::new(PgUnitOfWork { tx, turn, staged: None, touched, reader, told }))
    }
}

/// A unit of work on PostgreSQL.
pub(crate) struct PgUnitOfWork {
    pub(crate) tx: Transaction,
    turn: Turn,
    /// How many records stand in the temporary table for them; `None` if it is not there.
    pub(crate) staged: Option<u64>,
    pub(super) touched: Touched,
    /// The role that stored SQL runs as, where it is another one.
    pub(super) reader: Option<Arc<str>>,
    told: Arc<dyn ChangeSink>,
}

#[async_trait]
impl UnitOfWork for PgUnitOfWork {
    async fn commit(
        self: Box<Self>,
        event: &AuditEvent,
        more: &[AuditEvent],
    ) -> Result<(), StoreError> {
        let Self { tx, turn, touched, told, .. } = *self;
        let rows = std::iter::once(event).chain(more).map(audit_events::ActiveModel::from);
        let rows = audit_events::Entity::insert_many(rows);
        rows.exec_without_returning(&tx).await.map_err(store_error)?;
        let changes = touched.note(&tx).await?;
        // Nobody may remember what was so before, whether the caller still waits or not, nor where
        // nobody knows how it ended.
        let committed = to_its_end(async move {
            let committed = tx.commit().await;
            if !changes.is_empty() {
                told.changed(&changes);
            }
            committed
        });
        committed.await.map_err(store_error)?;
        turn.end();
        Ok(())
    }

    fn note(&mut self, changed: Changed) {
        self.touched.add(changed);
    }

    async fn lock_catalog(&mut self) -> Result<(), StoreError> {
        migrations::lock(&self.tx).await.map_err(store_error)
    }

    async fn counts(&mut self) -> Result<CatalogCounts, StoreError> {
        let statement = Statement::from_string(
            DbBackend::Postgres,
            "SELECT (SELECT count(*) FROM metricd.queries) AS queries, \
             (SELECT count(*) FROM metricd.metric_configurations) AS metrics, \
             EXISTS (SELECT FROM public.metrics) AS has_records",
        );
        let row = self.tx.query_one_raw(statement).await.map_err(store_error)?;
        let row = row.ok_or_else(|| store_error(DbErr::RecordNotFound("counts".into())))?;
        let count = |column| -> Result<u64, StoreError> {
            let count: i64 = row.try_get("", column).map_err(store_error)?;
            Ok(count.cast_unsigned())
        };
        Ok(CatalogCounts {
            queries: count("queries")?,
            metrics: count("metrics")?,
            has_records: row.try_get("", "has_records").map_err(store_error)?,
        })
    }
}

//! One transaction across all repositories. It takes effect on commit; dropped, it rolls back.

use std::sync::Arc;

use async_trait::async_trait;
use metricd_application::ports::{CatalogCounts, ChangeSink, Store, StoreError, UnitOfWork};
use metricd_core::{audit::AuditEvent, changes::Changed};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, EntityTrait, Statement};

use super::{
    catalog_lock::lock_catalog,
    changes::Touched,
    connection_gate::ConnectionPermit,
    engine::Engine,
    entities::audit_events,
    errors::{retry_lost, store_error},
    purpose::Purpose,
    run_to_completion::run_to_completion,
    transaction::CopyTransaction,
};

/// Opens units of work on PostgreSQL.
pub(super) struct PgStore {
    engine: Arc<Engine>,
    change_sink: Arc<dyn ChangeSink>,
}

impl PgStore {
    pub(super) fn new(engine: Arc<Engine>, change_sink: Arc<dyn ChangeSink>) -> Self {
        Self { engine, change_sink }
    }
}

#[async_trait]
impl Store for PgStore {
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        let room = self.engine.room();
        room.check_before_write().map_err(|error| StoreError::DiskFull(error.into()))?;
        let permit = self.engine.gate().acquire(Purpose::Write).await?;
        let begin = || CopyTransaction::begin(self.engine.pool(), room.clone());
        let tx = retry_lost(self.engine.connections(), begin).await.map_err(store_error)?;
        Ok(Box::new(PgUnitOfWork {
            tx,
            permit,
            staged: None,
            touched: Touched::default(),
            reader: self.engine.reader_role().map(Into::into),
            change_sink: Arc::clone(&self.change_sink),
        }))
    }
}

/// A unit of work on PostgreSQL.
pub(super) struct PgUnitOfWork {
    pub(super) tx: CopyTransaction,
    pub(super) permit: ConnectionPermit,
    /// How many records stand in the temporary table for them; `None` if it is not there.
    pub(super) staged: Option<u64>,
    pub(super) touched: Touched,
    /// The role that stored SQL runs as, where it is another one.
    pub(super) reader: Option<Arc<str>>,
    change_sink: Arc<dyn ChangeSink>,
}

#[async_trait]
impl UnitOfWork for PgUnitOfWork {
    async fn commit(
        self: Box<Self>,
        event: &AuditEvent,
        more: &[AuditEvent],
    ) -> Result<(), StoreError> {
        let Self { tx, permit, touched, change_sink, .. } = *self;
        let rows = std::iter::once(event).chain(more).map(audit_events::ActiveModel::from);
        let rows = audit_events::Entity::insert_many(rows);
        rows.exec_without_returning(&tx).await.map_err(store_error)?;
        let changes = touched.note(&tx).await?;
        // No cache may keep what was so before: not when the caller is dropped meanwhile, nor when it is
        // not known how the commit ended.
        let committed = run_to_completion(async move {
            let committed = tx.commit().await;
            if !changes.is_empty() {
                change_sink.changed(&changes);
            }
            committed
        });
        committed.await.map_err(store_error)?;
        permit.release();
        Ok(())
    }

    fn note(&mut self, changed: Changed) {
        self.touched.add(changed);
    }

    async fn lock_catalog(&mut self) -> Result<(), StoreError> {
        lock_catalog(&self.tx).await.map_err(store_error)
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

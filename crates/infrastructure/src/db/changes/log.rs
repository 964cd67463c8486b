//! The log of changes on PostgreSQL: written in the transaction that changes something, read by the
//! processes that cache answers. Never decides by a clock what is stale: a snapshot sees a transaction, or
//! not.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use metricd_application::ports::{ChangeBatch, ChangeLog, ResolvedTable, StoreError};
use metricd_core::{
    changes::{DefinedName, Snapshot},
    sql::TableName,
};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, RuntimeErr, Statement, Value};

use super::{
    horizons::Horizons,
    listener::Listener,
    resolve,
    rows::{change_batch, only, transaction},
};
use crate::db::{engine::Engine, errors::store_error, relations};

/// One statement, so that the snapshot and the rows belong together. What was pruned had been seen by
/// every snapshot whose oldest running transaction came later.
const SINCE: &str = "
    SELECT pg_current_snapshot()::text AS snapshot,
        coalesce((SELECT pruned.xid FROM metricd.changes AS pruned WHERE pruned.kind = 'pruned'
            ORDER BY pruned.xid DESC LIMIT 1) <= pg_snapshot_xmin(seen.snapshot), true) AS is_whole,
        change.xid::text AS xid, change.kind, change.table_schema, change.table_name, change.ids
    FROM (SELECT $1::text::pg_snapshot AS snapshot) AS seen
    LEFT JOIN metricd.changes AS change ON change.kind <> 'pruned'
        AND change.xid >= pg_snapshot_xmin(seen.snapshot)
        AND NOT pg_visible_in_snapshot(change.xid, seen.snapshot)";

/// Leaves a mark of how far it went, which replaces the one before.
const PRUNE: &str = "
    WITH gone AS (
        DELETE FROM metricd.changes WHERE xid < $1::text::xid8 AND EXISTS (
            SELECT FROM metricd.changes WHERE xid < $1::text::xid8 AND kind <> 'pruned')
        RETURNING kind),
    mark AS (
        INSERT INTO metricd.changes (xid, kind)
        SELECT $1::text::xid8, 'pruned' WHERE EXISTS (SELECT FROM gone))
    SELECT count(*) AS removed FROM gone WHERE kind <> 'pruned'";

/// The log of changes.
pub(in crate::db) struct PgChangeLog {
    engine: Arc<Engine>,
    /// `None` on an engine that no other process writes to.
    listener: Option<Listener>,
    horizons: Mutex<Horizons>,
}

impl PgChangeLog {
    /// Receives the notifications of other processes on a connection of its own, if there can be any.
    pub(in crate::db) fn new(engine: Arc<Engine>) -> Self {
        let listener = engine.listener_options().map(Listener::new);
        Self { engine, listener, horizons: Mutex::default() }
    }

    async fn rows(&self, sql: &str, values: Vec<Value>) -> Result<Vec<QueryResult>, StoreError> {
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
        let read = || self.engine.orm().query_all_raw(statement.clone());
        self.engine.retrying(read).await
    }
}

#[async_trait]
impl ChangeLog for PgChangeLog {
    async fn since(&self, seen: Option<&Snapshot>) -> Result<ChangeBatch, StoreError> {
        let seen = seen.map(ToString::to_string);
        let rows = self.rows(SINCE, vec![seen.into()]).await?;
        change_batch(&rows).map_err(store_error)
    }

    async fn hint(&self) {
        match &self.listener {
            Some(listener) => listener.hint().await,
            None => std::future::pending().await,
        }
    }

    async fn prune(&self, keep: Duration) -> Result<u64, StoreError> {
        let now = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS xmin";
        let rows = self.rows(now, Vec::new()).await?;
        let xmin = only(&rows).and_then(|row| transaction(row, "xmin")).map_err(store_error)?;
        let horizon = {
            let mut horizons = self.horizons.lock().unwrap_or_else(PoisonError::into_inner);
            horizons.pass(Instant::now(), xmin, keep)
        };
        let Some(horizon) = horizon else {
            return Ok(0);
        };
        let rows = self.rows(PRUNE, vec![horizon.to_string().into()]).await?;
        let removed: i64 =
            only(&rows).and_then(|row| row.try_get("", "removed")).map_err(store_error)?;
        Ok(removed.cast_unsigned())
    }

    async fn definitions(
        &self,
        names: &[DefinedName],
    ) -> Result<BTreeMap<DefinedName, String>, StoreError> {
        if names.is_empty() {
            return Ok(BTreeMap::new());
        }
        let read = || async {
            let mut connection = self
                .engine
                .pool()
                .acquire()
                .await
                .map_err(|error| DbErr::Conn(RuntimeErr::SqlxError(Arc::new(error))))?;
            let found = relations::definitions(&mut connection, names).await;
            found.map_err(|error| DbErr::Query(RuntimeErr::SqlxError(Arc::new(error))))
        };
        self.engine.retrying(read).await
    }

    async fn resolve(&self, tables: &[TableName]) -> Result<Vec<ResolvedTable>, StoreError> {
        if tables.is_empty() {
            return Ok(Vec::new());
        }
        let rows = self.rows(resolve::RESOLVE, resolve::values(tables)).await?;
        resolve::resolved(tables.len(), &rows).map_err(store_error)
    }
}

//! The log of changes on PostgreSQL: written in the transaction that changes something, read by whoever
//! remembers answers. Never decides by a clock what is old: a snapshot sees a transaction, or not.

mod horizons;
mod listener;
mod resolve;
mod touched;
mod watch;

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use metricd_application::ports::{ChangeBatch, ChangeLog, ResolvedTable, StoreError};
use metricd_core::{
    changes::{Change, Changed, Snapshot, TransactionId},
    ids::{MetricId, QueryId},
    sql::TableName,
};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, QueryResult, Statement, Value,
};
use sqlx::postgres::PgConnectOptions;
use tracing::warn;
use uuid::Uuid;

use self::{horizons::Horizons, listener::Listener};
use super::{
    errors::{retry_lost, store_error},
    turns::Turns,
};

pub(super) use touched::{MOST_IDS, Touched, records_table};

/// What is notified at each commit that was noted.
const CHANNEL: &str = "metricd_changes";

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

/// Leaves a mark of how far it went, which takes the place of the one before.
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
pub(super) struct PgChangeLog {
    db: DatabaseConnection,
    connections: u32,
    turns: Turns,
    /// `None` on an engine that nobody else writes to.
    listener: Option<Listener>,
    horizons: Mutex<Horizons>,
}

impl PgChangeLog {
    /// Asks through `db`; hears of others through a connection of its own to `server`, if others there
    /// can be.
    pub(super) fn new(
        db: DatabaseConnection,
        connections: u32,
        turns: Turns,
        server: Option<PgConnectOptions>,
    ) -> Self {
        let listener = server.map(Listener::new);
        Self { db, connections, turns, listener, horizons: Mutex::default() }
    }

    async fn rows(&self, sql: &str, values: Vec<Value>) -> Result<Vec<QueryResult>, StoreError> {
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
        let read = || self.db.query_all_raw(statement.clone());
        let read = async { retry_lost(self.connections, read).await.map_err(store_error) };
        self.turns.within(read).await
    }
}

#[async_trait]
impl ChangeLog for PgChangeLog {
    async fn since(&self, seen: Option<&Snapshot>) -> Result<ChangeBatch, StoreError> {
        let seen = seen.map(ToString::to_string);
        let rows = self.rows(SINCE, vec![seen.into()]).await?;
        news(&rows).map_err(store_error)
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

    async fn resolve(&self, tables: &[TableName]) -> Result<Vec<ResolvedTable>, StoreError> {
        if tables.is_empty() {
            return Ok(Vec::new());
        }
        let rows = self.rows(resolve::RESOLVE, resolve::values(tables)).await?;
        resolve::resolved(tables.len(), &rows).map_err(store_error)
    }
}

fn only(rows: &[QueryResult]) -> Result<&QueryResult, DbErr> {
    rows.first().ok_or_else(|| DbErr::RecordNotFound("changes".into()))
}

/// Something that the database gave and that is not what it should be.
fn unreadable(what: &str, text: &str) -> DbErr {
    DbErr::Type(format!("{text:?} is no {what}"))
}

fn transaction(row: &QueryResult, column: &str) -> Result<TransactionId, DbErr> {
    let text: String = row.try_get("", column)?;
    text.parse().map(TransactionId).map_err(|_| unreadable("transaction", &text))
}

fn news(rows: &[QueryResult]) -> Result<ChangeBatch, DbErr> {
    let first = only(rows)?;
    let snapshot: String = first.try_get("", "snapshot")?;
    let snapshot = snapshot.parse().map_err(|_| unreadable("snapshot", &snapshot))?;
    let mut is_whole: bool = first.try_get("", "is_whole")?;
    let mut changes = Vec::new();
    for row in rows {
        let Some(kind) = row.try_get::<Option<String>>("", "kind")? else {
            continue;
        };
        let by = transaction(row, "xid")?;
        if let Some(all) = changed(&kind, row)? {
            changes.extend(all.into_iter().map(|what| Change { by, what }));
        } else {
            // A newer version of metricd may tell of things that this one knows nothing of.
            warn!(kind, "Change not understood");
            is_whole = false;
        }
    }
    Ok(ChangeBatch { snapshot, changes, is_whole })
}

/// What a row tells of, if this version of metricd understands it.
fn changed(kind: &str, row: &QueryResult) -> Result<Option<Vec<Changed>>, DbErr> {
    let ids: Option<Vec<String>> = row.try_get("", "ids")?;
    Ok(match kind {
        "table" => {
            let schema: Option<String> = row.try_get("", "table_schema")?;
            let name: Option<String> = row.try_get("", "table_name")?;
            let ids = ids.map(BTreeSet::from_iter);
            name.filter(|_| schema.is_some())
                .map(|name| vec![Changed::Table { table: TableName { schema, name }, ids }])
        }
        "metric" => all(ids, |id| Uuid::parse_str(id).ok().map(|id| Changed::Metric(MetricId(id)))),
        "query" => all(ids, |id| QueryId::parse(id).ok().map(Changed::Query)),
        _ => None,
    })
}

fn all(ids: Option<Vec<String>>, of: impl Fn(&str) -> Option<Changed>) -> Option<Vec<Changed>> {
    ids?.iter().map(|id| of(id)).collect()
}

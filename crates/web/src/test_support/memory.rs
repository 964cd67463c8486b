//! The ports in memory: a database of one map each, any token, and policies that deny one caller.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use metricd_application::ports::{
    AuditFilter, AuditLog, Catalog, CatalogCounts, ChangeBatch, ChangeLog, Clock, IdempotencyKeys,
    IdempotentRequest, Ids, KeyClaim, Loading, MetricFilter, Metrics, NextRow, Policies, Queries,
    Records, ResolvedTable, SchemaSource, StagedRecord, StagingOutcome, Store, StoreError,
    StoredEvent, StoredResponse, StoredTable, TokenError, TokenVerifier, UnitOfWork, WatchError,
    Watched, Watching,
};
use metricd_core::{
    actor::{Action, Identity, Object},
    audit::AuditEvent,
    cell::CellType,
    changes::{Changed, DefinedName, Snapshot},
    idempotency::IdempotencyKey,
    ids::{MetricId, QueryId, RecordId},
    metric::{Column, CompiledMetric, Metric, MetricDetails, MetricName, Query, QueryVersion},
    record::MetricRecord,
    schema::{ColumnKind, ColumnSamples, SampledSchema, Schema, Table, TableColumn},
    sql::{Draft, Gate, TableName},
};
use uuid::Uuid;

use super::{DENIED, METRIC, SAMPLE, SQL};

/// A database that takes one unit of work at a time: each has a copy, which replaces the whole on commit.
#[derive(Clone, Default)]
pub(crate) struct MemoryDatabase {
    tables: Arc<Mutex<Tables>>,
    is_down: Arc<AtomicBool>,
    holds_keys: Arc<AtomicBool>,
}

#[derive(Clone, Default)]
struct Tables {
    metrics: BTreeMap<MetricId, Metric>,
    queries: BTreeMap<QueryId, Query>,
    versions: Vec<(QueryId, QueryVersion)>,
    records: Vec<MetricRecord>,
    responses: HashMap<(String, IdempotencyKey), ([u8; 32], StoredResponse)>,
    events: Vec<AuditEvent>,
    denials: Vec<AuditEvent>,
    changes: Vec<Changed>,
}

impl MemoryDatabase {
    /// A database with the metric `METRIC`.
    pub(super) fn with_metric() -> Self {
        let database = Self::default();
        let id = MetricId(Uuid::parse_str(METRIC).expect("it is a UUID"));
        let query_id = QueryId::parse("orders").expect("it is an id");
        let draft = Draft::parse(SQL, &Gate::default()).expect("it is a query");
        let template = draft.assume().expect("it has no parameters");
        let columns = vec![Column { name: "n".into(), ty: "int8".into() }];
        let query = Query { columns, ..Query::new(query_id.clone(), SQL.into(), template) };
        let details = MetricDetails::named(MetricName::parse("Orders").expect("it is a name"));
        database.tables().metrics.insert(id, Metric::new(id, query_id.clone(), details));
        database.tables().queries.insert(query_id, query);
        database
    }

    /// The records that were added.
    pub(crate) fn records(&self) -> Vec<MetricRecord> {
        self.tables().records.clone()
    }

    /// The number of denials in the audit.
    pub(crate) fn denials(&self) -> usize {
        self.tables().denials.len()
    }

    /// The number of writes in the audit.
    pub(crate) fn writes(&self) -> usize {
        self.tables().events.len()
    }

    /// The changes that were noted without a write.
    pub(crate) fn changes(&self) -> Vec<Changed> {
        self.tables().changes.clone()
    }

    /// Locks the metric, as an editor does.
    pub(crate) fn lock_editing(&self) {
        for metric in self.tables().metrics.values_mut() {
            metric.is_editable = false;
        }
    }

    /// Lets a request that has not ended hold every idempotency key.
    pub(crate) fn hold_keys(&self) {
        self.holds_keys.store(true, Ordering::Relaxed);
    }

    /// Makes the database unreachable.
    pub(crate) fn take_down(&self) {
        self.is_down.store(true, Ordering::Relaxed);
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Catalog for MemoryDatabase {
    async fn find(&self, id: MetricId) -> Result<Option<CompiledMetric>, StoreError> {
        let tables = self.tables();
        Ok(tables.metrics.get(&id).cloned().map(|metric| {
            let query = tables.queries[&metric.query_id].clone();
            CompiledMetric { metric, query }
        }))
    }

    async fn list(&self, filter: &MetricFilter) -> Result<Vec<Metric>, StoreError> {
        let tables = self.tables();
        let after = |metric: &&Metric| filter.after.is_none_or(|after| metric.id > after);
        Ok(tables.metrics.values().filter(after).take(filter.limit as usize).cloned().collect())
    }

    async fn versions(
        &self,
        id: &QueryId,
        limit: u32,
        before: Option<i64>,
    ) -> Result<Vec<QueryVersion>, StoreError> {
        let tables = self.tables();
        let versions = tables.versions.iter().rev().filter(|(query, version)| {
            query == id && before.is_none_or(|before| version.version < before)
        });
        Ok(versions.take(limit as usize).map(|(_, version)| version.clone()).collect())
    }

    async fn is_reachable(&self) -> bool {
        !self.is_down.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl ChangeLog for MemoryDatabase {
    async fn since(&self, _: Option<&Snapshot>) -> Result<ChangeBatch, StoreError> {
        unreachable!("no other process writes")
    }

    async fn hint(&self) {
        std::future::pending::<()>().await;
    }

    async fn prune(&self, _: Duration) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn definitions(
        &self,
        _: &[DefinedName],
    ) -> Result<BTreeMap<DefinedName, String>, StoreError> {
        unreachable!("no other process writes")
    }

    async fn resolve(&self, tables: &[TableName]) -> Result<Vec<ResolvedTable>, StoreError> {
        let itself = |table: &TableName| {
            let table = table.clone().qualified();
            let tables = if table.to_string().contains("orders") {
                BTreeSet::from([table])
            } else {
                BTreeSet::new()
            };
            ResolvedTable { tables, is_whole: true }
        };
        Ok(tables.iter().map(itself).collect())
    }
}

#[async_trait]
impl SchemaSource for MemoryDatabase {
    async fn sampled(&self) -> Result<Arc<SampledSchema>, StoreError> {
        if self.is_down.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("the database is down".into()));
        }
        let column = |name: &str, ty: &str, kind| TableColumn {
            name: name.into(),
            ty: ty.into(),
            kind,
            comment: (name == "state").then(|| "How far it has come".into()),
        };
        let tables = [(None, "orders"), (Some("archive"), "Orders.2024")].map(|(schema, name)| {
            let columns = vec![
                column("id", "int8", ColumnKind::Number),
                column("state", "text", ColumnKind::Text),
            ];
            let name = TableName { schema: schema.map(Into::into), name: name.into() };
            Table { name, comment: None, columns, foreign_keys: Vec::new() }
        });
        let mut samples = ColumnSamples::default();
        samples.insert(&tables[0].name, "state", vec![SAMPLE.into()]);
        Ok(Arc::new(SampledSchema { schema: Arc::new(Schema { tables: tables.into() }), samples }))
    }

    async fn schema(&self) -> Result<Arc<Schema>, StoreError> {
        Ok(Arc::clone(&self.sampled().await?.schema))
    }
}

#[async_trait]
impl AuditLog for MemoryDatabase {
    async fn record_denial(&self, event: AuditEvent) {
        self.tables().denials.push(event);
    }

    async fn page(&self, filter: &AuditFilter) -> Result<Vec<StoredEvent>, StoreError> {
        let tables = self.tables();
        let events = (1..).zip(&tables.events);
        let wanted = |event: &AuditEvent| {
            filter.action.is_none_or(|action| event.action == action)
                && filter.since.is_none_or(|since| event.at >= since)
        };
        let events = events
            .filter(|(_, event)| wanted(event))
            .map(|(sequence, event)| StoredEvent { sequence, event: event.clone() });
        Ok(events.take(filter.limit as usize).collect())
    }
}

#[async_trait]
impl Store for MemoryDatabase {
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        if self.is_down.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("the database is down".into()));
        }
        let tables = self.tables().clone();
        Ok(Box::new(MemoryWork { database: self.clone(), tables }))
    }
}

/// A unit of work on a copy of the tables.
struct MemoryWork {
    database: MemoryDatabase,
    tables: Tables,
}

#[async_trait]
impl UnitOfWork for MemoryWork {
    async fn commit(
        mut self: Box<Self>,
        event: &AuditEvent,
        more: &[AuditEvent],
    ) -> Result<(), StoreError> {
        self.tables.events.push(event.clone());
        self.tables.events.extend_from_slice(more);
        *self.database.tables() = self.tables;
        Ok(())
    }

    fn note(&mut self, changed: Changed) {
        self.tables.changes.push(changed);
    }

    async fn lock_catalog(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn counts(&mut self) -> Result<CatalogCounts, StoreError> {
        unreachable!("loads count")
    }
}

#[async_trait]
impl Metrics for MemoryWork {
    async fn lock_metric(&mut self, id: MetricId) -> Result<Option<Metric>, StoreError> {
        Ok(self.tables.metrics.get(&id).cloned())
    }

    async fn lock_all_metrics(&mut self) -> Result<Vec<Metric>, StoreError> {
        Ok(self.tables.metrics.values().cloned().collect())
    }

    async fn lock_metrics_of(&mut self, query: &QueryId) -> Result<Vec<Metric>, StoreError> {
        let metrics = self.tables.metrics.values().filter(|metric| metric.query_id == *query);
        Ok(metrics.cloned().collect())
    }

    async fn insert_metric(&mut self, metric: &Metric) -> Result<(), StoreError> {
        self.tables.metrics.insert(metric.id, metric.clone());
        Ok(())
    }

    async fn update_metric(&mut self, metric: &Metric) -> Result<(), StoreError> {
        self.insert_metric(metric).await
    }

    async fn delete_metric(&mut self, id: MetricId) -> Result<(), StoreError> {
        self.tables.metrics.remove(&id);
        Ok(())
    }
}

#[async_trait]
impl Queries for MemoryWork {
    async fn lock_query(&mut self, id: &QueryId) -> Result<Option<Query>, StoreError> {
        Ok(self.tables.queries.get(id).cloned())
    }

    async fn lock_all_queries(&mut self) -> Result<Vec<Query>, StoreError> {
        Ok(self.tables.queries.values().cloned().collect())
    }

    async fn insert_query(&mut self, query: &Query) -> Result<(), StoreError> {
        self.tables.queries.insert(query.id.clone(), query.clone());
        Ok(())
    }

    async fn update_query(&mut self, query: &Query) -> Result<(), StoreError> {
        self.insert_query(query).await
    }

    async fn keep_version(
        &mut self,
        id: &QueryId,
        version: &QueryVersion,
    ) -> Result<(), StoreError> {
        self.tables.versions.push((id.clone(), version.clone()));
        Ok(())
    }

    async fn delete_unused_query(&mut self, id: &QueryId) -> Result<bool, StoreError> {
        let is_used = self.tables.metrics.values().any(|metric| metric.query_id == *id);
        Ok(!is_used && self.tables.queries.remove(id).is_some())
    }
}

#[async_trait]
impl Records for MemoryWork {
    async fn insert_record(
        &mut self,
        _: RecordId,
        record: &MetricRecord,
    ) -> Result<(), StoreError> {
        self.tables.records.push(record.clone());
        Ok(())
    }

    async fn insert_records(
        &mut self,
        batch: &[(RecordId, MetricRecord)],
    ) -> Result<(), StoreError> {
        self.tables.records.extend(batch.iter().map(|(_, record)| record.clone()));
        Ok(())
    }

    async fn stage_records(&mut self, _: &[StagedRecord]) -> Result<(), StoreError> {
        unreachable!("imports stage records")
    }

    async fn merge_staged(&mut self, _: bool) -> Result<StagingOutcome, StoreError> {
        unreachable!("imports stage records")
    }
}

#[async_trait]
impl IdempotencyKeys for MemoryWork {
    async fn claim(
        &mut self,
        identity: &Identity,
        request: &IdempotentRequest,
        _: DateTime<Utc>,
    ) -> Result<KeyClaim, StoreError> {
        if self.database.holds_keys.load(Ordering::Relaxed) {
            return Ok(KeyClaim::InProgress);
        }
        let key = (identity.subject.clone(), request.key.clone());
        Ok(match self.tables.responses.get(&key) {
            None => KeyClaim::Acquired,
            Some((fingerprint, _)) if *fingerprint != request.fingerprint => KeyClaim::Reused,
            Some((_, response)) => KeyClaim::Replayed(response.clone()),
        })
    }

    async fn store_response(
        &mut self,
        identity: &Identity,
        request: &IdempotentRequest,
        response: &StoredResponse,
        _: DateTime<Utc>,
        _: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let key = (identity.subject.clone(), request.key.clone());
        self.tables.responses.insert(key, (request.fingerprint, response.clone()));
        Ok(())
    }
}

#[async_trait]
impl Watching for MemoryWork {
    async fn watch(&mut self, _: &TableName) -> Result<Vec<Watched>, WatchError> {
        unreachable!("the command line watches")
    }

    async fn unwatch(&mut self, _: &TableName) -> Result<Vec<Watched>, WatchError> {
        unreachable!("the command line watches")
    }
}

#[async_trait]
impl Loading for MemoryWork {
    async fn find_table(&mut self, _: &TableName) -> Result<Option<StoredTable>, StoreError> {
        unreachable!("the command line loads")
    }

    async fn create_table(
        &mut self,
        _: &TableName,
        _: &[(String, CellType)],
    ) -> Result<bool, StoreError> {
        unreachable!("the command line loads")
    }

    async fn empty_table(&mut self, _: &TableName) -> Result<(), StoreError> {
        unreachable!("the command line loads")
    }

    async fn copy_rows(
        &mut self,
        _: &TableName,
        _: &[String],
        _: NextRow<'_>,
    ) -> Result<u64, StoreError> {
        unreachable!("the command line loads")
    }
}

/// Accepts any token as its bearer's name.
pub(super) struct AnyToken;

#[async_trait]
impl TokenVerifier for AnyToken {
    async fn verify(&self, token: &str) -> Result<Arc<Identity>, TokenError> {
        if token == "expired" {
            return Err(TokenError::Expired);
        }
        Ok(Arc::new(Identity {
            issuer: "https://issuer.example".into(),
            subject: token.into(),
            client: None,
            roles: BTreeSet::new(),
            scopes: BTreeSet::new(),
            claims: BTreeMap::new(),
        }))
    }
}

/// Permits everything to every caller but one.
pub(super) struct DenyOne;

impl Policies for DenyOne {
    fn permits(&self, who: &Arc<Identity>, _: Action, _: &Object<'_>) -> bool {
        who.subject != DENIED
    }

    fn might_permit(&self, who: &Arc<Identity>, _: Action) -> bool {
        who.subject != DENIED
    }
}

/// The clock stands at noon of 2025-06-30.
pub(super) struct FixedTime;

impl Clock for FixedTime {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(1_751_284_800, 0).expect("it is an instant")
    }
}

/// Ids that count up, far from the ids of the tests.
#[derive(Default)]
pub(super) struct CountingIds(AtomicU64);

impl Ids for CountingIds {
    fn fresh(&self) -> Uuid {
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        Uuid::from_u128(u128::from(number) + (1 << 100))
    }
}

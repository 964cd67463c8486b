//! The ports to the catalog and the records. Reads go through [`Catalog`]; every write goes through one
//! [`UnitOfWork`], which takes effect on [`UnitOfWork::commit`] and is rolled back when dropped.

use async_trait::async_trait;
use metricd_core::{
    audit::AuditEvent,
    changes::Changed,
    ids::{MetricId, QueryId, RecordId},
    metric::{CompiledMetric, Metric, Query, QueryVersion},
    record::MetricRecord,
};
use uuid::Uuid;

use super::{IdempotencyKeys, Loading, StoreError, Watching};

/// Reads of the catalog, one statement each.
#[async_trait]
pub trait Catalog: Send + Sync {
    /// Returns a metric with its query and layouts.
    async fn find(&self, id: MetricId) -> Result<Option<CompiledMetric>, StoreError>;

    /// Returns the metrics that match `filter`, at most `filter.limit`, with their layouts, ordered by id.
    async fn list(&self, filter: &MetricFilter) -> Result<Vec<Metric>, StoreError>;

    /// Returns earlier versions of a query, at most `limit`, latest first; only those before the version
    /// `before`, if it is given.
    async fn versions(
        &self,
        id: &QueryId,
        limit: u32,
        before: Option<i64>,
    ) -> Result<Vec<QueryVersion>, StoreError>;

    /// Whether the database is reachable. Never queues behind another query.
    async fn is_reachable(&self) -> bool;
}

/// A filter and page over metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricFilter {
    /// The maximum number of metrics.
    pub limit: u32,
    /// Only metrics whose id is greater than this one.
    pub after: Option<MetricId>,
    /// Only metrics whose name, description or tags contain this text, ignoring case.
    pub text: Option<String>,
}

/// The store of the catalog and the records: begins units of work.
#[async_trait]
pub trait Store: Send + Sync {
    /// Begins a transaction.
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError>;
}

/// One transaction across all repositories. Dropping it rolls it back. Every write through it is
/// appended to the log of changes, and reported to this process's [`ChangeSink`](super::ChangeSink) once
/// it is or may be committed.
///
/// Lock order: queries before metrics, and each in the order of their ids, so that units of work do not
/// deadlock.
#[async_trait]
pub trait UnitOfWork: Metrics + Queries + Records + Watching + Loading + IdempotencyKeys {
    /// Commits the transaction together with its audit events, without which there is no write: one for
    /// each metric that was changed, and a single one for a load.
    async fn commit(
        self: Box<Self>,
        event: &AuditEvent,
        more: &[AuditEvent],
    ) -> Result<(), StoreError>;

    /// Appends a change to the log that was not written through this unit of work's own methods.
    fn note(&mut self, changed: Changed);

    /// Acquires the exclusive lock of imports and migrations; released with the transaction.
    async fn lock_catalog(&mut self) -> Result<(), StoreError>;

    /// Counts queries and metrics.
    async fn counts(&mut self) -> Result<CatalogCounts, StoreError>;
}

/// The size of a catalog.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CatalogCounts {
    /// The number of queries.
    pub queries: u64,
    /// The number of metrics.
    pub metrics: u64,
    /// Whether there is any record (counting them all would read the whole table).
    pub has_records: bool,
}

/// Metrics and their layouts, inside a unit of work.
#[async_trait]
pub trait Metrics: Send {
    /// Returns a metric with its layouts, locked against other writers until the transaction ends.
    async fn lock_metric(&mut self, id: MetricId) -> Result<Option<Metric>, StoreError>;

    /// Returns every metric with its layouts, ordered by id, locked against other writers.
    async fn lock_all_metrics(&mut self) -> Result<Vec<Metric>, StoreError>;

    /// Returns the metrics that a query answers, with their layouts, ordered by id, locked against other
    /// writers.
    async fn lock_metrics_of(&mut self, query: &QueryId) -> Result<Vec<Metric>, StoreError>;

    /// Adds a metric with its layouts.
    async fn insert_metric(&mut self, metric: &Metric) -> Result<(), StoreError>;

    /// Writes a metric's own fields and, only when they differ from what is stored, its layouts.
    async fn update_metric(&mut self, metric: &Metric) -> Result<(), StoreError>;

    /// Removes a metric with its layouts. Its records stay: they belong to its query.
    async fn delete_metric(&mut self, id: MetricId) -> Result<(), StoreError>;
}

/// Queries, inside a unit of work.
#[async_trait]
pub trait Queries: Send {
    /// Returns a query, locked against other writers until the transaction ends.
    async fn lock_query(&mut self, id: &QueryId) -> Result<Option<Query>, StoreError>;

    /// Returns every query, ordered by id, locked against other writers.
    async fn lock_all_queries(&mut self) -> Result<Vec<Query>, StoreError>;

    /// Adds a query.
    async fn insert_query(&mut self, query: &Query) -> Result<(), StoreError>;

    /// Writes every field of a query; the caller has incremented its version.
    async fn update_query(&mut self, query: &Query) -> Result<(), StoreError>;

    /// Archives a version that another one replaces.
    async fn keep_version(
        &mut self,
        id: &QueryId,
        version: &QueryVersion,
    ) -> Result<(), StoreError>;

    /// Removes a query if no metric uses it, and returns whether it did.
    async fn delete_unused_query(&mut self, id: &QueryId) -> Result<bool, StoreError>;
}

/// Records, inside a unit of work.
#[async_trait]
pub trait Records: Send {
    /// Adds one record.
    async fn insert_record(
        &mut self,
        id: RecordId,
        record: &MetricRecord,
    ) -> Result<(), StoreError>;

    /// Adds a batch of records, all or none.
    async fn insert_records(
        &mut self,
        batch: &[(RecordId, MetricRecord)],
    ) -> Result<(), StoreError>;

    /// Stages a batch of records from a file, to be counted and keyed by [`Self::merge_staged`].
    async fn stage_records(&mut self, batch: &[StagedRecord]) -> Result<(), StoreError>;

    /// Merges the stage: gives every staged record its key (a UUIDv5 of its content and its ordinal among
    /// equals), stores those that do not exist yet, and empties the stage. Where `are_distinct`, the
    /// search for duplicates is skipped.
    async fn merge_staged(&mut self, are_distinct: bool) -> Result<StagingOutcome, StoreError>;
}

/// A record from a file, to be staged.
#[derive(Debug, Clone, PartialEq)]
pub struct StagedRecord {
    /// Where in the file, from 0.
    pub index: u64,
    /// Line in the file, from 1.
    pub line: u64,
    /// UUIDv5 of the query id and the content; equal records have equal keys.
    pub content_key: Uuid,
    /// The record.
    pub record: MetricRecord,
}

/// The result of merging staged records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StagingOutcome {
    /// Records that were created.
    pub created: u64,
    /// Records that existed already.
    pub unchanged: u64,
    /// Records that equal an earlier one of the same file.
    pub duplicates: u64,
    /// The first duplicates, in file order, as many as a report shows.
    pub first_duplicates: Vec<DuplicateRecord>,
    /// Ids of records that no query has.
    pub unknown_queries: Vec<UnknownQuery>,
}

/// A record that equals an earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DuplicateRecord {
    /// Its index in the file, from 0.
    pub index: u64,
    /// Its line, from 1.
    pub line: u64,
    /// The index of the first record that it equals.
    pub equals: u64,
}

/// Records that belong to no known query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownQuery {
    /// The unknown id.
    pub query_id: QueryId,
    /// The number of its records.
    pub records: u64,
    /// The index of the first one in the file, from 0.
    pub first_index: u64,
    /// The line of the first one, from 1.
    pub first_line: u64,
}

//! The catalog and the records. Reads go through [`Catalog`]; every write goes through one
//! [`UnitOfWork`], which takes effect on [`UnitOfWork::commit`] and is undone when dropped.

use async_trait::async_trait;
use metricd_core::{
    audit::AuditEvent,
    changes::Changed,
    ids::{MetricId, QueryId, RecordId},
    metric::{CompiledMetric, Metric, Query, QueryVersion},
    record::MetricRecord,
};
use thiserror::Error;
use uuid::Uuid;

use super::{IdempotencyKeys, Loading, Watching};

use crate::error::{Cause, Classified, Classify};

/// Reads of the catalog, each one statement.
#[async_trait]
pub trait Catalog: Send + Sync {
    /// A metric with its query and layouts.
    async fn find(&self, id: MetricId) -> Result<Option<CompiledMetric>, StoreError>;

    /// At most `filter.limit` metrics with their layouts, ordered by id.
    async fn list(&self, filter: &MetricFilter) -> Result<Vec<Metric>, StoreError>;

    /// At most `limit` versions that the query had before the present one, the latest first; only
    /// those before the version `before`, if it is given.
    async fn versions(
        &self,
        id: &QueryId,
        limit: u32,
        before: Option<i64>,
    ) -> Result<Vec<QueryVersion>, StoreError>;

    /// Whether the database answers. Never waits behind another query.
    async fn is_reachable(&self) -> bool;
}

/// Which metrics a list holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricFilter {
    /// The most metrics to give.
    pub limit: u32,
    /// Only metrics whose id is greater than this one.
    pub after: Option<MetricId>,
    /// Only metrics whose name, description or tags contain this text, whatever its case.
    pub text: Option<String>,
}

/// Opens units of work.
#[async_trait]
pub trait Store: Send + Sync {
    /// Begins a transaction.
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError>;
}

/// One transaction across all repositories. Dropping it undoes everything. Whatever is written
/// through it is noted in the log of changes with it, and told to this process's caches once it is
/// committed, or may be.
///
/// Whoever locks more than one row locks queries before metrics, and each in the order of their
/// ids: then no two units of work wait for each other.
#[async_trait]
pub trait UnitOfWork: Metrics + Queries + Records + Watching + Loading + IdempotencyKeys {
    /// Makes everything durable, together with the audit's word of it: there is no write without.
    /// One event for each metric that was changed; a load is one in all.
    async fn commit(
        self: Box<Self>,
        event: &AuditEvent,
        more: &[AuditEvent],
    ) -> Result<(), StoreError>;

    /// Has something noted that was not written through this unit of work's own methods.
    fn note(&mut self, changed: Changed);

    /// Waits until nobody else loads or migrates this database; released with the transaction.
    async fn lock_catalog(&mut self) -> Result<(), StoreError>;

    /// How many of each thing there are.
    async fn counts(&mut self) -> Result<CatalogCounts, StoreError>;
}

/// How many of each thing a database holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CatalogCounts {
    /// Queries.
    pub queries: u64,
    /// Metrics.
    pub metrics: u64,
    /// Whether there is any record (counting them all would read the whole table).
    pub has_records: bool,
}

/// Metrics and their layouts, inside a unit of work.
#[async_trait]
pub trait Metrics: Send {
    /// A metric with its layouts, locked against other writers until the transaction ends.
    async fn lock_metric(&mut self, id: MetricId) -> Result<Option<Metric>, StoreError>;

    /// Every metric with its layouts, ordered by id, locked against other writers.
    async fn lock_all_metrics(&mut self) -> Result<Vec<Metric>, StoreError>;

    /// The metrics that a query answers, with their layouts, ordered by id, locked against other
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
    /// A query, locked against other writers until the transaction ends.
    async fn lock_query(&mut self, id: &QueryId) -> Result<Option<Query>, StoreError>;

    /// Every query, ordered by id, locked against other writers.
    async fn lock_all_queries(&mut self) -> Result<Vec<Query>, StoreError>;

    /// Adds a query.
    async fn insert_query(&mut self, query: &Query) -> Result<(), StoreError>;

    /// Writes every field of a query; the caller has counted its version up.
    async fn update_query(&mut self, query: &Query) -> Result<(), StoreError>;

    /// Keeps a version that another takes the place of.
    async fn keep_version(
        &mut self,
        id: &QueryId,
        version: &QueryVersion,
    ) -> Result<(), StoreError>;

    /// Removes a query that no metric uses any more; others are left alone.
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

    /// Adds a batch of records, all or none of them.
    async fn insert_records(
        &mut self,
        batch: &[(RecordId, MetricRecord)],
    ) -> Result<(), StoreError>;

    /// Puts a batch of records from a file aside, to be counted and keyed by [`Self::merge_staged`].
    async fn stage_records(&mut self, batch: &[StagedRecord]) -> Result<(), StoreError>;

    /// Gives every staged record its key (a UUIDv5 of its content and its ordinal among equals),
    /// stores those that are not there yet, and empties the stage. Where `are_distinct`, no two of them
    /// are equal, and none that are need to be looked for.
    async fn merge_staged(&mut self, are_distinct: bool) -> Result<StagingOutcome, StoreError>;
}

/// A record from a file on its way into the table.
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

/// What merging staged records came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StagingOutcome {
    /// Records that were not there before.
    pub created: u64,
    /// Records that were there already.
    pub unchanged: u64,
    /// Records that equal an earlier one of the same file.
    pub duplicates: u64,
    /// The first of those, in file order, as many as a report shows.
    pub first_duplicates: Vec<DuplicateRecord>,
    /// Query ids that records name and no query has, with the first record's place and their number.
    pub unknown_queries: Vec<UnknownQuery>,
}

/// A record that equals an earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DuplicateRecord {
    /// Its place in the file, from 0.
    pub index: u64,
    /// Its line, from 1.
    pub line: u64,
    /// The place of the first record that it equals.
    pub equals: u64,
}

/// Records that belong to no known query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownQuery {
    /// The id that they name.
    pub query_id: QueryId,
    /// How many they are.
    pub records: u64,
    /// The first one's place in the file, from 0.
    pub first_index: u64,
    /// The first one's line, from 1.
    pub first_line: u64,
}

/// Why the store did not do what it was asked.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Something of that identity is there already.
    #[error("a {what} with this id already exists")]
    Duplicate {
        /// `metric`, `query` or `record`.
        what: &'static str,
    },
    /// Something else refers to it, or it refers to something that is not there.
    #[error("the {what} is in use or refers to something that does not exist")]
    Reference {
        /// `metric` or `query`.
        what: &'static str,
    },
    /// The stored row cannot be read as what it should be.
    #[error("the stored {what} {id} is corrupt")]
    Damaged {
        /// `metric` or `query`.
        what: &'static str,
        /// Its id.
        id: String,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The database cannot be reached, or no connection came free in time, or another writer came
    /// between: a later attempt may do better.
    #[error("the database is busy or unreachable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Anything else that the database reports.
    #[error("the database reported an error")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Classify for StoreError {
    fn classify(&self) -> Classified {
        match self {
            Self::Duplicate { .. } | Self::Reference { .. } => Cause::CatalogModified.into(),
            Self::Damaged { .. } | Self::Failed(_) => Cause::Internal.into(),
            Self::Unavailable(_) => Cause::DatabaseUnavailable.into(),
        }
    }
}

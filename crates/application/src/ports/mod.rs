//! What the use cases need from outside, each behind a trait that an adapter implements.

mod clock;
mod generator;
mod query_runner;
mod store;

use std::sync::Arc;

pub use clock::{Clock, Ids};
pub use generator::{GenerateError, Generated, GenerationSource, QueryGenerator};
pub use query_runner::{Description, QueryRunner, Rows, RunError};
pub use store::{
    Catalog, CatalogCounts, MetricFilter, Metrics, Queries, Records, StagedRecord, StagingOutcome,
    Store, StoreError, SurplusRecord, UnitOfWork, UnknownQuery,
};

/// Every port, as the composition root wires them.
#[derive(Clone)]
pub struct Ports {
    /// Reads of the catalog.
    pub catalog: Arc<dyn Catalog>,
    /// Writes, through a unit of work.
    pub store: Arc<dyn Store>,
    /// Runs templates.
    pub runner: Arc<dyn QueryRunner>,
    /// Turns a sentence into SQL.
    pub generator: Arc<dyn QueryGenerator>,
    /// The present instant.
    pub clock: Arc<dyn Clock>,
    /// Fresh identifiers.
    pub ids: Arc<dyn Ids>,
    /// The most rows of one answer.
    pub max_rows: u32,
}

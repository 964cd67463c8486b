//! What the use cases need from outside, each behind a trait that an adapter implements.

mod audit;
mod clock;
mod generator;
mod identity;
mod policies;
mod query_runner;
mod store;

use std::{collections::BTreeSet, sync::Arc};

use metricd_core::claim::ClaimName;

pub use audit::{AuditFilter, AuditLog, StoredEvent};
pub use clock::{Clock, Ids};
pub use generator::{GenerateError, Generated, GenerationSource, QueryGenerator};
pub use identity::{TokenError, TokenVerifier};
pub use policies::Policies;
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
    /// Who may do what.
    pub policies: Arc<dyn Policies>,
    /// What was done and denied.
    pub audit: Arc<dyn AuditLog>,
    /// Runs templates.
    pub runner: Arc<dyn QueryRunner>,
    /// Turns a sentence into SQL.
    pub generator: Arc<dyn QueryGenerator>,
    /// The present instant.
    pub clock: Arc<dyn Clock>,
    /// Fresh identifiers.
    pub ids: Arc<dyn Ids>,
    /// The claims that templates may ask for: others are never read from a token.
    pub claims: Arc<BTreeSet<ClaimName>>,
    /// The most rows of one answer.
    pub max_rows: u32,
}

//! What the use cases need from outside, each behind a trait that an adapter implements.

mod answers;
mod audit;
mod changes;
mod clock;
mod generator;
mod identity;
mod keys;
mod loading;
mod policies;
mod query_runner;
mod schema;
mod store;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use metricd_core::claim::ClaimName;

use crate::{
    admission::Admission,
    freshness::{self, Answers, Definitions},
};

pub use answers::{AnswerDraft, AnswerWriter, Written};
pub use audit::{AuditFilter, AuditLog, StoredEvent};
pub use changes::{
    ChangeLog, ChangeSink, News, NoCaches, ResolvedTable, WatchError, WatchStep, Watched, Watching,
};
pub use clock::{Clock, Ids};
pub use generator::{
    GenerateError, GenerationSource, QueryGenerator, RefusedAttempt, Suggestion, SuggestionRequest,
};
pub use identity::{TokenError, TokenVerifier};
pub use keys::{Claim, KeptAnswer, Keys, Once};
pub use loading::{Loading, NextRow, RowSink, StoredColumn, StoredTable};
pub use policies::Policies;
pub use query_runner::{Description, QueryRunner, RowPiece, RowStream, Rows, RunError};
pub use schema::SchemaSource;
pub use store::{
    Catalog, CatalogCounts, MetricFilter, Metrics, Queries, Records, StagedRecord, StagingOutcome,
    Store, StoreError, SurplusRecord, UnitOfWork, UnknownQuery,
};

/// Every port, as the composition root wires them.
#[derive(Clone)]
pub struct Ports {
    /// Reads of the catalog.
    pub catalog: Arc<dyn Catalog>,
    /// Metrics with their queries, through a memory.
    pub definitions: Definitions,
    /// Answers, through a memory.
    pub answers: Answers,
    /// What has changed, as far as this process knows.
    pub news: Arc<freshness::News>,
    /// Writes, through a unit of work.
    pub store: Arc<dyn Store>,
    /// What was written, by whomever.
    pub changes: Arc<dyn ChangeLog>,
    /// Who may do what.
    pub policies: Arc<dyn Policies>,
    /// What was done and denied.
    pub audit: Arc<dyn AuditLog>,
    /// Runs templates.
    pub runner: Arc<dyn QueryRunner>,
    /// What a query may hold and cost.
    pub admission: Admission,
    /// What a sentence can be grounded in.
    pub schema: Arc<dyn SchemaSource>,
    /// Who turns a sentence into SQL, in the order in which they are asked.
    pub generators: Arc<[Arc<dyn QueryGenerator>]>,
    /// How long all of them together may take for a sentence. Less than a request may: what nobody
    /// answers in time still becomes a metric.
    pub generation_time: Duration,
    /// Whether what a sentence became waits for approval.
    pub approval: Approval,
    /// The present instant.
    pub clock: Arc<dyn Clock>,
    /// Fresh identifiers.
    pub ids: Arc<dyn Ids>,
    /// The claims that templates may ask for: others are never read from a token.
    pub claims: Arc<BTreeSet<ClaimName>>,
    /// The most rows of one answer.
    pub max_rows: u32,
}

/// Whether what a sentence became waits for approval.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Approval {
    /// It answers at once.
    #[default]
    NotNeeded,
    /// It answers nobody until somebody with leave approves it.
    Required,
}

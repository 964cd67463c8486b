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
mod query_fault;
mod query_runner;
mod schema;
mod store;
mod store_error;

pub use answers::{AnswerDraft, AnswerHead, AnswerWriter, RenderedAnswer};
pub use audit::{AuditFilter, AuditLog, StoredEvent};
pub use changes::{
    ChangeBatch, ChangeLog, ChangeSink, NoCaches, ResolvedTable, WatchError, WatchStep, Watched,
    Watching,
};
pub use clock::{Clock, Ids};
pub use generator::{
    GenerateError, GenerationSource, QueryGenerator, RefusedAttempt, Suggestion, SuggestionRequest,
};
pub use identity::{TokenError, TokenVerifier};
pub use keys::{IdempotencyKeys, IdempotentRequest, KeyClaim, StoredResponse};
pub use loading::{Loading, NextRow, RowSink, StoredColumn, StoredTable};
pub use policies::Policies;
pub use query_fault::{QueryFault, before_values};
pub use query_runner::{
    Description, QueryRunner, Relations, RowPiece, RowStream, Rows, RunError, SessionNeeds,
    TemplateDescription,
};
pub use schema::SchemaSource;
pub use store::{
    Catalog, CatalogCounts, DuplicateRecord, MetricFilter, Metrics, Queries, Records, StagedRecord,
    StagingOutcome, Store, UnitOfWork, UnknownQuery,
};
pub use store_error::StoreError;

//! The context of the use cases: the ports, the caches in front of them, and the settings that they go by.
//!
//! The composition root builds one and every use case takes it right after the actor. It holds no state of a
//! request.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use metricd_core::claim::ClaimName;

use crate::{
    admission::Admission,
    freshness::{AnswerCache, ChangeFeed, DefinitionCache},
    ports::{
        AuditLog, Catalog, ChangeLog, Clock, Ids, Policies, QueryGenerator, QueryRunner,
        SchemaSource, Store,
    },
    supervisor::Supervisor,
};

/// Every port, as the composition root wires them.
#[derive(Clone)]
pub struct Context {
    /// Reads of the catalog.
    pub catalog: Arc<dyn Catalog>,
    /// Cached metrics with their compiled queries.
    pub definitions: DefinitionCache,
    /// Cached answers.
    pub answers: AnswerCache,
    /// Keeps both caches in step with the log of changes.
    pub change_feed: Arc<ChangeFeed>,
    /// Writes, through a unit of work.
    pub store: Arc<dyn Store>,
    /// The log of changes itself.
    pub changes: Arc<dyn ChangeLog>,
    /// Who may do what.
    pub policies: Arc<dyn Policies>,
    /// The audit log.
    pub audit: Arc<dyn AuditLog>,
    /// Runs statements.
    pub runner: Arc<dyn QueryRunner>,
    /// Decides whether a query may run.
    pub admission: Admission,
    /// The tables that a sentence can be grounded in.
    pub schema: Arc<dyn SchemaSource>,
    /// Turn a sentence into SQL, in the order in which they are tried.
    pub generators: Arc<[Arc<dyn QueryGenerator>]>,
    /// The time budget of all generators together for one sentence. Shorter than a request's, so that a
    /// sentence without an answer in time still becomes a metric.
    pub generation_time: Duration,
    /// Whether generated queries wait for approval.
    pub approval: Approval,
    /// The present instant.
    pub clock: Arc<dyn Clock>,
    /// Fresh identifiers.
    pub ids: Arc<dyn Ids>,
    /// The claims that templates may ask for; others are never read from a token.
    pub claims: Arc<BTreeSet<ClaimName>>,
    /// The most rows of one answer.
    pub max_rows: u32,
    /// Background work.
    pub supervisor: Supervisor,
}

/// Whether generated queries wait for approval.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Approval {
    /// A generated metric answers at once.
    #[default]
    NotNeeded,
    /// A generated metric answers once a caller with the permission has approved it.
    Required,
}

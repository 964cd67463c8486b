//! The context of the use cases: the ports, the caches in front of them, and the settings that they go by.
//!
//! The composition root builds one and every use case takes it right after the actor. It holds no state of a
//! request.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use chrono::DateTime;
use chrono_tz::Tz;
use metricd_core::{
    claim::ClaimName,
    sql::{Template, ZoneDependence},
    window::{SessionZone, Slots},
};

use crate::{
    admission::Admission,
    freshness::{AnswerCache, AnswerCacheSettings, ChangeFeed, DefinitionCache},
    generation_metrics::GenerationMetrics,
    ports::{
        AnswerWriter, AuditLog, Catalog, ChangeLog, ChangeSink, Clock, Ids, Policies,
        QueryGenerator, QueryRunner, SchemaSource, Store, TemplateDescription,
    },
    query_health::QueryHealth,
    rows::QueryRows,
    supervisor::Supervisor,
};

/// Creates the store that reports what it commits to a sink.
pub type StoreFactory<'a> = Box<dyn FnOnce(Arc<dyn ChangeSink>) -> Arc<dyn Store> + 'a>;

/// The adapters behind the ports, as the composition root picks them.
pub struct Adapters<'a> {
    /// Reads the catalog.
    pub catalog: Arc<dyn Catalog>,
    /// The log of changes.
    pub changes: Arc<dyn ChangeLog>,
    /// Whether other processes can write to the database.
    pub is_shared: bool,
    /// Creates the store.
    pub store: StoreFactory<'a>,
    /// Decides who may do what.
    pub policies: Arc<dyn Policies>,
    /// The audit log.
    pub audit: Arc<dyn AuditLog>,
    /// Runs statements.
    pub runner: Arc<dyn QueryRunner>,
    /// The tables that stored SQL may read.
    pub schema: Arc<dyn SchemaSource>,
    /// Turn a sentence into SQL, in the order in which they are tried.
    pub generators: Arc<[Arc<dyn QueryGenerator>]>,
    /// Renders answers.
    pub writer: Arc<dyn AnswerWriter>,
    /// The present instant.
    pub clock: Arc<dyn Clock>,
    /// Fresh identifiers.
    pub ids: Arc<dyn Ids>,
}

/// The settings that the use cases go by.
#[derive(Debug, Clone)]
pub struct ContextSettings {
    /// Decides whether a query may run.
    pub admission: Admission,
    /// How answers are cached.
    pub answers: AnswerCacheSettings,
    /// The most bytes that cached definitions may take.
    pub max_definition_bytes: u64,
    /// The time budget of all generators together for one sentence. Shorter than a request's, so that a
    /// sentence without an answer in time still becomes a metric.
    pub generation_time: Duration,
    /// Whether generated queries wait for approval.
    pub approval: Approval,
    /// The claims that templates may ask for; others are never read from a token.
    pub claims: Arc<BTreeSet<ClaimName>>,
    /// The most rows of one answer.
    pub max_rows: u32,
    /// The time zones that apply where a request says nothing.
    pub zones: Zones,
}

/// What every use case takes: the ports, the caches in front of them, and the settings.
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
    /// The tables that stored SQL may read.
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
    /// The time zones that apply where a request says nothing.
    pub zones: Zones,
    /// Which metrics' queries fail.
    pub health: QueryHealth,
    /// What is counted of sentences.
    pub generation_metrics: GenerationMetrics,
    /// Background work.
    pub supervisor: Supervisor,
}

impl Context {
    /// Puts the caches in front of the adapters.
    #[must_use]
    pub fn new(adapters: Adapters<'_>, settings: ContextSettings) -> Self {
        let Adapters { catalog, changes, runner, clock, .. } = adapters;
        let ContextSettings { admission, max_rows, .. } = settings;
        let supervisor = Supervisor::default();
        let change_feed = Arc::new(ChangeFeed::new(Arc::clone(&changes), adapters.is_shared));
        let definitions = DefinitionCache::new(
            Arc::clone(&catalog),
            Arc::clone(&runner),
            admission.clone(),
            Arc::clone(&change_feed),
            settings.max_definition_bytes,
        );
        let rows = QueryRows {
            runner: Arc::clone(&runner),
            admission: admission.clone(),
            clock: Arc::clone(&clock),
            max_rows,
        };
        let answers = AnswerCache::new(
            definitions.clone(),
            Arc::clone(&change_feed),
            Arc::new(rows),
            adapters.writer,
            supervisor.clone(),
            settings.answers,
        );
        Self {
            catalog,
            definitions,
            answers,
            store: (adapters.store)(Arc::clone(&change_feed) as _),
            change_feed,
            changes,
            policies: adapters.policies,
            audit: adapters.audit,
            runner,
            admission,
            schema: adapters.schema,
            generators: adapters.generators,
            generation_time: settings.generation_time,
            approval: settings.approval,
            clock,
            ids: adapters.ids,
            claims: settings.claims,
            max_rows,
            zones: settings.zones,
            health: QueryHealth::default(),
            generation_metrics: GenerationMetrics::default(),
            supervisor,
        }
    }
}

impl Context {
    /// The present instant, in the zone that applies where a caller asks for none.
    #[must_use]
    pub fn now(&self) -> DateTime<Tz> {
        self.clock.now().with_timezone(&self.zones.default)
    }
}

/// The time zones that apply where a request says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zones {
    /// The zone of a caller who asks for none.
    pub default: Tz,
    /// The zone that columns of type `timestamp` are written in.
    pub timestamps: Tz,
}

impl Default for Zones {
    fn default() -> Self {
        Self { default: Tz::UTC, timestamps: Tz::UTC }
    }
}

impl Zones {
    /// Returns the slots of `template` with the zone of its sessions, as `description` says.
    pub(crate) fn slots_of(self, template: &Template, description: &TemplateDescription) -> Slots {
        let session_zone = match description.times.zone {
            ZoneDependence::Independent => SessionZone::Any,
            ZoneDependence::Caller => SessionZone::Caller,
            ZoneDependence::Timestamps => SessionZone::Fixed(self.timestamps),
            ZoneDependence::Records => SessionZone::Fixed(Tz::UTC),
        };
        Slots { session_zone, ..template.slots }
    }
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

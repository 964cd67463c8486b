//! Updates a metric: its details, its SQL, or its lock.

use metricd_core::{
    actor::{Action, Actor, Object},
    audit::AuditEvent,
    ids::MetricId,
    metric::{CacheTtl, Column, CompiledMetric, Display, Metric, MetricName, Query, Tag},
    sql::Template,
};
use thiserror::Error;

use super::locking::{Locked, lock};
use crate::{
    Forbidden, authorize, authorize_on,
    compile::{CompileError, compile},
    context::{Approval, Context},
    error::{Cause, Classified, Classify},
    generation::try_stored,
    ports::StoreError,
    rights::{authorize_within, find_readable, may_know},
};

/// A patch of a metric; `None` keeps a field.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Patch {
    /// A new name.
    pub name: Option<MetricName>,
    /// A new description; `Some(None)` removes it.
    pub description: Option<Option<String>>,
    /// A new owner; `Some(None)` removes the owner.
    pub owner: Option<Option<String>>,
    /// New SQL.
    pub query: Option<String>,
    /// New tags, in place of the old ones.
    pub tags: Option<Vec<Tag>>,
    /// A new display.
    pub display: Option<Display>,
    /// A new time to live of its cached answers; `Some(None)` restores the default.
    pub cache_ttl: Option<Option<CacheTtl>>,
    /// `false` locks it; `true` unlocks it, which requires a permission of its own.
    pub is_editable: Option<bool>,
}

/// The reason why a metric was not updated.
#[derive(Debug, Error)]
pub enum UpdateError {
    /// The caller may not change metrics.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// No metric has this id.
    #[error("Metric not found")]
    NotFound,
    /// The metric is locked.
    #[error("The metric is locked")]
    Locked,
    /// Another metric with the same query is locked.
    #[error("The query also answers a metric that is locked")]
    SharedLocked,
    /// The metric's query was replaced concurrently.
    #[error("The metric's query was replaced concurrently")]
    Moved,
    /// The metric is in another state than the caller expects.
    #[error("Precondition failed: the metric was modified concurrently")]
    Stale,
    /// The new SQL does not compile.
    #[error("the query does not compile")]
    Query(#[from] CompileError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Classify for UpdateError {
    fn classify(&self) -> Classified {
        match self {
            Self::Forbidden(error) => error.classify(),
            Self::NotFound => Cause::MetricNotFound.into(),
            Self::Locked => Cause::MetricLocked.into(),
            Self::SharedLocked => Cause::QueryLocked.into(),
            Self::Moved => Cause::QueryModified.into(),
            Self::Stale => Cause::MetricModified.into(),
            Self::Query(error) => error.classify(),
            Self::Store(error) => error.classify(),
        }
    }
}

/// Applies `patch` to the metric `id`, provided that it is in an `expected` state, and returns the changed
/// metric. New SQL also changes every other metric that the same query answers, and its notes are returned with the
/// values of rows that the database quotes of a trial.
///
/// # Errors
/// See [`UpdateError`].
pub async fn update_metric(
    actor: &Actor,
    context: &Context,
    id: MetricId,
    patch: Patch,
    expected: Option<ExpectedState>,
) -> Result<CompiledMetric, UpdateError> {
    authorize(actor, context, Action::Edit, id.into()).await?;
    let known = find_readable(actor, context, id).await?.ok_or(UpdateError::NotFound)?;
    update_known(actor, context, &known, patch, Meant { query: Whose::Any, state: expected }).await
}

/// Whether a metric is in the state that a change was made for.
pub type ExpectedState = Box<dyn Fn(&Metric) -> bool + Send + Sync>;

/// What a change is meant for.
pub(super) struct Meant {
    pub(super) query: Whose,
    /// The state of the metric; none if any is meant.
    pub(super) state: Option<ExpectedState>,
}

/// The query that a change is meant for, when the metric is given another one concurrently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// The metric's query at the time of the change.
    Any,
    /// The query that the change was computed from.
    Known,
}

/// Updates a metric that `actor` may know of.
pub(super) async fn update_known(
    actor: &Actor,
    context: &Context,
    known: &CompiledMetric,
    patch: Patch,
    meant: Meant,
) -> Result<CompiledMetric, UpdateError> {
    let id = known.metric.id;
    authorize_on(actor, context, Action::Edit, Object::Metric(&known.metric)).await?;
    if unlocks(&known.metric, &patch)? {
        authorize_on(actor, context, Action::Unlock, Object::Metric(&known.metric)).await?;
    }
    let compiled = match &patch.query {
        Some(sql) => {
            let (mut template, description) = compile(actor, context, sql).await?;
            let tried = try_stored(actor, context, sql, &mut template, &description).await;
            let notes = tried.map_err(CompileError::from)?;
            Some((sql.clone(), (template, description), notes))
        }
        None => None,
    };
    let mut whole_notes = None;

    let Locked { work, mut query, mut metric, sharing } =
        lock(context, id, known.query.id.clone()).await?.ok_or(UpdateError::NotFound)?;
    if !may_know(actor, context, &metric) {
        return Err(UpdateError::NotFound);
    }
    let mut work = authorize_within(actor, context, Action::Edit, &metric, work).await?;
    if meant.query == Whose::Known && query.id != known.query.id {
        return Err(UpdateError::Moved);
    }
    if meant.state.is_some_and(|expected| !expected(&metric)) {
        return Err(UpdateError::Stale);
    }
    if unlocks(&metric, &patch)? {
        work = authorize_within(actor, context, Action::Unlock, &metric, work).await?;
    }
    let mut changed_with_it = Vec::new();
    if let Some((sql, (template, description), notes)) = compiled {
        whole_notes = Some(notes);
        for other in &sharing {
            work = authorize_within(actor, context, Action::Edit, other, work).await?;
        }
        if sharing.iter().any(|other| !other.is_editable) {
            return Err(UpdateError::SharedLocked);
        }
        let before = query.replaced(context.clock.now(), actor.subject());
        query = changed(query, sql, template, description.columns, context.approval);
        if query.version != before.version {
            work.keep_version(&query.id, &before).await?;
            work.update_query(&query).await?;
            (metric.query_version, metric.review) = (query.version, query.review);
            changed_with_it.extend(sharing.iter().map(|other| other.id));
        }
    }
    apply(&mut metric, patch);
    work.update_metric(&metric).await?;
    let now = context.clock.now();
    let version = Some(query.version);
    let event = |id: MetricId| AuditEvent::done(actor, now, Action::Edit, id.into(), version);
    let more: Vec<_> = changed_with_it.into_iter().map(event).collect();
    work.commit(&event(id), &more).await?;
    if let Some(notes) = whole_notes {
        query.template.notes = notes;
    }
    Ok(CompiledMetric { metric, query })
}

/// Whether a change unlocks the metric. A locked metric accepts no other change.
fn unlocks(metric: &Metric, patch: &Patch) -> Result<bool, UpdateError> {
    match (metric.is_editable, patch.is_editable) {
        (true, _) => Ok(false),
        (false, Some(true)) => Ok(true),
        (false, _) => Err(UpdateError::Locked),
    }
}

/// Returns the query with new SQL, as the next version unless nothing has changed.
fn changed(
    query: Query,
    sql: String,
    template: Template,
    columns: Vec<Column>,
    approval: Approval,
) -> Query {
    if query.sql == sql && query.template == template && query.columns == columns {
        return query;
    }
    let review = query.review.after_edit(approval == Approval::Required);
    Query { sql, template, columns, version: query.version + 1, review, ..query }
}

fn apply(metric: &mut Metric, patch: Patch) {
    let details = &mut metric.details;
    if let Some(name) = patch.name {
        details.name = name;
    }
    if let Some(description) = patch.description {
        details.description = description;
    }
    if let Some(owner) = patch.owner {
        details.owner = owner;
    }
    if let Some(tags) = patch.tags {
        details.tags = tags;
    }
    if let Some(display) = patch.display {
        details.display = display;
    }
    if let Some(cache_ttl) = patch.cache_ttl {
        details.cache_ttl = cache_ttl;
    }
    if let Some(is_editable) = patch.is_editable {
        metric.is_editable = is_editable;
    }
}

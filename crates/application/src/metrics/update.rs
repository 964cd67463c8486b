//! Changes a metric: its details, its SQL, or whether it is locked.

use metricd_core::{
    actor::{Action, Actor},
    ids::MetricId,
    metric::{CompiledMetric, Display, Metric, MetricName, Query, Tag},
    sql::Template,
};
use thiserror::Error;

use super::locking::{Locked, lock};
use crate::{
    Forbidden, authorize,
    compile::{CompileError, compile},
    ports::{Ports, StoreError},
};

/// What to change; `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Patch {
    /// A new name.
    pub name: Option<MetricName>,
    /// A new explanation; `Some(None)` removes it.
    pub description: Option<Option<String>>,
    /// Someone else answers for it; `Some(None)` removes the owner.
    pub owner: Option<Option<String>>,
    /// New SQL.
    pub query: Option<String>,
    /// New tags, in place of the old ones.
    pub tags: Option<Vec<Tag>>,
    /// Another look.
    pub display: Option<Display>,
    /// `false` locks it; `true` unlocks it, which needs a right of its own.
    pub is_editable: Option<bool>,
}

/// Why a metric was not changed.
#[derive(Debug, Error)]
pub enum UpdateError {
    /// The caller may not change metrics.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// No metric has this id.
    #[error("Metric not found")]
    NotFound,
    /// The metric, or another one with the same query, is locked.
    #[error("{0}")]
    Locked(&'static str),
    /// The new SQL does not compile.
    #[error("the query does not compile")]
    Query(#[from] CompileError),
    /// The change could not be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a caller is told of a locked metric.
pub(super) const LOCKED: &str = "Metric is not editable";
const SHARED_LOCKED: &str = "The query also answers a metric that is not editable";

/// Applies `patch` to the metric `id` and gives it as it is afterwards. New SQL also changes every
/// other metric that the same query answers.
///
/// # Errors
/// See [`UpdateError`].
pub async fn update_metric(
    actor: &Actor,
    ports: &Ports,
    id: MetricId,
    patch: Patch,
) -> Result<CompiledMetric, UpdateError> {
    authorize(actor, Action::EditMetric)?;
    let known = ports.catalog.find(id).await?.ok_or(UpdateError::NotFound)?;
    refuse_locked(actor, &known.metric, &patch)?;
    let compiled = match &patch.query {
        Some(sql) => Some((sql.clone(), compile(ports.runner.as_ref(), sql).await?)),
        None => None,
    };

    let Locked { mut work, mut query, mut metric, sharing } =
        lock(ports, id, known.metric.query_id).await?.ok_or(UpdateError::NotFound)?;
    refuse_locked(actor, &metric, &patch)?;
    if let Some((sql, (template, columns))) = compiled {
        if sharing.iter().any(|other| !other.is_editable) {
            return Err(UpdateError::Locked(SHARED_LOCKED));
        }
        query = changed(query, sql, template, columns);
        work.update_query(&query).await?;
        metric.query_version = query.version;
    }
    apply(&mut metric, patch);
    work.update_metric(&metric).await?;
    work.commit().await?;
    Ok(CompiledMetric { metric, query })
}

/// A locked metric can be changed only together with its unlocking.
fn refuse_locked(actor: &Actor, metric: &Metric, patch: &Patch) -> Result<(), UpdateError> {
    if metric.is_editable {
        return Ok(());
    }
    if patch.is_editable != Some(true) {
        return Err(UpdateError::Locked(LOCKED));
    }
    Ok(authorize(actor, Action::UnlockMetric)?)
}

fn changed(
    query: Query,
    sql: String,
    template: Template,
    columns: Vec<metricd_core::metric::Column>,
) -> Query {
    let same = query.sql == sql && query.template == template && query.columns == columns;
    let version = if same { query.version } else { query.version + 1 };
    Query { sql, template, columns, version, ..query }
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
    if let Some(is_editable) = patch.is_editable {
        metric.is_editable = is_editable;
    }
}

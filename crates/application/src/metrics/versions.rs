//! Lists the earlier versions of a metric's query, and rolls back to one.

use metricd_core::{
    actor::{Action, Actor, Object},
    ids::MetricId,
    metric::{CompiledMetric, Query, QueryVersion},
};
use thiserror::Error;

use super::{
    query::QueryError,
    update::{ExpectedState, Meant, Patch, UpdateError, Whose, update_known},
};
use crate::{
    authorize, authorize_on,
    context::Context,
    error::{Cause, Classified, Classify, InputField},
    ports::StoreError,
    rights::find_readable,
};

/// The maximum number of versions on one page.
pub const MAX_VERSIONS: u32 = 200;

/// A page of a query's versions.
#[derive(Debug, Clone, PartialEq)]
pub struct VersionPage {
    /// The query as it is now.
    pub current: Query,
    /// Its earlier versions, latest first.
    pub replaced: Vec<QueryVersion>,
    /// The version before which the next page begins, if there is one.
    pub next: Option<i64>,
}

/// Returns the earlier versions of the query of the metric `id`, latest first: at most `limit`, all of
/// them older than `before`.
///
/// # Errors
/// As for seeing the SQL.
pub async fn list_versions(
    actor: &Actor,
    context: &Context,
    id: MetricId,
    limit: u32,
    before: Option<i64>,
) -> Result<VersionPage, QueryError> {
    authorize(actor, context, Action::ReadSql, id.into()).await?;
    let compiled = find_readable(actor, context, id).await?.ok_or(QueryError::NotFound)?;
    authorize_on(actor, context, Action::ReadSql, Object::Metric(&compiled.metric)).await?;
    let limit = limit.clamp(1, MAX_VERSIONS);
    let query = &compiled.query;
    // One more than the page holds tells whether there is a next page.
    let before = before.map_or(query.version, |before| before.min(query.version));
    let mut replaced = context.catalog.versions(&query.id, limit + 1, Some(before)).await?;
    let next = if replaced.len() > limit as usize {
        replaced.truncate(limit as usize);
        replaced.last().map(|version| version.version)
    } else {
        None
    };
    Ok(VersionPage { current: compiled.query, replaced, next })
}

/// The reason why a query was not rolled back.
#[derive(Debug, Error)]
pub enum RollbackError {
    /// The query never had this version.
    #[error("the query has no version {0}")]
    UnknownVersion(i64),
    /// The reason why the metric was not updated.
    #[error(transparent)]
    Update(#[from] UpdateError),
}

impl Classify for RollbackError {
    fn classify(&self) -> Classified {
        match self {
            Self::UnknownVersion(_) => {
                Classified::faulty(Cause::UnknownVersion, InputField::Version, self)
            }
            Self::Update(UpdateError::Query(error)) => {
                let mut classified = error.classify();
                for fault in &mut classified.faults {
                    fault.field = InputField::SqlOfVersion;
                }
                classified
            }
            Self::Update(error) => error.classify(),
        }
    }
}

impl From<StoreError> for RollbackError {
    fn from(error: StoreError) -> Self {
        Self::Update(error.into())
    }
}

/// Rolls the query of the metric `id` back to its SQL at `version`, provided that the metric is in an `expected` state, as an update like any other: it is
/// gated and compiled again, becomes a new version, and voids an approval.
///
/// # Errors
/// See [`RollbackError`].
pub async fn rollback_metric(
    actor: &Actor,
    context: &Context,
    id: MetricId,
    version: i64,
    expected: Option<ExpectedState>,
) -> Result<CompiledMetric, RollbackError> {
    authorize(actor, context, Action::Edit, id.into()).await.map_err(UpdateError::from)?;
    let found = find_readable(actor, context, id).await?.ok_or(UpdateError::NotFound)?;
    let object = Object::Metric(&found.metric);
    authorize_on(actor, context, Action::Edit, object).await.map_err(UpdateError::from)?;
    // Errors of the old SQL reveal it, so the caller must be permitted to see it.
    authorize_on(actor, context, Action::ReadSql, object).await.map_err(UpdateError::from)?;
    // Read without a lock: versions are immutable, and deleted only with their query.
    let sql = if version == found.query.version {
        Some(found.query.sql.clone())
    } else {
        let before = version.checked_add(1);
        let older = context.catalog.versions(&found.query.id, 1, before).await?;
        older.into_iter().next().filter(|older| older.version == version).map(|older| older.sql)
    };
    let sql = sql.ok_or(RollbackError::UnknownVersion(version))?;
    let patch = Patch { query: Some(sql), ..Patch::default() };
    let meant = Meant { query: Whose::Known, state: expected };
    Ok(update_known(actor, context, &found, patch, meant).await?)
}

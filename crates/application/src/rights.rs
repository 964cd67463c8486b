//! Authorization: checks a caller's permissions, and audits denials.
//!
//! Where the object has to be looked up, a use case authorizes in two steps. [`authorize`] comes before
//! any look-up or validation, so that a caller without the permission learns nothing;
//! [`authorize_on`] comes when the object is known, and [`authorize_within`] where it is locked. A
//! metric that a caller may not read does not exist for that caller: see [`find_readable`].

use std::sync::Arc;

use metricd_core::{
    actor::{Action, Actor, Object},
    audit::{AuditEvent, AuditedAction, AuditedObject},
    ids::MetricId,
    metric::{CompiledMetric, Metric, Review},
};
use thiserror::Error;

use crate::{
    context::Context,
    error::{Cause, Classified, Classify},
    freshness::{Definition, Fresh},
    ports::{StoreError, UnitOfWork},
};

/// The caller lacks a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("permission denied")]
pub struct Forbidden;

impl Classify for Forbidden {
    fn classify(&self) -> Classified {
        Cause::Forbidden.into()
    }
}

/// Authorizes `action` before its object is known; a denial is audited as one on `object`, which need
/// not exist.
///
/// # Errors
/// When there is no object on which the actor could have the permission.
pub async fn authorize(
    actor: &Actor,
    context: &Context,
    action: Action,
    object: AuditedObject,
) -> Result<(), Forbidden> {
    if might_permit(actor, context, action) {
        return Ok(());
    }
    Err(Box::pin(deny(actor, context, action, object)).await)
}

/// Authorizes `action` on `object`; a denial is audited. Must not be called while a unit of work is
/// open: the audit writes in a transaction of its own.
///
/// # Errors
/// When the actor lacks the permission.
pub async fn authorize_on(
    actor: &Actor,
    context: &Context,
    action: Action,
    object: Object<'_>,
) -> Result<(), Forbidden> {
    if permits(actor, context, action, object) {
        return Ok(());
    }
    Err(deny(actor, context, action, object.into()).await)
}

/// Authorizes `action` again on a metric that is locked in `work`, because the fields that policies
/// read may have changed. Returns `work`; a denial rolls it back before it is audited.
pub(crate) async fn authorize_within(
    actor: &Actor,
    context: &Context,
    action: Action,
    metric: &Metric,
    work: Box<dyn UnitOfWork>,
) -> Result<Box<dyn UnitOfWork>, Forbidden> {
    if may_know(actor, context, metric) && permits(actor, context, action, Object::Metric(metric)) {
        return Ok(work);
    }
    drop(work);
    Err(deny(actor, context, action, metric.id.into()).await)
}

/// Whether there could be an object on which the actor has the permission. Audits nothing.
pub(crate) fn might_permit(actor: &Actor, context: &Context, action: Action) -> bool {
    actor.is_operator() || context.policies.might_permit(actor.identity(), action)
}

/// Whether the actor has the permission. Audits nothing.
pub(crate) fn permits(
    actor: &Actor,
    context: &Context,
    action: Action,
    object: Object<'_>,
) -> bool {
    actor.is_operator() || context.policies.permits(actor.identity(), action, &object)
}

/// Whether the actor may know that the metric exists. One that waits for approval is visible only to
/// callers who can approve or edit it.
pub(crate) fn may_know(actor: &Actor, context: &Context, metric: &Metric) -> bool {
    let may = |action| permits(actor, context, action, Object::Metric(metric));
    let may_help = || may(Action::Approve) || may(Action::Edit);
    may(Action::Read) && (metric.review != Review::Waiting || may_help())
}

/// Returns the metric `id` with its query from the cache, if it exists and the actor may know of it, and the token
/// to read its answers with. For use cases that do not change it.
pub(crate) async fn find_definition(
    actor: &Actor,
    context: &Context,
    id: MetricId,
) -> Result<Option<(Arc<Definition>, Fresh)>, Arc<StoreError>> {
    let fresh = context.change_feed.ensure_fresh().await?;
    let may_know = |found: &CompiledMetric| may_know(actor, context, &found.metric);
    let (found, fresh) = context.definitions.find_known(id, fresh, may_know).await?;
    Ok(found.map(|definition| (definition, fresh)))
}

/// Returns the metric `id` with its query from the catalog, if it exists and the actor may know of it.
pub(crate) async fn find_readable(
    actor: &Actor,
    context: &Context,
    id: MetricId,
) -> Result<Option<CompiledMetric>, StoreError> {
    let found = context.catalog.find(id).await?;
    Ok(found.filter(|compiled| may_know(actor, context, &compiled.metric)))
}

/// Audits that the actor was denied `action`, and returns the denial.
pub async fn deny(
    actor: &Actor,
    context: &Context,
    action: impl Into<AuditedAction>,
    object: AuditedObject,
) -> Forbidden {
    let event = AuditEvent::denied(actor, context.clock.now(), action.into(), object);
    context.audit.record_denial(event).await;
    Forbidden
}

//! Leave for actions, and what becomes of a caller who has none.
//!
//! Where the object has to be looked up, a use case asks in two steps. [`authorize`] comes before
//! anything is looked up or even checked, so that whoever has no such right at all learns nothing;
//! [`authorize_on`] comes when the object is known, and [`authorize_within`] where it is locked. A
//! metric that a caller may not read is, to that caller, not there: see
//! [`find_readable`].

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

/// The caller may not do what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("permission denied")]
pub struct Forbidden;

impl Classify for Forbidden {
    fn classify(&self) -> Classified {
        Cause::Forbidden.into()
    }
}

/// Asks leave for `action` on anything at all; a denial is audited as one on `object`, which nobody
/// has looked for yet.
///
/// # Errors
/// When there is nothing on which the actor could have leave.
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

/// Asks leave for `action` on `object`; a denial is audited. Not to be called while a unit of work
/// is open: the audit needs the database for itself.
///
/// # Errors
/// When the actor has none.
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

/// Asks leave again for `action` on a metric that is locked in `work`, because what rights go by may
/// have changed since it was read. Gives `work` back; a denial undoes it first.
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

/// Whether there could be anything on which the actor has leave. Leaves no trace.
pub(crate) fn might_permit(actor: &Actor, context: &Context, action: Action) -> bool {
    actor.is_operator() || context.policies.might_permit(actor.identity(), action)
}

/// Whether the actor has leave. Leaves no trace.
pub(crate) fn permits(
    actor: &Actor,
    context: &Context,
    action: Action,
    object: Object<'_>,
) -> bool {
    actor.is_operator() || context.policies.permits(actor.identity(), action, &object)
}

/// Whether the actor may know that the metric is there. One that waits for approval is there for
/// those only who could do something about it.
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
    let (found, fresh) = context.definitions.find(id, fresh).await?;
    let found = found.filter(|found| may_know(actor, context, &found.compiled.metric));
    Ok(found.map(|definition| (definition, fresh)))
}

/// The metric `id` with its query, if it is there and the actor may know of it, as the catalog has it.
pub(crate) async fn find_readable(
    actor: &Actor,
    context: &Context,
    id: MetricId,
) -> Result<Option<CompiledMetric>, StoreError> {
    let found = context.catalog.find(id).await?;
    Ok(found.filter(|compiled| may_know(actor, context, &compiled.metric)))
}

/// Writes into the audit that the actor was denied `action`, which is denied whatever becomes of that.
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

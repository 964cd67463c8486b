//! Removes a metric.

use metricd_core::{
    actor::{Action, Actor, Object},
    audit::{AuditEvent, AuditedObject},
    ids::MetricId,
};
use thiserror::Error;

use super::{
    locking::{Locked, lock},
    update::LOCKED,
};
use crate::{
    Forbidden, authorize, authorize_on, deny,
    ports::{Ports, StoreError},
    rights::{find_readable, may_read, permits},
};

/// Why a metric was not removed.
#[derive(Debug, Error)]
pub enum DeleteError {
    /// The caller may not remove metrics.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// No metric has this id.
    #[error("Metric not found")]
    NotFound,
    /// The metric is locked.
    #[error("{LOCKED}")]
    Locked,
    /// It could not be removed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Removes the metric `id`, and its query when no other metric uses it. Records stay.
///
/// # Errors
/// See [`DeleteError`].
pub async fn delete_metric(actor: &Actor, ports: &Ports, id: MetricId) -> Result<(), DeleteError> {
    authorize(actor, ports, Action::Delete, id.into()).await?;
    let known = find_readable(actor, ports, id).await?.ok_or(DeleteError::NotFound)?;
    authorize_on(actor, ports, Action::Delete, Object::Metric(&known.metric)).await?;
    let Locked { mut work, metric, .. } =
        lock(ports, id, known.metric.query_id).await?.ok_or(DeleteError::NotFound)?;
    if !may_read(actor, ports, &metric) {
        return Err(DeleteError::NotFound);
    }
    if !permits(actor, ports, Action::Delete, Object::Metric(&metric)) {
        drop(work);
        return Err(deny(actor, ports, Action::Delete, AuditedObject::Metric(id)).await.into());
    }
    if !metric.is_editable {
        return Err(DeleteError::Locked);
    }
    work.delete_metric(id).await?;
    work.delete_unused_query(&metric.query_id).await?;
    let object = AuditedObject::Metric(id);
    let version = Some(metric.query_version);
    work.commit(&[AuditEvent::done(actor, ports.clock.now(), Action::Delete, object, version)])
        .await?;
    Ok(())
}

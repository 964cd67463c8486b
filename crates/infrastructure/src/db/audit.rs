//! The audit on PostgreSQL: events are added by the unit of work that they describe; denials, which have
//! none, are added here. Nothing changes or removes one.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use metricd_application::{
    error_chain,
    ports::{AuditFilter, AuditLog, StoreError, StoredEvent},
};
use metricd_core::audit::AuditEvent;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use tokio::sync::Semaphore;
use tracing::{Instrument, error};

use super::{
    engine::Engine,
    entities::audit_events::{ActiveModel, Column, Entity, object_columns},
    errors::corrupt,
};

/// How long a denied caller waits for the audit, and how long the pause between two attempts is.
const WAIT: Duration = Duration::from_secs(1);
/// How often a denial is written again while the database is unavailable.
const ATTEMPTS: u32 = 12;
/// The most denials that wait for the database at a time. Beyond them, one is logged and lost.
const MAX_WAITING: usize = 256;

/// The audit outside of units of work.
pub(super) struct PgAuditLog {
    engine: Arc<Engine>,
    waiting: Arc<Semaphore>,
}

impl PgAuditLog {
    pub(super) fn new(engine: Arc<Engine>) -> Self {
        Self { engine, waiting: Arc::new(Semaphore::new(MAX_WAITING)) }
    }
}

/// Adds an event by a statement of its own.
async fn add(engine: &Engine, event: &AuditEvent) -> Result<(), StoreError> {
    engine.room().check_before_write().map_err(|error| StoreError::DiskFull(error.into()))?;
    let add = || async {
        let row = ActiveModel::from(event);
        Entity::insert(row).exec_without_returning(engine.orm()).await
    };
    engine.retrying(add).await.map(|_| ())
}

fn lose(event: &AuditEvent, failure: Option<&StoreError>) {
    let (subject, action) = (event.subject.as_str(), event.action.as_str());
    let object = object_columns(&event.object).1;
    let error = failure.map(|failure| error_chain(failure));
    error!(subject, action, object, error, "Audit event lost");
}

#[async_trait]
impl AuditLog for PgAuditLog {
    async fn record_denial(&self, event: AuditEvent) {
        let Ok(permit) = Arc::clone(&self.waiting).try_acquire_owned() else {
            lose(&event, None);
            return;
        };
        let engine = Arc::clone(&self.engine);
        let recording = async move {
            let mut attempt = 1;
            loop {
                match add(&engine, &event).await {
                    Err(StoreError::Unavailable(_) | StoreError::DiskFull(_))
                        if attempt < ATTEMPTS =>
                    {
                        attempt += 1;
                        // Once the connections are closed, the next attempt is the last.
                        let closed = engine.pool().close_event();
                        if tokio::time::timeout(WAIT, closed).await.is_ok() {
                            attempt = ATTEMPTS;
                        }
                    }
                    Err(failure) => break lose(&event, Some(&failure)),
                    Ok(()) => break,
                }
            }
            drop(permit);
        };
        let recorded = tokio::spawn(recording.in_current_span());
        // Past the time-out the task goes on by itself.
        let _ = tokio::time::timeout(WAIT, recorded).await;
    }

    async fn page(&self, filter: &AuditFilter) -> Result<Vec<StoredEvent>, StoreError> {
        let select =
            matching(filter).order_by_desc(Column::Sequence).limit(u64::from(filter.limit));
        let read = || select.clone().all(self.engine.orm());
        let rows = self.engine.retrying(read).await?;
        rows.into_iter()
            .map(|row| {
                let sequence = row.sequence;
                StoredEvent::try_from(row).map_err(corrupt("audit event", sequence))
            })
            .collect()
    }
}

fn matching(filter: &AuditFilter) -> Select<Entity> {
    let mut select = Entity::find();
    if let Some(before) = filter.before {
        select = select.filter(Column::Sequence.lt(before));
    }
    if let Some(subject) = &filter.subject {
        select = select.filter(Column::Subject.eq(subject));
    }
    if let Some(action) = filter.action {
        select = select.filter(Column::Action.eq(action.as_str()));
    }
    if let Some(object) = &filter.object {
        let (kind, id) = object_columns(object);
        select = select.filter(Column::ObjectKind.eq(kind));
        if let Some(id) = id {
            select = select.filter(Column::ObjectId.eq(id));
        }
    }
    if let Some(outcome) = filter.outcome {
        select = select.filter(Column::Outcome.eq(outcome.as_str()));
    }
    if let Some(request_id) = &filter.request_id {
        select = select.filter(Column::RequestId.eq(request_id));
    }
    if let Some(since) = filter.since {
        select = select.filter(Column::At.gte(since));
    }
    if let Some(until) = filter.until {
        select = select.filter(Column::At.lt(until));
    }
    select
}

//! The audit on PostgreSQL: events are added by the unit of work that they tell of, and read here.
//! Nothing changes or removes one.

use async_trait::async_trait;
use metricd_application::ports::{AuditFilter, AuditLog, StoreError, StoredEvent};
use sea_orm::{
    ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
};

use super::{
    entities::audit_events::{Column, Entity, object_columns},
    errors::{damaged, retry_lost, store_error},
    turns::Turns,
};

/// Reads of the audit.
pub(crate) struct PgAuditLog {
    db: DatabaseConnection,
    connections: u32,
    turns: Turns,
}

impl PgAuditLog {
    pub(crate) fn new(db: DatabaseConnection, connections: u32, turns: Turns) -> Self {
        Self { db, connections, turns }
    }
}

#[async_trait]
impl AuditLog for PgAuditLog {
    async fn page(&self, filter: &AuditFilter) -> Result<Vec<StoredEvent>, StoreError> {
        let select =
            matching(filter).order_by_desc(Column::Sequence).limit(u64::from(filter.limit));
        let read = || select.clone().all(&self.db);
        let read = async { retry_lost(self.connections, read).await.map_err(store_error) };
        let rows = self.turns.within(read).await?;
        rows.into_iter()
            .map(|row| {
                let sequence = row.sequence;
                StoredEvent::try_from(row).map_err(damaged("audit event", sequence))
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

//! The port to the audit log: what was done and what was denied. It can be neither changed nor emptied.

use async_trait::async_trait;
use metricd_core::audit::{AuditEvent, AuditOutcome, AuditedAction, AuditedObject};

use super::StoreError;

/// The audit log, outside of units of work.
#[async_trait]
pub trait AuditLog: Send + Sync {
    /// Appends an event that belongs to no write. It is written even if the caller disconnects, and
    /// returns soon: while the database is busy it is retried in the background, and an event that is
    /// lost in the end is logged.
    async fn record_denial(&self, event: AuditEvent);

    /// Returns the events that match `filter`, at most `filter.limit`, latest first.
    async fn page(&self, filter: &AuditFilter) -> Result<Vec<StoredEvent>, StoreError>;
}

/// An event with its sequence number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Ascending, with gaps.
    pub sequence: i64,
    /// What happened.
    pub event: AuditEvent,
}

/// A filter over audit events; `None` matches any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// The maximum number of events.
    pub limit: u32,
    /// Only events before this one.
    pub before: Option<i64>,
    /// Only events of this caller.
    pub subject: Option<String>,
    /// Only events of this action.
    pub action: Option<AuditedAction>,
    /// Only events of this object.
    pub object: Option<AuditedObject>,
    /// Only events with this outcome.
    pub outcome: Option<AuditOutcome>,
    /// Only events of the request of this id.
    pub request_id: Option<String>,
    /// Only events at or after this instant.
    pub since: Option<chrono::DateTime<chrono::Utc>>,
    /// Only events before this instant.
    pub until: Option<chrono::DateTime<chrono::Utc>>,
}

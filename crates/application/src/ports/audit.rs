//! The audit: what was done and denied. There is no way to change or remove what it holds.

use async_trait::async_trait;
use metricd_core::audit::{AuditEvent, AuditOutcome, AuditedAction, AuditedObject};

use super::StoreError;

/// The audit outside of units of work.
#[async_trait]
pub trait AuditLog: Send + Sync {
    /// Adds an event that goes with no write. It is written even if the caller goes away meanwhile,
    /// and nobody waits long for it: where the database has no time for it at present, it is tried
    /// again in the background, and the log says what is lost in the end.
    async fn record_denial(&self, event: AuditEvent);

    /// At most `filter.limit` events, the latest first.
    async fn page(&self, filter: &AuditFilter) -> Result<Vec<StoredEvent>, StoreError>;
}

/// An event with its place in the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Counts up; later events have greater numbers, but not every number is there.
    pub sequence: i64,
    /// What happened.
    pub event: AuditEvent,
}

/// Which events a page holds; `None` asks for any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// The most events to give.
    pub limit: u32,
    /// Only events before this one.
    pub before: Option<i64>,
    /// Only events of this caller.
    pub subject: Option<String>,
    /// Only events of this action.
    pub action: Option<AuditedAction>,
    /// Only events of this object.
    pub object: Option<AuditedObject>,
    /// Only events that ended like this.
    pub outcome: Option<AuditOutcome>,
    /// Only events of the request of this id.
    pub request_id: Option<String>,
    /// Only events at or after this instant.
    pub since: Option<chrono::DateTime<chrono::Utc>>,
    /// Only events before this instant.
    pub until: Option<chrono::DateTime<chrono::Utc>>,
}

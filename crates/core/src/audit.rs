//! The audit log: what was done and what was denied.

use std::net::IpAddr;

use chrono::{DateTime, Utc};

use crate::{
    actor::{Action, Actor, Object},
    ids::MetricId,
};

/// An event of the audit log. It is written once and never changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// When it happened.
    pub at: DateTime<Utc>,
    /// The issuer of the caller's token.
    pub issuer: String,
    /// The subject of the caller's token.
    pub subject: String,
    /// The action that was done or denied.
    pub action: AuditedAction,
    /// Its object.
    pub object: AuditedObject,
    /// The version of the object after it: of the layouts for [`Action::Arrange`], of the query for
    /// every other action; `None` if nothing was written or nothing has a version.
    pub version: Option<i64>,
    /// The client's address.
    pub address: Option<IpAddr>,
    /// The id of the request.
    pub request_id: Option<String>,
    /// The outcome.
    pub outcome: AuditOutcome,
}

/// An action in the audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuditedAction {
    /// An action that a use case authorizes.
    Requested(Action),
    /// Authentication, with a token that was not issued for metricd.
    Enter,
}

impl AuditedAction {
    /// Returns the action as the audit log writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested(action) => action.as_str(),
            Self::Enter => "enter",
        }
    }

    /// Parses an action.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        match Action::from_word(word) {
            Some(action) => Some(Self::Requested(action)),
            None => (word == Self::Enter.as_str()).then_some(Self::Enter),
        }
    }
}

impl From<Action> for AuditedAction {
    fn from(action: Action) -> Self {
        Self::Requested(action)
    }
}

/// The object of an audited action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditedObject {
    /// The whole catalog.
    Catalog,
    /// A metric.
    Metric(MetricId),
    /// A table, with its schema.
    Table(String),
}

/// The outcome of an audited action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuditOutcome {
    /// It was done.
    Done,
    /// The caller had no permission.
    Denied,
}

impl AuditOutcome {
    /// Returns the outcome as the audit log writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Denied => "denied",
        }
    }

    /// Parses an outcome.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Done, Self::Denied].into_iter().find(|outcome| outcome.as_str() == word)
    }
}

impl AuditEvent {
    /// Creates the event of an `action` that `actor` has done to `object`, which has `version` now.
    #[must_use]
    pub fn done(
        actor: &Actor,
        at: DateTime<Utc>,
        action: Action,
        object: AuditedObject,
        version: Option<i64>,
    ) -> Self {
        Self { version, ..Self::new(actor, at, action.into(), object, AuditOutcome::Done) }
    }

    /// Creates the event of an `action` on `object` that `actor` was denied.
    #[must_use]
    pub fn denied(
        actor: &Actor,
        at: DateTime<Utc>,
        action: AuditedAction,
        object: AuditedObject,
    ) -> Self {
        Self::new(actor, at, action, object, AuditOutcome::Denied)
    }

    fn new(
        actor: &Actor,
        at: DateTime<Utc>,
        action: AuditedAction,
        object: AuditedObject,
        outcome: AuditOutcome,
    ) -> Self {
        let (identity, call) = (actor.identity(), actor.call());
        Self {
            at,
            issuer: identity.issuer.clone(),
            subject: identity.subject.clone(),
            action,
            object,
            version: None,
            address: call.address,
            request_id: call.request_id.clone(),
            outcome,
        }
    }
}

impl From<MetricId> for AuditedObject {
    fn from(id: MetricId) -> Self {
        Self::Metric(id)
    }
}

impl From<Object<'_>> for AuditedObject {
    fn from(object: Object<'_>) -> Self {
        match object {
            Object::Catalog => Self::Catalog,
            Object::Metric(metric) => Self::Metric(metric.id),
            Object::Table(table) => Self::Table(table.with_schema()),
        }
    }
}

//! What was done, and what was denied, for whoever answers for the data.

use std::net::IpAddr;

use chrono::{DateTime, Utc};

use crate::{
    actor::{Action, Actor, Object},
    ids::MetricId,
};

/// One line of the audit. It is written once and never changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// When it happened.
    pub at: DateTime<Utc>,
    /// Who vouches for the caller.
    pub issuer: String,
    /// The caller's name there.
    pub subject: String,
    /// What was done or tried.
    pub action: AuditedAction,
    /// What it was done to.
    pub object: AuditedObject,
    /// The object's version after it: of the layouts for [`Action::Arrange`], of the query for every
    /// other action; `None` where nothing was written or nothing has a version.
    pub version: Option<i64>,
    /// The machine that asked.
    pub address: Option<IpAddr>,
    /// The id of the request.
    pub request_id: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
}

/// What was done or tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuditedAction {
    /// What a use case asks leave for.
    Asked(Action),
    /// Coming in at all, with a token that was not made for metricd.
    Enter,
}

impl AuditedAction {
    /// The action as the audit writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Asked(action) => action.as_str(),
            Self::Enter => "enter",
        }
    }

    /// The action of this name.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        match Action::from_word(word) {
            Some(action) => Some(Self::Asked(action)),
            None => (word == Self::Enter.as_str()).then_some(Self::Enter),
        }
    }
}

impl From<Action> for AuditedAction {
    fn from(action: Action) -> Self {
        Self::Asked(action)
    }
}

/// What an audited action was done to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditedObject {
    /// No single thing.
    Catalog,
    /// A metric.
    Metric(MetricId),
    /// A table, with its schema.
    Table(String),
}

/// How an audited action ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was done.
    Done,
    /// The caller had no right to it.
    Denied,
}

impl Outcome {
    /// The outcome as the audit writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Denied => "denied",
        }
    }

    /// The outcome of this name.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Done, Self::Denied].into_iter().find(|outcome| outcome.as_str() == word)
    }
}

impl AuditEvent {
    /// `actor` has done `action` to `object`, which has `version` now.
    #[must_use]
    pub fn done(
        actor: &Actor,
        at: DateTime<Utc>,
        action: Action,
        object: AuditedObject,
        version: Option<i64>,
    ) -> Self {
        Self { version, ..Self::new(actor, at, action.into(), object, Outcome::Done) }
    }

    /// `actor` had no right to do `action` to `object`.
    #[must_use]
    pub fn denied(
        actor: &Actor,
        at: DateTime<Utc>,
        action: AuditedAction,
        object: AuditedObject,
    ) -> Self {
        Self::new(actor, at, action, object, Outcome::Denied)
    }

    fn new(
        actor: &Actor,
        at: DateTime<Utc>,
        action: AuditedAction,
        object: AuditedObject,
        outcome: Outcome,
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

//! Who is calling.

use std::fmt;

/// A verified caller. Everything that depends on who is asking (a cache key, a stream topic, an
/// export) is made from one of these, so that forgetting the caller does not compile.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Actor {
    subject: String,
}

impl Actor {
    /// The one caller of a server that checks no tokens; such a server listens on loopback only.
    #[must_use]
    pub fn development() -> Self {
        Self { subject: "development".into() }
    }

    /// The machine's operator, acting through the command line.
    #[must_use]
    pub fn operator() -> Self {
        Self { subject: "operator".into() }
    }

    /// A stable name of the caller, for logs and audit.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Whether the caller may do `action`. The two callers that exist without tokens may do
    /// everything.
    #[must_use]
    pub fn may(&self, action: Action) -> bool {
        match action {
            Action::ReadMetric
            | Action::ReadQuery
            | Action::CreateMetric
            | Action::EditMetric
            | Action::UnlockMetric
            | Action::DeleteMetric
            | Action::AddRecord
            | Action::ImportCatalog => true,
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.subject)
    }
}

/// What a use case asks leave for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// See a metric and its rows.
    ReadMetric,
    /// See a metric's SQL.
    ReadQuery,
    /// Make a metric; with SQL of one's own this is a right over all rows.
    CreateMetric,
    /// Change or move a metric.
    EditMetric,
    /// Change a metric that is locked (`is_editable: false`).
    UnlockMetric,
    /// Remove a metric.
    DeleteMetric,
    /// Post a record.
    AddRecord,
    /// Load a catalog.
    ImportCatalog,
}

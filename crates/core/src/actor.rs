//! The caller of an operation, and the actions that need permission.
//!
//! Never verifies a token: an [`Actor`] is made from a verified one.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::IpAddr,
    sync::Arc,
};

use crate::{
    claim::{ClaimName, ClaimValue, Claims, Scope, ScopeFault},
    metric::Metric,
    sql::TableName,
};

/// The identity that a verified token states, and the input of authorization. Two tokens that state
/// the same give equal identities.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The issuer of the token: its `iss`.
    pub issuer: String,
    /// The subject: unique for its issuer.
    pub subject: String,
    /// The client application that the token was issued to, if it says so.
    pub client: Option<String>,
    /// The caller's roles.
    pub roles: BTreeSet<Role>,
    /// The token's scopes.
    pub scopes: BTreeSet<String>,
    /// The claims that metricd is configured to read.
    pub claims: Claims,
}

/// The role of a caller. A later role may do everything that an earlier one may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Reads metrics.
    Viewer,
    /// Creates and changes metrics, and writes SQL.
    Editor,
    /// May do everything.
    Admin,
}

impl Role {
    /// All roles, the least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Editor, Self::Admin];

    /// Returns the role as settings, policies and the command line write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Admin => "admin",
        }
    }

    /// Parses a role.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The origin of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Call {
    /// The id of the request, if it was one.
    pub request_id: Option<String>,
    /// The client's address, if it came over a network.
    pub address: Option<IpAddr>,
}

/// The caller in one call: a verified identity, or the machine's operator.
///
/// Everything that depends on the caller (a cache key, a stream topic, an export) is made from an
/// actor, through [`Self::scope`].
#[derive(Debug, Clone)]
pub struct Actor {
    identity: Arc<Identity>,
    call: Call,
    is_operator: bool,
}

impl Actor {
    /// Creates the actor of a verified token.
    #[must_use]
    pub fn verified(identity: Arc<Identity>, call: Call) -> Self {
        Self { identity, call, is_operator: false }
    }

    /// Creates the machine's operator, who uses the command line.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "one of the two ways to make one")]
    pub fn operator() -> Self {
        Self::operator_claiming(BTreeMap::new())
    }

    /// Creates the operator with the claims of a caller whose rows to read.
    #[must_use]
    pub fn operator_claiming(claims: BTreeMap<ClaimName, String>) -> Self {
        let claims =
            claims.into_iter().map(|(name, text)| (name, ClaimValue::Text(text))).collect();
        let identity = Identity {
            issuer: "command line".into(),
            subject: "operator".into(),
            client: None,
            roles: BTreeSet::new(),
            scopes: BTreeSet::new(),
            claims,
        };
        Self { identity: Arc::new(identity), call: Call::default(), is_operator: true }
    }

    /// Returns the identity.
    #[must_use]
    pub fn identity(&self) -> &Arc<Identity> {
        &self.identity
    }

    /// Returns a stable name of the caller, for logs and audit.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.identity.subject
    }

    /// Returns the origin of the call.
    #[must_use]
    pub fn call(&self) -> &Call {
        &self.call
    }

    /// Whether it is the machine's operator, to whom no policy applies: the user of the binary controls
    /// the database and the policies as well.
    #[must_use]
    pub fn is_operator(&self) -> bool {
        self.is_operator
    }

    /// Returns the values of the claims that a template needs.
    ///
    /// # Errors
    /// When the caller's token lacks one.
    pub fn scope(&self, needed: &BTreeSet<ClaimName>) -> Result<Scope, ScopeFault> {
        Scope::of(&self.identity.claims, needed)
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.subject())
    }
}

/// An action that a use case authorizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// See a metric and its rows. Without it, a metric does not exist for the caller.
    Read,
    /// See a metric's SQL.
    ReadSql,
    /// Make a metric.
    Create,
    /// Change a metric.
    Edit,
    /// Approve a generated query, so that it may run.
    Approve,
    /// Move a metric's tiles.
    Arrange,
    /// Change a metric that is locked (`is_editable: false`).
    Unlock,
    /// Remove a metric.
    Delete,
    /// Add a record to a metric's data.
    Record,
    /// Write SQL that reads a table: a permission over all of its rows.
    WriteSql,
    /// Announce that a table was written from outside.
    AnnounceChange,
    /// Record the writes to a table from outside.
    Watch,
    /// Stop recording them.
    Unwatch,
    /// Load a catalog from files.
    Import,
    /// Read the audit log.
    Audit,
}

impl Action {
    /// All actions.
    pub const ALL: [Self; 15] = [
        Self::Read,
        Self::ReadSql,
        Self::Create,
        Self::Edit,
        Self::Approve,
        Self::Arrange,
        Self::Unlock,
        Self::Delete,
        Self::Record,
        Self::WriteSql,
        Self::AnnounceChange,
        Self::Watch,
        Self::Unwatch,
        Self::Import,
        Self::Audit,
    ];

    /// Returns the action as policies and the audit log write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::ReadSql => "readSql",
            Self::Create => "create",
            Self::Edit => "edit",
            Self::Approve => "approve",
            Self::Arrange => "arrange",
            Self::Unlock => "unlock",
            Self::Delete => "delete",
            Self::Record => "record",
            Self::WriteSql => "writeSql",
            Self::AnnounceChange => "announceChange",
            Self::Watch => "watch",
            Self::Unwatch => "unwatch",
            Self::Import => "import",
            Self::Audit => "audit",
        }
    }

    /// Parses an action.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == word)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The object of an action.
#[derive(Debug, Clone, Copy)]
pub enum Object<'a> {
    /// The whole catalog: to create metrics, load files, read the audit log.
    Catalog,
    /// One metric.
    Metric(&'a Metric),
    /// A table or view that SQL reads. Without a schema it is one of `public`.
    Table(&'a TableName),
}

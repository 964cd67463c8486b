//! Who is calling, and what is done in their name.

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

/// Whom a verified token stands for, and all that rights are decided by. Two tokens that say the
/// same of their bearer give equal identities.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Who vouches for the caller: the token's `iss`.
    pub issuer: String,
    /// The caller's name there: unique for its issuer.
    pub subject: String,
    /// The application that the token was given to, if it says so.
    pub client: Option<String>,
    /// What the caller is to metricd.
    pub roles: BTreeSet<Role>,
    /// The token's scopes.
    pub scopes: BTreeSet<String>,
    /// The claims that metricd was told to read.
    pub claims: Claims,
}

/// What a caller is to metricd. A later role may do whatever an earlier one may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Reads metrics.
    Viewer,
    /// Makes and changes them, and writes SQL.
    Editor,
    /// May do everything.
    Admin,
}

impl Role {
    /// All of them, the least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Editor, Self::Admin];

    /// The role as settings, policies and the command line write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Admin => "admin",
        }
    }

    /// The role of this name.
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

/// Where a call came from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Call {
    /// The id of the request, if it came as one.
    pub request_id: Option<String>,
    /// The machine that sent it, if it came over a network.
    pub address: Option<IpAddr>,
}

/// A caller in one call: an identity that was verified, or the machine's operator.
///
/// Everything that depends on who is asking (a cache key, a stream topic, an export) is made from
/// one of these, by way of [`Self::scope`].
#[derive(Debug, Clone)]
pub struct Actor {
    identity: Arc<Identity>,
    call: Call,
    is_operator: bool,
}

impl Actor {
    /// A caller whose token was verified.
    #[must_use]
    pub fn verified(identity: Arc<Identity>, call: Call) -> Self {
        Self { identity, call, is_operator: false }
    }

    /// The machine's operator, acting through the command line.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "one of the two ways to make one")]
    pub fn operator() -> Self {
        Self::operator_claiming(BTreeMap::new())
    }

    /// The operator, asking for the rows of a caller who has these claims.
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

    /// Who it is.
    #[must_use]
    pub fn identity(&self) -> &Arc<Identity> {
        &self.identity
    }

    /// A stable name of the caller, for logs and audit.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.identity.subject
    }

    /// Where the call came from.
    #[must_use]
    pub fn call(&self) -> &Call {
        &self.call
    }

    /// Whether it is the machine's operator, whom no policy binds: whoever runs the binary holds the
    /// database and the policies as well.
    #[must_use]
    pub fn is_operator(&self) -> bool {
        self.is_operator
    }

    /// The values of the claims that a template asks for.
    ///
    /// # Errors
    /// When the caller's token lacks one.
    pub fn scope(&self, asked: &BTreeSet<ClaimName>) -> Result<Scope, ScopeFault> {
        Scope::of(&self.identity.claims, asked)
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.subject())
    }
}

/// What a use case asks leave for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// See a metric and its rows. Whoever may not does not learn that it exists.
    Read,
    /// See a metric's SQL.
    ReadSql,
    /// Make a metric.
    Create,
    /// Change a metric.
    Edit,
    /// Let what a sentence became answer.
    Approve,
    /// Move a metric's tiles.
    Arrange,
    /// Change a metric that is locked (`is_editable: false`).
    Unlock,
    /// Remove a metric.
    Delete,
    /// Add a record to a metric's data.
    Record,
    /// Write SQL that reads a table: a right over all of its rows, whosever they are.
    WriteSql,
    /// Say that others have written to a table.
    AnnounceChange,
    /// Have what others write to a table noted.
    Watch,
    /// Have it noted no longer.
    Unwatch,
    /// Load a catalog from files.
    Import,
    /// Read what was done and denied.
    Audit,
}

impl Action {
    /// All of them.
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

    /// The action as policies and the audit write it.
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

    /// The action of this name.
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

/// What an action is done to.
#[derive(Debug, Clone, Copy)]
pub enum Object<'a> {
    /// Everything together: where metrics are made, files loaded, the audit read.
    Catalog,
    /// One metric.
    Metric(&'a Metric),
    /// A table or view that SQL reads. Without a schema it is one of `public`.
    Table(&'a TableName),
}

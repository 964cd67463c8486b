//! The ports to the log of changes and to watches, by which caches drop stale entries.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use async_trait::async_trait;
use metricd_core::{
    changes::{Change, DefinedName, Snapshot},
    sql::TableName,
};
use thiserror::Error;

use super::StoreError;

use crate::error::{Cause, Classified, Classify};

/// The log of changes. A writer appends to it in the transaction that writes.
#[async_trait]
pub trait ChangeLog: Send + Sync {
    /// Returns the committed changes that `seen` does not include. Without `seen` nothing is cached yet:
    /// then it returns the current snapshot and no changes.
    ///
    /// # Errors
    /// When the database cannot be reached.
    async fn since(&self, seen: Option<&Snapshot>) -> Result<ChangeBatch, StoreError>;

    /// Waits for a notification that there may be changes. It may be early, spurious or missing, so poll
    /// as well. A notification that arrives between two calls is kept for a single waiter. Waits for ever
    /// where no other process can write.
    async fn hint(&self);

    /// Removes the changes that have been visible to every transaction for as long as `keep`, by the
    /// snapshots that this process took at each call. Returns their number.
    ///
    /// # Errors
    /// When the database cannot be reached.
    async fn prune(&self, keep: Duration) -> Result<u64, StoreError>;

    /// Returns, for each of `names` that exists, what moves with every change of its definition and of what it is
    /// made of: see [`Relations::definitions`](super::Relations::definitions).
    ///
    /// # Errors
    /// When the database cannot be reached.
    async fn definitions(
        &self,
        names: &[DefinedName],
    ) -> Result<BTreeMap<DefinedName, String>, StoreError>;

    /// Returns where the rows of each of `tables` come from, in the same order.
    ///
    /// # Errors
    /// When the database cannot be reached.
    async fn resolve(&self, tables: &[TableName]) -> Result<Vec<ResolvedTable>, StoreError>;
}

/// A batch of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeBatch {
    /// The snapshot that includes these changes.
    pub snapshot: Snapshot,
    /// The changes.
    pub changes: Vec<Change>,
    /// Whether the batch is complete. If not, unseen changes may have been pruned from the log: anything
    /// may have changed.
    pub is_whole: bool,
}

/// The tables that a table's rows come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedTable {
    /// Every table and view whose change changes its rows, itself included, each with its schema: what
    /// views read, partitions and children, and their parents, through which they are written.
    pub tables: BTreeSet<TableName>,
    /// Whether its rows come from these alone, and every change of them can be logged. It cannot for
    /// materialized views, foreign tables, views that call functions, and tables that do not exist.
    pub is_whole: bool,
}

/// A listener for this process's own changes, called as soon as they are or may be committed.
pub trait ChangeSink: Send + Sync {
    /// Invalidates what depends on these changes. Must not block.
    fn changed(&self, changes: &[Change]);
}

/// A [`ChangeSink`] for a process without caches.
#[derive(Debug, Clone, Copy)]
pub struct NoCaches;

impl ChangeSink for NoCaches {
    fn changed(&self, _: &[Change]) {}
}

/// Watches on tables, inside a unit of work: triggers that log what other writers change.
#[async_trait]
pub trait Watching: Send {
    /// Watches `table` with its partitions and children: from the commit on, every write to them is
    /// logged. Idempotent.
    async fn watch(&mut self, table: &TableName) -> Result<Vec<Watched>, WatchError>;

    /// Removes the watch from `table`, its partitions and children.
    async fn unwatch(&mut self, table: &TableName) -> Result<Vec<Watched>, WatchError>;
}

/// A table, partition or child, and what became of its watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// The table, with its schema.
    pub table: TableName,
    /// The outcome for this table.
    pub step: WatchStep,
}

/// The outcome of watching, or no longer watching, one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchStep {
    /// The watch was added or removed.
    Done,
    /// Nothing to do: it already was, or was not, watched.
    Unchanged,
    /// Skipped: a foreign table belongs to another server.
    Foreign,
}

/// The reason why a table could not be watched, or is still watched.
#[derive(Debug, Error)]
pub enum WatchError {
    /// There is no such table.
    #[error("the table {table} does not exist")]
    Missing {
        /// The table that was named.
        table: String,
    },
    /// It is a view or another relation without rows of its own.
    #[error("{table} is {kind}: watch the tables that its rows come from")]
    NotATable {
        /// What was named.
        table: String,
        /// What it is, with its article.
        kind: &'static str,
    },
    /// metricd logs its own writes without a watch.
    #[error(
        "metricd records its own writes to {table}; other writers announce theirs by POST \
         /tables/{table}/changed"
    )]
    Reserved {
        /// The table that was named.
        table: String,
    },
    /// It belongs to PostgreSQL or to metricd.
    #[error("{table} is a system table")]
    System {
        /// The table that was named.
        table: String,
    },
    /// It is spread over several servers, as by Citus, which takes no triggers on such tables.
    #[error(
        "{table} is a distributed table, which can have no trigger; its writers announce their changes by POST \
         /tables/{table}/changed"
    )]
    Distributed {
        /// The table, partition or child.
        table: String,
    },
    /// The database role lacks the privilege.
    #[error("{table} belongs to another role: {remedy}")]
    NotAllowed {
        /// The table, partition or child.
        table: String,
        /// What its owner can do.
        remedy: String,
    },
    /// Another transaction holds a lock on it for longer than the lock time-out.
    #[error("{table} is in use: try again when no long transaction writes to it")]
    Busy {
        /// The table, partition or child.
        table: String,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Classify for WatchError {
    fn classify(&self) -> Classified {
        match self {
            Self::Missing { .. } => Cause::TableNotFound.into(),
            Self::NotATable { .. } | Self::Distributed { .. } => Cause::TableUnsupported.into(),
            Self::Reserved { .. } | Self::System { .. } => Cause::TableReserved.into(),
            Self::NotAllowed { .. } => Cause::TableNotOwned.into(),
            Self::Busy { .. } => Cause::TableInUse.into(),
            Self::Store(error) => error.classify(),
        }
    }
}

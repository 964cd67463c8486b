//! What was written, by this process and by others, so that caches can drop what is no longer so.

use std::{collections::BTreeSet, time::Duration};

use async_trait::async_trait;
use metricd_core::{
    changes::{Change, Snapshot},
    sql::TableName,
};
use thiserror::Error;

use super::StoreError;

use crate::error::{Cause, Classified, Classify};

/// The log of changes. Whoever writes appends to it in the transaction that writes.
#[async_trait]
pub trait ChangeLog: Send + Sync {
    /// The changes that are committed and that `seen` does not see. With nothing seen there is nothing
    /// that could be old: then it gives the present snapshot and no changes.
    ///
    /// # Errors
    /// When the database cannot be asked.
    async fn since(&self, seen: Option<&Snapshot>) -> Result<ChangeBatch, StoreError>;

    /// Waits until there may be news. It may be too early and it may be in vain; where it says nothing
    /// for long, look all the same. What came while nobody waited is not lost, for one who waits at a
    /// time. Where nobody else can write it waits for ever.
    async fn hint(&self);

    /// Removes the changes that have been visible to everybody for as long as `keep`, as far as this
    /// process knows: it remembers what was visible at each call. Gives how many there were.
    ///
    /// # Errors
    /// When the database cannot be asked.
    async fn prune(&self, keep: Duration) -> Result<u64, StoreError>;

    /// Where the rows of each of `tables` come from, in the order in which they were given.
    ///
    /// # Errors
    /// When the database cannot be asked.
    async fn resolve(&self, tables: &[TableName]) -> Result<Vec<ResolvedTable>, StoreError>;
}

/// What has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeBatch {
    /// What is seen now, with these changes.
    pub snapshot: Snapshot,
    /// The changes.
    pub changes: Vec<Change>,
    /// Whether these are all of them. Else some that were not seen may have been removed from the log:
    /// anything may have changed.
    pub is_whole: bool,
}

/// Where a table's rows come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedTable {
    /// Every table and view whose change changes its rows, itself included, each with its schema: what
    /// views read, partitions and children, and their parents, through which they are written.
    pub tables: BTreeSet<TableName>,
    /// Whether its rows come from these alone, and every change of them can be noted. Else they may
    /// change without a word: those of materialized views, foreign tables, views that call functions,
    /// and tables that are not there.
    pub is_whole: bool,
}

/// Is told what this process itself has changed, as soon as it is committed or may be.
pub trait ChangeSink: Send + Sync {
    /// These changes are in force, or may be. Must not wait.
    fn changed(&self, changes: &[Change]);
}

/// For a process that remembers nothing.
#[derive(Debug, Clone, Copy)]
pub struct NoCaches;

impl ChangeSink for NoCaches {
    fn changed(&self, _: &[Change]) {}
}

/// Having noted what others write to a table, inside a unit of work.
#[async_trait]
pub trait Watching: Send {
    /// From now on whoever writes `table`, or what it is divided into, notes that with it. What is
    /// watched already stays so.
    async fn watch(&mut self, table: &TableName) -> Result<Vec<Watched>, WatchError>;

    /// From now on nobody does any more.
    async fn unwatch(&mut self, table: &TableName) -> Result<Vec<Watched>, WatchError>;
}

/// A table, a partition or a child of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// The table, with its schema.
    pub table: TableName,
    /// What was done to it.
    pub step: WatchStep,
}

/// What was done to a table so that it is, or is not, watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchStep {
    /// What was asked for.
    Done,
    /// Nothing: it was so already.
    AlreadyWatched,
    /// Nothing: it is kept by another server.
    Foreign,
}

/// Why a table is not watched, or still is.
#[derive(Debug, Error)]
pub enum WatchError {
    /// There is no such table.
    #[error("the table {table} does not exist")]
    Missing {
        /// The table that was named.
        table: String,
    },
    /// Nobody writes to it.
    #[error("{table} is {kind}: watch the tables that its rows come from")]
    NotATable {
        /// What was named.
        table: String,
        /// What it is, with its article.
        kind: &'static str,
    },
    /// metricd notes what it writes itself.
    #[error(
        "metricd records its own writes to {table}; other writers announce theirs by POST \
         /tables/{table}/changed"
    )]
    Ours {
        /// The table that was named.
        table: String,
    },
    /// It belongs to PostgreSQL or to metricd.
    #[error("{table} is a system table")]
    System {
        /// The table that was named.
        table: String,
    },
    /// metricd's role may not do that to the table.
    #[error("{table} belongs to another role: {remedy}")]
    NotAllowed {
        /// The table, partition or child.
        table: String,
        /// What its owner can do.
        remedy: String,
    },
    /// Somebody is writing to it, and goes on for longer than those behind should wait.
    #[error("{table} is in use: try again when no long transaction writes to it")]
    Busy {
        /// The table, partition or child.
        table: String,
    },
    /// The database does not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Classify for WatchError {
    fn classify(&self) -> Classified {
        match self {
            Self::Missing { .. } => Cause::TableNotFound.into(),
            Self::NotATable { .. } => Cause::TableUnsupported.into(),
            Self::Ours { .. } | Self::System { .. } => Cause::TableReserved.into(),
            Self::NotAllowed { .. } => Cause::TableNotOwned.into(),
            Self::Busy { .. } => Cause::TableInUse.into(),
            Self::Store(error) => error.classify(),
        }
    }
}

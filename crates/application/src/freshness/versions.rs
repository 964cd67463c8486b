//! What has changed lately, as far as this process has heard.
//!
//! Whoever keeps something holds a [`Dependencies`] over what it was made from, begun before it was read. A
//! change moves every [`Version`] that it touches, and nothing else: to see that nothing has moved costs
//! a look at a number, and nobody goes over what is kept.

use std::{
    collections::{HashMap, VecDeque},
    sync::PoisonError,
};

use metricd_core::{
    changes::{Change, Changed, Snapshot, TransactionId},
    ids::{MetricId, QueryId},
    sql::TableName,
};

use super::sync::{Arc, AtomicU64, Mutex, Ordering, Weak};

/// What can change.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum DependencyKey {
    /// Anything in a table.
    Table(TableName),
    /// Anything in a table, where it is not known which rows.
    SomeRows(TableName),
    /// The records of the query of this id.
    Rows(TableName, String),
    /// A metric's definition.
    Metric(MetricId),
    /// A query's definition.
    Query(QueryId),
    /// Any query's definition.
    Queries,
}

/// How many changes of one thing are remembered by their transactions.
const REMEMBERED: usize = 32;

/// How many things at first may be watched before those that nobody watches any more are swept out.
const FIRST_SWEEP: usize = 1_024;

/// Remembers what has changed.
pub(crate) struct VersionTable {
    versions: Mutex<Versions>,
    /// Moves when anything at all may have changed.
    everything: Arc<Version>,
}

struct Versions {
    by_key: HashMap<DependencyKey, Weak<Version>>,
    sweep_at: usize,
}

/// One thing that can change.
#[derive(Default)]
struct Version {
    /// How often it has.
    count: AtomicU64,
    /// The latest changes, the last one at the end; `None` where no snapshot can tell.
    latest: Mutex<VecDeque<Option<TransactionId>>>,
}

impl Version {
    fn moves(&self, by: Option<TransactionId>) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if latest.len() == REMEMBERED {
            latest.pop_front();
        }
        latest.push_back(by);
        self.count.fetch_add(1, Ordering::Release);
    }

    /// How often it has moved, if `seen` sees all moves after the first `count`.
    fn seen_since(&self, count: u64, seen: &Snapshot) -> Option<u64> {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.count.load(Ordering::Acquire);
        let moves = usize::try_from(now - count).unwrap_or(usize::MAX);
        let is_seen = |by: &Option<TransactionId>| by.is_some_and(|by| seen.sees(by));
        (moves <= latest.len() && latest.iter().rev().take(moves).all(is_seen)).then_some(now)
    }
}

impl Default for VersionTable {
    fn default() -> Self {
        let versions = Versions { by_key: HashMap::new(), sweep_at: FIRST_SWEEP };
        Self { versions: Mutex::new(versions), everything: Arc::default() }
    }
}

impl VersionTable {
    /// Begins to watch. What is read from now on is as new as the watch.
    pub(crate) fn watch(&self, keys: impl IntoIterator<Item = DependencyKey>) -> Dependencies {
        let mut versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        let mut watched: Vec<Arc<Version>> = keys.into_iter().map(|key| versions.of(key)).collect();
        drop(versions);
        watched.push(Arc::clone(&self.everything));
        let look = |version: Arc<Version>| {
            let count = AtomicU64::new(version.count.load(Ordering::Acquire));
            (version, count)
        };
        Dependencies(watched.into_iter().map(look).collect())
    }

    /// Something has changed, or may have.
    pub(crate) fn changed(&self, changes: &[Change]) {
        let versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        for change in changes {
            for key in touched(&change.what) {
                if let Some(version) = versions.by_key.get(&key).and_then(Weak::upgrade) {
                    version.moves(Some(change.by));
                }
            }
        }
    }

    /// Anything may have changed.
    pub(crate) fn lost(&self) {
        self.everything.moves(None);
    }
}

impl Versions {
    fn of(&mut self, key: DependencyKey) -> Arc<Version> {
        if let Some(version) = self.by_key.get(&key).and_then(Weak::upgrade) {
            return version;
        }
        if self.by_key.len() >= self.sweep_at {
            self.by_key.retain(|_, version| version.strong_count() > 0);
            self.sweep_at = FIRST_SWEEP.max(2 * self.by_key.len());
        }
        let version = Arc::default();
        self.by_key.insert(key, Arc::downgrade(&version));
        version
    }
}

/// The keys that a change moves.
fn touched(what: &Changed) -> Vec<DependencyKey> {
    match what {
        Changed::Metric(id) => vec![DependencyKey::Metric(*id)],
        Changed::Query(id) => vec![DependencyKey::Query(id.clone()), DependencyKey::Queries],
        Changed::Table { table, ids: None } => {
            vec![DependencyKey::Table(table.clone()), DependencyKey::SomeRows(table.clone())]
        }
        Changed::Table { table, ids: Some(ids) } => ids
            .iter()
            .map(|id| DependencyKey::Rows(table.clone(), id.clone()))
            .chain([DependencyKey::Table(table.clone())])
            .collect(),
    }
}

/// What something was made from, as it was before it was made.
pub(crate) struct Dependencies(Box<[(Arc<Version>, AtomicU64)]>);

impl Dependencies {
    /// Whether nothing has changed that whoever read with `seen` has not seen.
    pub(crate) fn is_current(&self, seen: &Snapshot) -> bool {
        self.0.iter().all(|(version, looked)| {
            let count = looked.load(Ordering::Acquire);
            if version.count.load(Ordering::Acquire) == count {
                return true;
            }
            match version.seen_since(count, seen) {
                // It need not be looked through again. Whoever looks beside has seen as much.
                Some(now) => {
                    looked.fetch_max(now, Ordering::AcqRel);
                    true
                }
                None => false,
            }
        })
    }

    /// Whether nothing has changed at all.
    pub(crate) fn is_unchanged(&self) -> bool {
        let untouched = |(version, looked): &(Arc<Version>, AtomicU64)| {
            version.count.load(Ordering::Acquire) == looked.load(Ordering::Acquire)
        };
        self.0.iter().all(untouched)
    }

    /// How much memory it takes, about, in bytes.
    pub(crate) fn weight(&self) -> usize {
        // Most versions are shared.
        self.0.len() * size_of::<(Arc<Version>, AtomicU64)>()
    }
}

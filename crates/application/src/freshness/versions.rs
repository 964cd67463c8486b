//! The table of versions: what has changed lately, as far as this process knows.
//!
//! A cache entry holds [`Dependencies`] on what it was made from, taken before the read. A change moves each
//! [`Version`] that it touches and nothing else: checking an entry costs a comparison of counters, and the
//! cache is never scanned.

use std::{
    collections::{HashMap, VecDeque},
    future::poll_fn,
    pin::Pin,
    sync::PoisonError,
    task::Poll,
};

use metricd_core::{
    changes::{Change, Changed, DefinedName, Snapshot, TransactionId},
    ids::{MetricId, QueryId},
    sql::TableName,
};
use tokio::sync::{Notify, futures::Notified};

use super::sync::{Arc, AtomicU64, Mutex, Ordering, Weak};

/// Something that can change.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum DependencyKey {
    /// Any row of a table.
    Table(TableName),
    /// Rows of a table, where the change does not say which ones.
    SomeRows(TableName),
    /// The records of the query with this id.
    Rows(TableName, String),
    /// A metric's definition.
    Metric(MetricId),
    /// A query's definition.
    Query(QueryId),
    /// Any query's definition.
    Queries,
    /// The definition of a table, view or function, and of what it is made of.
    Definition(DefinedName),
}

/// How many transactions a version remembers.
const REMEMBERED: usize = 32;

/// How many versions there may be before those without dependents are first swept out.
const FIRST_SWEEP: usize = 1_024;

/// Versions by what they are of.
pub(crate) struct VersionTable {
    versions: Mutex<Versions>,
    /// Moves when anything at all may have changed.
    everything: Arc<Version>,
}

struct Versions {
    by_key: HashMap<DependencyKey, Weak<Version>>,
    /// The definitions that things were last seen with; empty of what does not exist.
    definitions: HashMap<DefinedName, String>,
    sweep_at: usize,
}

/// The version of one thing that can change.
#[derive(Default)]
struct Version {
    /// How often it has changed.
    count: AtomicU64,
    /// The transactions of the latest changes, the last one at the end; `None` where no snapshot can tell.
    latest: Mutex<VecDeque<Option<TransactionId>>>,
    /// Wakes those who wait for a change.
    moved: Notify,
}

impl Version {
    fn advance(&self, by: Option<TransactionId>) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if latest.len() == REMEMBERED {
            latest.pop_front();
        }
        latest.push_back(by);
        self.count.fetch_add(1, Ordering::Release);
        drop(latest);
        self.moved.notify_waiters();
    }

    /// The present count, if `snapshot` sees every change after the first `count`.
    fn seen_since(&self, count: u64, snapshot: &Snapshot) -> Option<u64> {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.count.load(Ordering::Acquire);
        debug_assert!(count <= now, "a version never moves back");
        let moves = usize::try_from(now - count).unwrap_or(usize::MAX);
        let is_seen = |by: &Option<TransactionId>| by.is_some_and(|by| snapshot.sees(by));
        (moves <= latest.len() && latest.iter().rev().take(moves).all(is_seen)).then_some(now)
    }
}

impl Default for VersionTable {
    fn default() -> Self {
        let versions =
            Versions { by_key: HashMap::new(), definitions: HashMap::new(), sweep_at: FIRST_SWEEP };
        Self { versions: Mutex::new(versions), everything: Arc::default() }
    }
}

impl VersionTable {
    /// Captures the present versions of `keys`. What is read afterwards is at least as new as they are.
    pub(crate) fn capture<'a>(
        &self,
        keys: impl IntoIterator<Item = &'a DependencyKey>,
    ) -> Dependencies {
        let mut versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        let mut captured: Vec<Arc<Version>> =
            keys.into_iter().map(|key| versions.of(key)).collect();
        drop(versions);
        captured.push(Arc::clone(&self.everything));
        let capture = |version: Arc<Version>| {
            let count = AtomicU64::new(version.count.load(Ordering::Acquire));
            (version, count)
        };
        Dependencies(captured.into_iter().map(capture).collect())
    }

    /// Records changes that are in force, or may be.
    pub(crate) fn changed(&self, changes: &[Change]) {
        let versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        for change in changes {
            for key in touched(&change.what) {
                if let Some(version) = versions.by_key.get(&key).and_then(Weak::upgrade) {
                    version.advance(Some(change.by));
                }
            }
        }
    }

    /// The names whose definition something depends on.
    pub(crate) fn defined_names(&self) -> Vec<DefinedName> {
        let mut versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        let Versions { by_key, definitions, .. } = &mut *versions;
        let is_used = |name: &DefinedName| {
            let version = by_key.get(&DependencyKey::Definition(name.clone()));
            version.is_some_and(|version| version.strong_count() > 0)
        };
        definitions.retain(|name, _| is_used(name));
        definitions.keys().cloned().collect()
    }

    /// Records the definition that `name` was seen with, and a change of it if it was another one before.
    pub(crate) fn defined(&self, name: &DefinedName, definition: &str) {
        let mut versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        let before = versions.definitions.insert(name.clone(), definition.to_owned());
        if before.is_some_and(|before| before != definition) {
            versions.redefined(name);
        }
    }

    /// Records that `table` was redefined, whatever its definition is now.
    pub(crate) fn redefined(&self, table: &TableName) {
        let versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        versions.redefined(&DefinedName::Relation(table.clone()));
    }

    /// Records that anything may have changed.
    pub(crate) fn invalidate_all(&self) {
        self.everything.advance(None);
    }
}

impl Versions {
    fn redefined(&self, name: &DefinedName) {
        let key = DependencyKey::Definition(name.clone());
        if let Some(version) = self.by_key.get(&key).and_then(Weak::upgrade) {
            version.advance(None);
        }
    }

    fn of(&mut self, key: &DependencyKey) -> Arc<Version> {
        if let Some(version) = self.by_key.get(key).and_then(Weak::upgrade) {
            return version;
        }
        if self.by_key.len() >= self.sweep_at {
            self.by_key.retain(|_, version| version.strong_count() > 0);
            self.sweep_at = FIRST_SWEEP.max(2 * self.by_key.len());
        }
        let version = Arc::default();
        self.by_key.insert(key.clone(), Arc::downgrade(&version));
        version
    }
}

/// The keys whose versions a change moves.
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

/// The versions that a cache entry was made from, as they were before it was read.
pub(crate) struct Dependencies(Box<[(Arc<Version>, AtomicU64)]>);

impl Dependencies {
    /// Whether a read with `snapshot` has seen every change since.
    pub(crate) fn is_current(&self, snapshot: &Snapshot) -> bool {
        self.0.iter().all(|(version, captured)| {
            let count = captured.load(Ordering::Acquire);
            if version.count.load(Ordering::Acquire) == count {
                return true;
            }
            match version.seen_since(count, snapshot) {
                // Those changes need not be checked again. A concurrent check has seen as much.
                Some(now) => {
                    captured.fetch_max(now, Ordering::AcqRel);
                    true
                }
                None => false,
            }
        })
    }

    /// Whether there was no change at all.
    pub(crate) fn is_unchanged(&self) -> bool {
        self.0.iter().all(|(version, captured)| {
            version.count.load(Ordering::Acquire) == captured.load(Ordering::Acquire)
        })
    }

    /// Waits until something has changed since the versions were captured; returns at once if it has.
    /// Cancel-safe: a change is never missed, whether it comes before, between or during calls.
    pub(crate) async fn changed(&self) {
        let mut signals: Vec<Pin<Box<Notified<'_>>>> =
            self.0.iter().map(|(version, _)| Box::pin(version.moved.notified())).collect();
        // Registered first and compared afterwards, so that no change falls between the two.
        for signal in &mut signals {
            signal.as_mut().enable();
        }
        if !self.is_unchanged() {
            return;
        }
        poll_fn(|context| {
            let is_signalled = |signal: &mut Pin<Box<Notified<'_>>>| {
                Future::poll(signal.as_mut(), context).is_ready()
            };
            if signals.iter_mut().any(is_signalled) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// The memory that it takes, in bytes, approximately.
    pub(crate) fn weight(&self) -> usize {
        // Most versions are shared.
        self.0.len() * size_of::<(Arc<Version>, AtomicU64)>()
    }
}

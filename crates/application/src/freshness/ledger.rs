//! What has changed lately, as far as this process has heard.
//!
//! Whoever keeps something holds a [`Watch`] over what it was made from, begun before it was read. A
//! change moves every [`Stamp`] that it touches, and nothing else: to see that nothing has moved costs
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
pub(crate) enum Mark {
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
pub(crate) struct Ledger {
    stamps: Mutex<Stamps>,
    /// Moves when anything at all may have changed.
    everything: Arc<Stamp>,
}

struct Stamps {
    by_mark: HashMap<Mark, Weak<Stamp>>,
    sweep_at: usize,
}

/// One thing that can change.
#[derive(Default)]
struct Stamp {
    /// How often it has.
    count: AtomicU64,
    /// The latest changes, the last one at the end; `None` where no snapshot can tell.
    latest: Mutex<VecDeque<Option<TransactionId>>>,
}

impl Stamp {
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

impl Default for Ledger {
    fn default() -> Self {
        let stamps = Stamps { by_mark: HashMap::new(), sweep_at: FIRST_SWEEP };
        Self { stamps: Mutex::new(stamps), everything: Arc::default() }
    }
}

impl Ledger {
    /// Begins to watch. What is read from now on is as new as the watch.
    pub(crate) fn watch(&self, marks: impl IntoIterator<Item = Mark>) -> Watch {
        let mut stamps = self.stamps.lock().unwrap_or_else(PoisonError::into_inner);
        let mut watched: Vec<Arc<Stamp>> = marks.into_iter().map(|mark| stamps.of(mark)).collect();
        drop(stamps);
        watched.push(Arc::clone(&self.everything));
        let look = |stamp: Arc<Stamp>| {
            let count = AtomicU64::new(stamp.count.load(Ordering::Acquire));
            (stamp, count)
        };
        Watch(watched.into_iter().map(look).collect())
    }

    /// Something has changed, or may have.
    pub(crate) fn changed(&self, changes: &[Change]) {
        let stamps = self.stamps.lock().unwrap_or_else(PoisonError::into_inner);
        for change in changes {
            for mark in touched(&change.what) {
                if let Some(stamp) = stamps.by_mark.get(&mark).and_then(Weak::upgrade) {
                    stamp.moves(Some(change.by));
                }
            }
        }
    }

    /// Anything may have changed.
    pub(crate) fn lost(&self) {
        self.everything.moves(None);
    }
}

impl Stamps {
    fn of(&mut self, mark: Mark) -> Arc<Stamp> {
        if let Some(stamp) = self.by_mark.get(&mark).and_then(Weak::upgrade) {
            return stamp;
        }
        if self.by_mark.len() >= self.sweep_at {
            self.by_mark.retain(|_, stamp| stamp.strong_count() > 0);
            self.sweep_at = FIRST_SWEEP.max(2 * self.by_mark.len());
        }
        let stamp = Arc::default();
        self.by_mark.insert(mark, Arc::downgrade(&stamp));
        stamp
    }
}

/// The marks that a change moves.
fn touched(what: &Changed) -> Vec<Mark> {
    match what {
        Changed::Metric(id) => vec![Mark::Metric(*id)],
        Changed::Query(id) => vec![Mark::Query(id.clone()), Mark::Queries],
        Changed::Table { table, ids: None } => {
            vec![Mark::Table(table.clone()), Mark::SomeRows(table.clone())]
        }
        Changed::Table { table, ids: Some(ids) } => ids
            .iter()
            .map(|id| Mark::Rows(table.clone(), id.clone()))
            .chain([Mark::Table(table.clone())])
            .collect(),
    }
}

/// What something was made from, as it was before it was made.
pub(crate) struct Watch(Box<[(Arc<Stamp>, AtomicU64)]>);

impl Watch {
    /// Whether nothing has changed that whoever read with `seen` has not seen.
    pub(crate) fn is_current(&self, seen: &Snapshot) -> bool {
        self.0.iter().all(|(stamp, looked)| {
            let count = looked.load(Ordering::Acquire);
            if stamp.count.load(Ordering::Acquire) == count {
                return true;
            }
            match stamp.seen_since(count, seen) {
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
    pub(crate) fn is_untouched(&self) -> bool {
        let untouched = |(stamp, looked): &(Arc<Stamp>, AtomicU64)| {
            stamp.count.load(Ordering::Acquire) == looked.load(Ordering::Acquire)
        };
        self.0.iter().all(untouched)
    }

    /// How much memory it takes, about, in bytes.
    pub(crate) fn weight(&self) -> usize {
        // Most stamps are shared.
        self.0.len() * size_of::<(Arc<Stamp>, AtomicU64)>()
    }
}

//! What the caches share between threads, tried in many orders of their steps. The modules are taken as
//! they are, with primitives that a scheduler chooses between in place of those of `std`.

#![expect(dead_code, reason = "the modules hold more than is tried here")]

mod sync {
    pub(super) use shuttle::sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicU64, Ordering},
    };
}

#[path = "../src/freshness/registry.rs"]
mod registry;
#[path = "../src/freshness/versions.rs"]
mod versions;

use std::collections::BTreeSet;

use metricd_core::{
    changes::{Change, Changed, Snapshot, TransactionId},
    ids::MetricId,
    sql::TableName,
};
use registry::Registry;
use shuttle::{
    rand::{Rng as _, thread_rng},
    thread,
};
use sync::{Arc, AtomicU64, Mutex, Ordering};
use versions::{Dependencies, DependencyKey, VersionTable};

/// How many orders are tried.
const ORDERS: usize = 3_000;

fn metrics() -> TableName {
    TableName { schema: Some("public".into()), name: "metrics".into() }
}

fn rows_of(id: &str) -> [DependencyKey; 2] {
    [DependencyKey::SomeRows(metrics()), DependencyKey::Rows(metrics(), id.into())]
}

fn record_of(id: &str, by: u64) -> Change {
    let ids: BTreeSet<_> = [id.to_owned()].into();
    Change { by: TransactionId(by), what: Changed::Table { table: metrics(), ids: Some(ids) } }
}

/// What sees every transaction before `next`.
fn seen(next: u64) -> Snapshot {
    format!("{next}:{next}:").parse().unwrap()
}

/// A table of one number, which numbers its transactions, and its cached value.
#[derive(Default)]
struct Kept {
    table: AtomicU64,
    versions: VersionTable,
    answer: Mutex<Option<(u64, Snapshot, Dependencies)>>,
    /// The value that was committed and announced.
    told: AtomicU64,
}

impl Kept {
    /// Writes as a server does: announces after the commit, and then responds.
    fn write(&self) {
        let by = self.table.fetch_add(1, Ordering::SeqCst);
        self.versions.changed(&[record_of("q", by)]);
        self.told.fetch_max(by + 1, Ordering::SeqCst);
    }

    /// What a server does with a read that fills the memory.
    fn fill(&self) {
        let dependencies = self.versions.capture(&rows_of("q"));
        let value = self.table.load(Ordering::SeqCst);
        let snapshot = seen(value);
        if dependencies.is_current(&snapshot) {
            *self.answer.lock().unwrap() = Some((value, snapshot, dependencies));
        }
    }

    /// What a server does with a question.
    fn ask(&self) {
        let told = self.told.load(Ordering::SeqCst);
        let answer = self.answer.lock().unwrap();
        if let Some((value, snapshot, dependencies)) = answer.as_ref()
            && dependencies.is_current(snapshot)
        {
            assert!(*value >= told, "{value} was kept, and {told} had been told of");
        }
    }
}

#[test]
fn no_announced_change_is_missing_from_a_cached_value() {
    let run = || {
        let kept = Arc::new(Kept::default());
        let threads = [Kept::write, Kept::fill, Kept::ask, Kept::fill, Kept::write].map(|step| {
            let kept = Arc::clone(&kept);
            thread::spawn(move || step(&kept))
        });
        for thread in threads {
            thread.join().unwrap();
        }
        kept.ask();
        kept.fill();
        let answer = kept.answer.lock().unwrap();
        let (value, snapshot, dependencies) = answer.as_ref().unwrap();
        assert_eq!(*value, 2);
        assert!(dependencies.is_current(snapshot), "nothing has changed since");
    };
    shuttle::check_pct(run, ORDERS, 3);
}

#[test]
fn dropped_dependencies_lose_no_change_of_others() {
    let run = || {
        let versions = Arc::new(VersionTable::default());
        let dependencies = versions.capture(&rows_of("q"));
        let passing = {
            let versions = Arc::clone(&versions);
            thread::spawn(move || {
                for number in 0..3 {
                    let id = MetricId(uuid::Uuid::from_u128(number));
                    drop(versions.capture(rows_of("q").iter().chain([&DependencyKey::Metric(id)])));
                }
            })
        };
        let writing = {
            let versions = Arc::clone(&versions);
            thread::spawn(move || {
                versions.changed(&[record_of("other", 1)]);
                versions.changed(&[record_of("q", 2)]);
            })
        };
        passing.join().unwrap();
        writing.join().unwrap();
        assert!(!dependencies.is_unchanged());
        assert!(!dependencies.is_current(&seen(2)));
        assert!(dependencies.is_current(&seen(3)));
    };
    shuttle::check_random(run, ORDERS);
}

/// An execution in flight.
struct Execution {
    /// How often it was ended, because it had no waiters left.
    was_ended: AtomicU64,
}

#[test]
fn an_execution_ends_once_after_its_last_waiter_and_is_not_joined_then() {
    let run = || {
        let registry = Arc::new(Registry::<&str, Execution>::default());
        let waiters = [(); 4].map(|()| {
            let registry = Arc::clone(&registry);
            thread::spawn(move || {
                let begin = || Execution { was_ended: AtomicU64::new(0) };
                // Sometimes a caller that may not join.
                let joins = thread_rng().gen_range(0..4) != 0;
                let (execution, joined) = registry.join(&"key", |_| joins, begin);
                assert!(joins || !joined);
                assert_eq!(execution.ticket.was_ended.load(Ordering::SeqCst), 0, "it had ended");
                thread::yield_now();
                assert_eq!(execution.ticket.was_ended.load(Ordering::SeqCst), 0, "one still waits");
                if registry.leave(&"key", &execution) {
                    assert_eq!(execution.ticket.was_ended.fetch_add(1, Ordering::SeqCst), 0);
                }
                execution
            })
        });
        for execution in waiters.map(|asker| asker.join().unwrap()) {
            assert_eq!(
                execution.ticket.was_ended.load(Ordering::SeqCst),
                1,
                "the execution was not ended"
            );
        }
        let begun = registry.join(&"key", |_| true, || Execution { was_ended: AtomicU64::new(0) });
        assert!(!begun.1, "there is none to join");
    };
    shuttle::check_random(run, ORDERS);
}

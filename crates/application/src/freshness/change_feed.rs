//! The change feed: keeps this process's caches in step with the log of changes.
//!
//! A unit of work hands its own changes to it on commit. Changes of other processes come from the log, which is
//! read on a notification and once in [`POLL_INTERVAL`] anyway. Cached values are served only with a
//! [`Fresh`] token, which is given out only while the log was read within [`MAX_STALENESS`].

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use metricd_core::changes::{Change, Snapshot};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::versions::VersionTable;
use crate::{
    error_chain,
    ports::{ChangeLog, ChangeSink, StoreError},
};

/// How often the log is read when no notification comes.
pub const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// How long ago the log may have been read for cached values to be served. Changes of other processes
/// are seen after this at the latest.
pub const MAX_STALENESS: Duration = Duration::from_secs(3);

/// How long the log keeps a change that every transaction can see. A server that has not read the log for
/// longer drops all that it cached.
pub const RETENTION: Duration = Duration::from_hours(1);

/// How often the log is pruned.
const PRUNE_INTERVAL: Duration = Duration::from_mins(1);

/// Feeds changes to the version table that cache entries depend on.
pub struct ChangeFeed {
    log: Arc<dyn ChangeLog>,
    versions: VersionTable,
    /// Whether other processes can write to the database.
    shared: bool,
    started: Instant,
    /// Until when cached values may be served, in milliseconds since `started`.
    fresh_until_ms: AtomicU64,
    /// What was read of the log. Its lock is held while the log is read.
    position: Mutex<Position>,
}

/// Proof that the log of changes was read recently enough for cached values to be served. Caches take one for each
/// read and give it back, renewed if the read had to wait for the database.
#[derive(Debug)]
#[must_use]
pub struct Fresh(());

/// How far the log was read.
#[derive(Default)]
struct Position {
    snapshot: Option<Snapshot>,
    /// When the last read began, since the start of the process.
    read_began: Option<Duration>,
}

impl fmt::Debug for ChangeFeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangeFeed").field("shared", &self.shared).finish_non_exhaustive()
    }
}

impl ChangeFeed {
    /// Starts with nothing read of `log`. `shared` says whether other processes can write to the database.
    #[must_use]
    pub fn new(log: Arc<dyn ChangeLog>, shared: bool) -> Self {
        Self {
            log,
            versions: VersionTable::default(),
            shared,
            started: Instant::now(),
            fresh_until_ms: AtomicU64::new(0),
            position: Mutex::default(),
        }
    }

    pub(crate) fn versions(&self) -> &VersionTable {
        &self.versions
    }

    pub(crate) fn log(&self) -> &dyn ChangeLog {
        self.log.as_ref()
    }

    /// Returns a token to read caches with. Reads the log first, unless that was done within
    /// [`MAX_STALENESS`].
    ///
    /// # Errors
    /// When the log cannot be read: no cached value may be served then.
    pub async fn ensure_fresh(&self) -> Result<Fresh, StoreError> {
        if self.is_fresh() {
            return Ok(Fresh(()));
        }
        Box::pin(async {
            let mut position = self.position.lock().await;
            // Another caller may have read it meanwhile.
            if !self.is_fresh() {
                self.read(&mut position).await?;
            }
            Ok(Fresh(()))
        })
        .await
    }

    /// Catches up with everything that was committed before the call. Callers that come while the log is
    /// being read share the next read.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn catch_up(&self) -> Result<(), StoreError> {
        if !self.shared {
            return Ok(());
        }
        let called = self.started.elapsed();
        let mut position = self.position.lock().await;
        let is_caught_up = position.read_began.is_some_and(|began| began >= called);
        if is_caught_up { Ok(()) } else { self.read(&mut position).await }
    }

    /// Follows the log until `stop` is cancelled.
    pub async fn follow(&self, stop: CancellationToken) {
        let _ = stop.run_until_cancelled(self.follow_forever()).await;
    }

    async fn follow_forever(&self) {
        let mut pruned = Instant::now();
        let mut is_unavailable = false;
        loop {
            if self.shared {
                let read = self.read(&mut *self.position.lock().await).await;
                match (&read, is_unavailable) {
                    (Err(error), false) => {
                        let error = error_chain(error);
                        warn!(error, "Change feed unavailable; cache bypassed");
                    }
                    (Ok(()), true) => info!("Change feed available again"),
                    _ => {}
                }
                is_unavailable = read.is_err();
            }
            if pruned.elapsed() >= PRUNE_INTERVAL {
                pruned = Instant::now();
                if let Err(error) = self.log.prune(RETENTION).await {
                    debug!(error = error_chain(&error), "Pruning the log of changes failed");
                }
            }
            let hint = self.log.hint();
            // A log that cannot be read hints all the time.
            let wait =
                async { if is_unavailable { std::future::pending().await } else { hint.await } };
            let _ = tokio::time::timeout(POLL_INTERVAL, wait).await;
        }
    }

    async fn read(&self, position: &mut Position) -> Result<(), StoreError> {
        let began = self.started.elapsed();
        let batch = self.log.since(position.snapshot.as_ref()).await?;
        self.read_definitions().await?;
        if batch.is_whole {
            self.versions.changed(&batch.changes);
        } else {
            self.versions.invalidate_all();
        }
        *position = Position { snapshot: Some(batch.snapshot), read_began: Some(began) };
        self.fresh_until_ms.store(millis(began + MAX_STALENESS), Ordering::Release);
        Ok(())
    }

    /// Looks for changes of the definitions that something depends on: nothing logs those.
    async fn read_definitions(&self) -> Result<(), StoreError> {
        let names = self.versions.defined_names();
        if names.is_empty() {
            return Ok(());
        }
        let mut definitions = self.log.definitions(&names).await?;
        for name in names {
            let definition = definitions.remove(&name).unwrap_or_default();
            self.versions.defined(&name, &definition);
        }
        Ok(())
    }

    /// How long ago the log was last read to its end; none where nothing else can write, and before the first time.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        let fresh_until = Duration::from_millis(self.fresh_until_ms.load(Ordering::Acquire));
        let read = fresh_until.checked_sub(MAX_STALENESS)?;
        Some(self.started.elapsed().saturating_sub(read))
    }

    /// Whether cached values may be served.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        !self.shared || millis(self.started.elapsed()) < self.fresh_until_ms.load(Ordering::Acquire)
    }
}

impl ChangeSink for ChangeFeed {
    fn changed(&self, changes: &[Change]) {
        self.versions.changed(changes);
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use metricd_core::{
        changes::{Changed, TransactionId},
        sql::TableName,
    };

    use super::{
        super::versions::{Dependencies, DependencyKey, VersionTable},
        *,
    };

    fn change(number: u64) -> Change {
        let table = TableName { schema: Some("public".into()), name: "orders".into() };
        Change { by: TransactionId(number), what: Changed::rows_of(&table) }
    }

    fn orders(versions: &VersionTable) -> Dependencies {
        let Changed::Table { table, .. } = change(0).what else { unreachable!("rows of a table") };
        versions.capture(&[DependencyKey::Table(table), DependencyKey::Queries])
    }

    #[tokio::test]
    async fn a_change_wakes_those_that_depend_on_it_and_no_others() {
        let versions = VersionTable::default();
        let (dependent, other) = (orders(&versions), versions.capture(&[DependencyKey::Queries]));
        let (mut woken, mut asleep) = (Box::pin(dependent.changed()), Box::pin(other.changed()));
        assert!(futures::poll!(&mut woken).is_pending());
        assert!(futures::poll!(&mut asleep).is_pending());
        versions.changed(&[change(5)]);
        assert!(futures::poll!(&mut woken).is_ready());
        assert!(futures::poll!(&mut asleep).is_pending());
        versions.invalidate_all();
        assert!(futures::poll!(&mut asleep).is_ready());
    }

    #[tokio::test]
    async fn a_change_before_the_wait_is_not_missed() {
        let versions = VersionTable::default();
        let dependent = orders(&versions);
        versions.changed(&[change(5)]);
        dependent.changed().await;
        // A snapshot that has seen it makes the wait one for the next change.
        assert!(dependent.is_current(&"6:6:".parse().unwrap()));
        let mut next = Box::pin(dependent.changed());
        assert!(futures::poll!(&mut next).is_pending());
        versions.changed(&[change(7)]);
        next.await;
    }
}

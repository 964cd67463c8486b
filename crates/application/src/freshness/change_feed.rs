//! How this process hears of changes, and how old its knowledge may be.
//!
//! Its own are told to it when they are committed. Those of others stand in the log: it is read when
//! there is a hint, and every second in any case. Nothing that is kept is believed when the log was last
//! read longer ago than [`MAX_STALENESS`]: then it is read first.

use std::{
    convert::Infallible,
    error::Error,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use metricd_core::changes::{Change, Snapshot};
use tokio::sync::Mutex;
use tracing::{debug, info, warn};

use super::versions::VersionTable;
use crate::ports::{ChangeLog, ChangeSink, StoreError};

/// How often the log is read when nothing hints at change_feed.
pub const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// How old knowledge of the log may be. What others have written is known after this at the latest.
pub const MAX_STALENESS: Duration = Duration::from_secs(3);

/// How long the log keeps a change that everybody can see. A server that has not read it for longer
/// forgets all that it kept.
pub const RETENTION: Duration = Duration::from_hours(1);

/// How often the log is pruned.
const PRUNE_INTERVAL: Duration = Duration::from_mins(1);

/// What has changed, and since when it is known.
pub struct ChangeFeed {
    log: Arc<dyn ChangeLog>,
    versions: VersionTable,
    /// Whether others can write.
    shared: bool,
    began: Instant,
    /// Until when what is known is believed, in milliseconds since `began`.
    sure_until: AtomicU64,
    /// What was seen of the log. Whoever holds it reads the log.
    seen: Mutex<Seen>,
}

/// What was seen of the log.
#[derive(Default)]
struct Seen {
    snapshot: Option<Snapshot>,
    /// When it was last begun to be read, counted from the start of the process.
    begun: Option<Duration>,
}

impl fmt::Debug for ChangeFeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangeFeed").field("shared", &self.shared).finish_non_exhaustive()
    }
}

impl ChangeFeed {
    /// Nothing is known yet. `shared` says whether others can write to the database too.
    #[must_use]
    pub fn new(log: Arc<dyn ChangeLog>, shared: bool) -> Self {
        let (versions, began) = (VersionTable::default(), Instant::now());
        Self { log, versions, shared, began, sure_until: AtomicU64::new(0), seen: Mutex::default() }
    }

    pub(crate) fn versions(&self) -> &VersionTable {
        &self.versions
    }

    pub(crate) fn log(&self) -> &dyn ChangeLog {
        self.log.as_ref()
    }

    /// Reads the log unless it was read a short time ago.
    ///
    /// # Errors
    /// When it cannot be read: then nothing that is kept can be believed.
    pub(crate) async fn ensure_fresh(&self) -> Result<(), StoreError> {
        if self.is_sure() {
            return Ok(());
        }
        Box::pin(async {
            let mut seen = self.seen.lock().await;
            // Somebody else may have read it meanwhile.
            if self.is_sure() { Ok(()) } else { self.read(&mut seen).await }
        })
        .await
    }

    /// Knows afterwards of all that was committed before. Those who come while the log is being read
    /// share the next reading.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn look(&self) -> Result<(), StoreError> {
        if !self.shared {
            return Ok(());
        }
        let came = self.began.elapsed();
        let mut seen = self.seen.lock().await;
        let is_known = seen.begun.is_some_and(|begun| begun >= came);
        if is_known { Ok(()) } else { self.read(&mut seen).await }
    }

    /// Keeps up with the log, for ever.
    pub async fn follow(&self) -> Infallible {
        let mut pruned = Instant::now();
        let mut is_lost = false;
        loop {
            if self.shared {
                let read = self.catch_up().await;
                match (&read, is_lost) {
                    (Err(error), false) => {
                        warn!(
                            error = error as &dyn Error,
                            "Changes not heard of: nothing kept is used"
                        );
                    }
                    (Ok(()), true) => info!("Changes heard of again"),
                    _ => {}
                }
                is_lost = read.is_err();
            }
            if pruned.elapsed() >= PRUNE_INTERVAL {
                pruned = Instant::now();
                if let Err(error) = self.log.prune(RETENTION).await {
                    debug!(error = &error as &dyn Error, "Log of changes not pruned");
                }
            }
            let hint = self.log.hint();
            // A log that cannot be read hints all the time.
            let wait = async { if is_lost { std::future::pending().await } else { hint.await } };
            let _ = tokio::time::timeout(POLL_INTERVAL, wait).await;
        }
    }

    async fn catch_up(&self) -> Result<(), StoreError> {
        let mut seen = self.seen.lock().await;
        self.read(&mut seen).await
    }

    async fn read(&self, seen: &mut Seen) -> Result<(), StoreError> {
        let begun = self.began.elapsed();
        let change_feed = self.log.since(seen.snapshot.as_ref()).await?;
        if change_feed.is_whole {
            self.versions.changed(&change_feed.changes);
        } else {
            self.versions.lost();
        }
        *seen = Seen { snapshot: Some(change_feed.snapshot), begun: Some(begun) };
        self.sure_until.store(millis(begun + MAX_STALENESS), Ordering::Release);
        Ok(())
    }

    fn is_sure(&self) -> bool {
        !self.shared || millis(self.began.elapsed()) < self.sure_until.load(Ordering::Acquire)
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

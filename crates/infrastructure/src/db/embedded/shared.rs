//! What the supervision of the embedded PostgreSQL and the users of its connection know of each other.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::watch;

use super::{
    offenders::Offenders,
    usage::{Usage, UsageLimits},
};

/// Whether the engine can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Ready,
    /// It is lost or does not answer, and is started again.
    Lost,
    Stopped,
}

/// What they share.
pub(super) struct Shared {
    status: watch::Sender<Status>,
    usage: Mutex<Option<Usage>>,
    restarts: AtomicU64,
    pub(super) offenders: Offenders,
    pub(super) limits: UsageLimits,
}

impl Shared {
    /// Of an engine that is ready.
    pub(super) fn new(limits: UsageLimits) -> Self {
        let (status, usage) = (watch::Sender::new(Status::Ready), Mutex::new(None));
        let (restarts, offenders) = (AtomicU64::new(0), Offenders::default());
        Self { status, usage, restarts, offenders, limits }
    }

    /// What the connection is used for.
    pub(super) fn usage(&self) -> MutexGuard<'_, Option<Usage>> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn status(&self) -> Status {
        *self.status.borrow()
    }

    pub(super) fn set_status(&self, status: Status) {
        self.status.send_if_modified(|known| std::mem::replace(known, status) != status);
    }

    /// How often it was started again.
    pub(super) fn restarts(&self) -> u64 {
        self.restarts.load(Ordering::Relaxed)
    }

    /// It was started again, and is ready.
    pub(super) fn is_back(&self) {
        self.restarts.fetch_add(1, Ordering::Relaxed);
        self.set_status(Status::Ready);
    }

    /// Waits for a status.
    pub(super) async fn until(&self, is_it: impl Fn(Status) -> bool) {
        // The sender is as old as this.
        let _ = self.status.subscribe().wait_for(|status| is_it(*status)).await;
    }
}

//! Who may run an author's query now, who waits, and who is sent away at once.

use std::{sync::Arc, time::Duration};

use metricd_application::ports::RunError;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Nothing came free in time.
#[derive(Debug, Error)]
#[error("all queries that may run at once are running")]
struct Waited;

/// As many queries as may run at once, and a line of bounded length behind them.
pub(crate) struct Queue {
    /// Those that run and those that wait.
    inside: Arc<Semaphore>,
    /// Those that run.
    running: Arc<Semaphore>,
    patience: Duration,
}

/// A place among those that run. It is free again when the last of its clones is dropped.
pub(crate) struct Place {
    _running: OwnedSemaphorePermit,
    _inside: OwnedSemaphorePermit,
}

impl Queue {
    /// `at_once` queries run, and `waiting` more wait for no longer than `patience`.
    pub(crate) fn new(at_once: u32, waiting: u32, patience: Duration) -> Self {
        let (at_once, waiting) = (at_once.max(1) as usize, waiting as usize);
        let inside = at_once.saturating_add(waiting).min(Semaphore::MAX_PERMITS);
        Self {
            inside: Arc::new(Semaphore::new(inside)),
            running: Arc::new(Semaphore::new(at_once.min(Semaphore::MAX_PERMITS))),
            patience,
        }
    }

    /// Waits for a place.
    ///
    /// # Errors
    /// [`RunError::QueueFull`] at once when too many wait, [`RunError::Unavailable`] after a time.
    pub(crate) async fn take(&self) -> Result<Arc<Place>, RunError> {
        let inside =
            Arc::clone(&self.inside).try_acquire_owned().map_err(|_| RunError::QueueFull)?;
        let running = Arc::clone(&self.running).acquire_owned();
        match tokio::time::timeout(self.patience, running).await {
            Ok(Ok(running)) => Ok(Arc::new(Place { _running: running, _inside: inside })),
            _ => Err(RunError::Unavailable(Waited.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn some_run_some_wait_and_the_rest_are_sent_away() {
        let queue = Queue::new(2, 1, Duration::from_secs(5));
        let first = queue.take().await.unwrap();
        let second = queue.take().await.unwrap();
        let mut waiting = Box::pin(queue.take());
        assert!(futures::poll!(&mut waiting).is_pending());
        assert!(matches!(queue.take().await, Err(RunError::QueueFull)));

        // A place that is still held somewhere is not free.
        let held = Arc::clone(&first);
        drop(first);
        assert!(futures::poll!(&mut waiting).is_pending());
        drop(held);
        let third = waiting.await.unwrap();
        let waited = queue.take().await;
        assert!(matches!(waited, Err(RunError::Unavailable(_))));
        drop((second, third));
        queue.take().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_stops_waiting_leaves_the_line() {
        let queue = Queue::new(1, 1, Duration::from_secs(5));
        let running = queue.take().await.unwrap();
        for _ in 0..3 {
            let mut waiting = Box::pin(queue.take());
            assert!(futures::poll!(&mut waiting).is_pending());
        }
        drop(running);
        queue.take().await.unwrap();
    }
}

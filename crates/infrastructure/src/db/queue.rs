//! The queue of authors' queries: some run, some wait, the rest is refused at once.

use std::{sync::Arc, time::Duration};

use metricd_application::ports::RunError;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// No permit was free in time.
#[derive(Debug, Error)]
#[error("timed out waiting in the queue: as many queries as may run at once are running")]
struct QueueTimeout;

/// Admits as many queries as may run at once, behind a queue of bounded length.
pub(super) struct Queue {
    /// Those that run and those that wait.
    admitted: Arc<Semaphore>,
    /// Those that run.
    running: Arc<Semaphore>,
    timeout: Duration,
}

/// A permit to run queries. It is given back when the last reference to it is dropped.
pub(super) struct RunPermit {
    _running: OwnedSemaphorePermit,
    _admitted: OwnedSemaphorePermit,
}

impl Queue {
    /// `at_once` queries run, and `waiting` more wait for no longer than `timeout`.
    pub(super) fn new(at_once: u32, waiting: u32, timeout: Duration) -> Self {
        let (at_once, waiting) = (at_once.max(1) as usize, waiting as usize);
        let admitted = at_once.saturating_add(waiting).min(Semaphore::MAX_PERMITS);
        Self {
            admitted: Arc::new(Semaphore::new(admitted)),
            running: Arc::new(Semaphore::new(at_once.min(Semaphore::MAX_PERMITS))),
            timeout,
        }
    }

    /// Waits for a permit.
    ///
    /// # Errors
    /// [`RunError::QueueFull`] at once when too many wait, [`RunError::Unavailable`] after the time-out.
    pub(super) async fn acquire(&self) -> Result<Arc<RunPermit>, RunError> {
        let admitted =
            Arc::clone(&self.admitted).try_acquire_owned().map_err(|_| RunError::QueueFull)?;
        // The semaphore is fair: a permit is free only if no query waits for one. No timer is needed then.
        let running = match Arc::clone(&self.running).try_acquire_owned() {
            Ok(running) => running,
            Err(_) => self.wait().await?,
        };
        Ok(Arc::new(RunPermit { _running: running, _admitted: admitted }))
    }

    async fn wait(&self) -> Result<OwnedSemaphorePermit, RunError> {
        let running = Arc::clone(&self.running).acquire_owned();
        match tokio::time::timeout(self.timeout, running).await {
            Ok(Ok(running)) => Ok(running),
            _ => Err(RunError::Unavailable(QueueTimeout.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn some_run_some_wait_and_the_rest_are_refused() {
        let queue = Queue::new(2, 1, Duration::from_secs(5));
        let first = queue.acquire().await.unwrap();
        let second = queue.acquire().await.unwrap();
        let mut waiting = Box::pin(queue.acquire());
        assert!(futures::poll!(&mut waiting).is_pending());
        assert!(matches!(queue.acquire().await, Err(RunError::QueueFull)));

        // A permit that is still held somewhere is not free.
        let held = Arc::clone(&first);
        drop(first);
        assert!(futures::poll!(&mut waiting).is_pending());
        drop(held);
        let third = waiting.await.unwrap();
        let waited = queue.acquire().await;
        assert!(matches!(waited, Err(RunError::Unavailable(_))));
        drop((second, third));
        queue.acquire().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_query_that_stops_waiting_leaves_the_queue() {
        let queue = Queue::new(1, 1, Duration::from_secs(5));
        let running = queue.acquire().await.unwrap();
        for _ in 0..3 {
            let mut waiting = Box::pin(queue.acquire());
            assert!(futures::poll!(&mut waiting).is_pending());
        }
        drop(running);
        queue.acquire().await.unwrap();
    }
}

//! The supervisor of background work: one cancellation signal for all of it, and one place that waits for it.
//!
//! What runs for as long as the process is spawned here and watches [`Supervisor::stopping`], so that it holds up no
//! stop. A request in flight, such as an export, has until [`Supervisor::grace_is_over`] instead. What an adapter spawns
//! for itself (listening, ending a session) ends with the adapter.

use std::future::Future;

use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{Instrument as _, error};

/// Spawns background tasks, stops them and waits for them. Clones share the same tasks.
#[derive(Debug, Clone, Default)]
pub struct Supervisor {
    tasks: TaskTracker,
    stopping: CancellationToken,
    grace_is_over: CancellationToken,
    failed: CancellationToken,
}

impl Supervisor {
    /// Spawns a task that the process can do without. A panic in it is logged under `name`.
    pub fn spawn<F>(&self, name: &'static str, work: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.supervise(name, work(self.stopping.clone()), None);
    }

    /// Spawns a task that the process cannot do without. A panic in it is logged under `name` and reported by
    /// [`Self::failed`].
    pub fn spawn_essential<F>(&self, name: &'static str, work: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.supervise(name, work(self.stopping.clone()), Some(self.failed.clone()));
    }

    fn supervise(
        &self,
        name: &'static str,
        work: impl Future<Output = ()> + Send + 'static,
        failed: Option<CancellationToken>,
    ) {
        let task = tokio::spawn(work.in_current_span());
        self.tasks.spawn(async move {
            if task.await.is_err_and(|error| error.is_panic()) {
                error!(task = name, "Background task panicked");
                if let Some(failed) = failed {
                    failed.cancel();
                }
            }
        });
    }

    /// Resolves when an essential task has panicked.
    pub async fn failed(&self) {
        self.failed.cancelled().await;
    }

    /// The signal that the process stops. Tasks end when it is cancelled, and responses without an end of their own.
    #[must_use]
    pub fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    /// The signal that what is still in flight gets no more time.
    #[must_use]
    pub fn grace_is_over(&self) -> &CancellationToken {
        &self.grace_is_over
    }

    /// Tells every task to stop.
    pub fn stop(&self) {
        self.stopping.cancel();
    }

    /// Tells every task to stop and waits until all have ended. The caller bounds the time.
    pub async fn stopped(&self) {
        self.stop();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stop_reaches_every_task_and_waits_for_it() {
        let supervisor = Supervisor::default();
        let (sender, mut ended) = tokio::sync::mpsc::unbounded_channel();
        for number in 0..3 {
            let sender = sender.clone();
            supervisor.spawn("waiting", async move |stopping| {
                stopping.cancelled().await;
                tokio::task::yield_now().await;
                sender.send(number).unwrap();
            });
        }
        assert!(ended.try_recv().is_err());
        supervisor.stopped().await;
        let mut numbers: Vec<i32> = std::iter::from_fn(|| ended.try_recv().ok()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [0, 1, 2]);
        assert!(futures::poll!(Box::pin(supervisor.failed())).is_pending());
    }

    #[tokio::test]
    async fn only_a_panic_of_an_essential_task_is_reported() {
        let supervisor = Supervisor::default();
        supervisor.spawn("broken", async |_| panic!("as planned"));
        supervisor.stopped().await;
        assert!(futures::poll!(Box::pin(supervisor.failed())).is_pending());
        supervisor.spawn_essential("broken", async |_| panic!("as planned"));
        supervisor.failed().await;
        supervisor.stopped().await;
    }
}

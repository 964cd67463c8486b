//! Single-flight: one execution for all concurrent callers of one key.
//!
//! A caller that leaves ends the execution only when it was the last one. A caller never joins an execution
//! that began too early for it: a ticket says whether the execution can still be joined.

use std::{future::Future, hash::Hash};

use thiserror::Error;
use tokio::{sync::watch, task::AbortHandle};
use tracing::Instrument;

use super::{
    registry::{Execution, Registry},
    sync::Arc,
};

/// Deduplicates concurrent executions by key.
pub(crate) struct SingleFlight<K: Hash + Eq + Clone, T, V>(Arc<Registry<K, InFlight<T, V>>>);

struct InFlight<T, V> {
    ticket: T,
    result: watch::Receiver<Option<V>>,
    task: AbortHandle,
}

/// The shared execution ended without a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the shared execution was aborted")]
pub(crate) struct Aborted;

impl<K: Hash + Eq + Clone, T, V> Clone for SingleFlight<K, T, V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: Hash + Eq + Clone, T, V> Default for SingleFlight<K, T, V> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Hash + Eq + Clone, T, V: Clone + Send + Sync + 'static> SingleFlight<K, T, V> {
    /// Returns the result of the execution in flight for `key` if `may_join` accepts its ticket, else of the
    /// one that `begin` starts, and whether it was joined.
    ///
    /// # Errors
    /// [`Aborted`] when the execution panicked.
    pub(crate) async fn run<F>(
        &self,
        key: K,
        may_join: impl FnOnce(&T) -> bool,
        begin: impl FnOnce() -> (T, F),
    ) -> (Result<V, Aborted>, bool)
    where
        F: Future<Output = V> + Send + 'static,
    {
        let begin = || {
            let (ticket, work) = begin();
            let (sender, result) = watch::channel(None);
            let execute = async move {
                let _ = sender.send(Some(work.await));
            };
            let task = tokio::spawn(execute.in_current_span()).abort_handle();
            InFlight { ticket, result, task }
        };
        let (execution, joined) = self.0.join(&key, |in_flight| may_join(&in_flight.ticket), begin);
        let mut result = execution.ticket.result.clone();
        let _waiter = Waiter { registry: &self.0, key, execution };
        let received = result.wait_for(Option::is_some).await;
        let value = received.ok().and_then(|value| value.clone());
        (value.ok_or(Aborted), joined)
    }
}

/// A caller that waits for an execution. The last waiter to be dropped aborts it, if it is still running.
struct Waiter<'a, K: Hash + Eq + Clone, T, V> {
    registry: &'a Registry<K, InFlight<T, V>>,
    key: K,
    execution: Arc<Execution<InFlight<T, V>>>,
}

impl<K: Hash + Eq + Clone, T, V> Drop for Waiter<'_, K, T, V> {
    fn drop(&mut self) {
        if self.registry.leave(&self.key, &self.execution) {
            self.execution.ticket.task.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::{Notify, oneshot};

    use super::*;

    /// Work that ends when it is told to and counts how often it began and ended.
    #[derive(Clone, Default)]
    struct Work {
        begun: Arc<AtomicU32>,
        ended: Arc<AtomicU32>,
        go: Arc<Notify>,
    }

    impl Work {
        fn begin(&self) -> ((), impl Future<Output = u32> + Send + 'static + use<>) {
            let (begun, work) = (self.begun.fetch_add(1, Ordering::SeqCst), self.clone());
            ((), async move {
                work.go.notified().await;
                work.ended.fetch_add(1, Ordering::SeqCst);
                begun
            })
        }

        fn counts(&self) -> (u32, u32) {
            (self.begun.load(Ordering::SeqCst), self.ended.load(Ordering::SeqCst))
        }
    }

    #[tokio::test]
    async fn concurrent_callers_of_one_key_share_one_execution() {
        let (single_flight, work) = (SingleFlight::<&str, (), u32>::default(), Work::default());
        let ask = || single_flight.run("a", |()| true, || work.begin());
        let (mut one, mut two) = (Box::pin(ask()), Box::pin(ask()));
        assert!(futures_poll(&mut one).await.is_none());
        assert!(futures_poll(&mut two).await.is_none());
        let mut other = Box::pin(single_flight.run("b", |()| true, || work.begin()));
        assert!(futures_poll(&mut other).await.is_none());
        work.go.notify_waiters();
        tokio::task::yield_now().await;
        work.go.notify_one();
        work.go.notify_one();
        assert_eq!((one.await, two.await), ((Ok(0), false), (Ok(0), true)));
        work.go.notify_one();
        other.await.0.unwrap();
        assert_eq!(work.counts(), (2, 2));
    }

    #[tokio::test]
    async fn a_caller_that_leaves_ends_it_only_as_the_last_one() {
        let (single_flight, work) = (SingleFlight::<&str, (), u32>::default(), Work::default());
        let ask = || single_flight.run("a", |()| true, || work.begin());
        let (mut first, mut second) = (Box::pin(ask()), Box::pin(ask()));
        assert!(futures_poll(&mut first).await.is_none());
        assert!(futures_poll(&mut second).await.is_none());
        drop(first);
        work.go.notify_one();
        assert_eq!(second.await, (Ok(0), true));

        let (gone, left) = oneshot::channel::<()>();
        let begin = || {
            let held = async move {
                let _gone = gone;
                std::future::pending::<()>().await;
                7
            };
            ((), held)
        };
        let mut last = Box::pin(single_flight.run("a", |()| true, begin));
        assert!(futures_poll(&mut last).await.is_none());
        drop(last);
        // Its sender is dropped with it.
        assert!(left.await.is_err());
        // A later caller does not wait for the aborted execution.
        work.go.notify_one();
        assert_eq!(ask().await, (Ok(1), false));
    }

    #[tokio::test]
    async fn an_execution_that_may_not_be_joined_is_started_again() {
        let (single_flight, work) = (SingleFlight::<&str, (), u32>::default(), Work::default());
        let mut early = Box::pin(single_flight.run("a", |()| true, || work.begin()));
        assert!(futures_poll(&mut early).await.is_none());
        let mut late = Box::pin(single_flight.run("a", |()| false, || work.begin()));
        assert!(futures_poll(&mut late).await.is_none());
        tokio::task::yield_now().await;
        work.go.notify_waiters();
        assert_eq!((early.await, late.await), ((Ok(0), false), (Ok(1), false)));
    }

    #[tokio::test]
    async fn a_panic_is_reported_and_blocks_no_later_caller() {
        let single_flight = SingleFlight::<&str, (), u32>::default();
        let broken = single_flight.run("a", |()| true, || ((), async { panic!("as planned") }));
        assert_eq!(broken.await, (Err(Aborted), false));
        let sound = single_flight.run("a", |()| true, || ((), async { 1 }));
        assert_eq!(sound.await, (Ok(1), false));
    }

    /// Polls once and lets spawned work go on.
    async fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        let polled = std::future::poll_fn(|context| {
            std::task::Poll::Ready(match std::pin::Pin::new(&mut *future).poll(context) {
                std::task::Poll::Ready(value) => Some(value),
                std::task::Poll::Pending => None,
            })
        })
        .await;
        tokio::task::yield_now().await;
        polled
    }
}

//! A stale-while-revalidate cache of one value.
//!
//! Must never make a second caller wait for a refresh while a stale value can still be used, nor serve one that
//! could not be refreshed for too long.

use std::{
    error::Error,
    sync::{Arc, Mutex as SyncMutex, MutexGuard, PoisonError},
    time::Duration,
};

use metricd_application::error_chain;
use tokio::{sync::Mutex, time::Instant};
use tracing::warn;

/// Caches the last value that was read
/// (why not in another cache: `docs/adr/0013-which-cache-for-what.md`).
pub(super) struct StaleWhileRevalidate<T> {
    /// How long a value is served without a refresh.
    fresh: Duration,
    /// How old a value may become when it cannot be refreshed.
    usable: Duration,
    cached: SyncMutex<Option<CachedValue<T>>>,
    /// Held by the caller that refreshes.
    refreshing: Mutex<()>,
}

struct CachedValue<T> {
    value: Arc<T>,
    read_at: Instant,
    /// When the last refresh was tried, whether it failed or not.
    tried_at: Instant,
}

impl<T> StaleWhileRevalidate<T> {
    /// An empty cache.
    pub(super) fn new(fresh: Duration, usable: Duration) -> Self {
        Self { fresh, usable, cached: SyncMutex::new(None), refreshing: Mutex::new(()) }
    }

    /// Returns the value of `what`, by `read` if it has to be read. While one caller refreshes, all others
    /// get the stale value at once, as long as it is usable.
    pub(super) async fn get<E: Error + 'static>(
        &self,
        what: &'static str,
        read: impl Future<Output = Result<T, E>>,
    ) -> Result<Arc<T>, E> {
        if let Some(fresh) = self.fresh() {
            return Ok(fresh);
        }
        let _refreshing = match (self.refreshing.try_lock(), self.usable()) {
            (Ok(guard), _) => guard,
            (Err(_), Some((stale, _))) => return Ok(stale),
            (Err(_), None) => self.refreshing.lock().await,
        };
        if let Some(fresh) = self.fresh() {
            return Ok(fresh);
        }
        match read.await {
            Ok(value) => {
                let (value, now) = (Arc::new(value), Instant::now());
                let cached = CachedValue { value: Arc::clone(&value), read_at: now, tried_at: now };
                *self.cached() = Some(cached);
                Ok(value)
            }
            Err(error) => self.stale(what, &error).ok_or(error),
        }
    }

    /// The stale value after a refresh that failed, if it may still be used.
    fn stale(&self, what: &'static str, error: &(dyn Error + 'static)) -> Option<Arc<T>> {
        let usable = self.usable();
        let mut cached = self.cached();
        if let (Some((stale, age)), Some(cached)) = (usable, cached.as_mut()) {
            cached.tried_at = Instant::now();
            let age_seconds = age.as_secs();
            let error = error_chain(error);
            warn!(error, what, age_seconds, "Refresh failed; serving the stale value");
            return Some(stale);
        }
        if cached.take().is_some() {
            let error = error_chain(error);
            warn!(error, what, "Refresh failed; the stale value is too old and was dropped");
        }
        None
    }

    fn fresh(&self) -> Option<Arc<T>> {
        let (value, _) = self.usable()?;
        let tried_at = self.cached().as_ref()?.tried_at;
        (tried_at.elapsed() < self.fresh).then_some(value)
    }

    /// The value and its age, if it may be used.
    fn usable(&self) -> Option<(Arc<T>, Duration)> {
        let cached = self.cached();
        let cached = cached.as_ref()?;
        let age = cached.read_at.elapsed();
        (age < self.usable).then(|| (Arc::clone(&cached.value), age))
    }

    fn cached(&self) -> MutexGuard<'_, Option<CachedValue<T>>> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::{pending, ready},
        io,
    };

    use tokio::{sync::oneshot, task::yield_now, time::advance};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const FRESH: Duration = Duration::from_secs(15);
    const USABLE: Duration = Duration::from_mins(10);

    fn cache() -> Arc<StaleWhileRevalidate<u32>> {
        Arc::new(StaleWhileRevalidate::new(FRESH, USABLE))
    }

    async fn get(of: &StaleWhileRevalidate<u32>, read: Result<u32, io::Error>) -> Option<u32> {
        of.get("number", ready(read)).await.ok().map(|value| *value)
    }

    fn broken() -> Result<u32, io::Error> {
        Err(io::Error::other("no"))
    }

    #[tokio::test(start_paused = true)]
    async fn a_stale_value_is_refreshed() {
        let of = cache();
        assert_eq!(get(&of, Ok(1)).await, Some(1));
        advance(FRESH.saturating_sub(SECOND)).await;
        assert_eq!(get(&of, Ok(2)).await, Some(1));
        advance(SECOND).await;
        assert_eq!(get(&of, Ok(3)).await, Some(3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stale_value_is_served_for_a_while_and_no_longer() {
        let of = cache();
        assert_eq!(get(&of, broken()).await, None);
        assert_eq!(get(&of, Ok(1)).await, Some(1));
        advance(FRESH).await;
        assert_eq!(get(&of, broken()).await, Some(1));
        // It is not tried again at once.
        assert_eq!(get(&of, Ok(2)).await, Some(1));
        advance(USABLE.saturating_sub(FRESH + SECOND)).await;
        assert_eq!(get(&of, broken()).await, Some(1));
        advance(SECOND).await;
        assert_eq!(get(&of, broken()).await, None);
        assert_eq!(get(&of, Ok(3)).await, Some(3));
    }

    #[tokio::test(start_paused = true)]
    async fn callers_get_the_stale_value_during_a_refresh() {
        let of = cache();
        assert_eq!(get(&of, Ok(1)).await, Some(1));
        advance(FRESH).await;
        let (finish, finished) = oneshot::channel();
        let reader = tokio::spawn({
            let of = Arc::clone(&of);
            let read = async move { Ok::<_, io::Error>(finished.await.unwrap()) };
            async move { of.get("number", read).await.map(|value| *value) }
        });
        yield_now().await;
        assert_eq!(get(&of, Ok(9)).await, Some(1));
        finish.send(2).unwrap();
        assert_eq!(reader.await.unwrap().unwrap(), 2);
        assert_eq!(get(&of, Ok(9)).await, Some(2));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_value_callers_wait_for_the_first_read_or_take_it_over() {
        let of = cache();
        let left = tokio::spawn({
            let of = Arc::clone(&of);
            async move { of.get("number", pending::<Result<u32, io::Error>>()).await }
        });
        yield_now().await;
        let waits = tokio::spawn({
            let of = Arc::clone(&of);
            async move { get(&of, Ok(2)).await }
        });
        yield_now().await;
        assert!(!waits.is_finished());
        left.abort();
        assert_eq!(waits.await.unwrap(), Some(2));
    }
}

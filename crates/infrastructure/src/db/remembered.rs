//! What was read a while ago, and is read again when it is old.
//!
//! Must never make anybody wait for a second reading while what is known can still be used, nor go on
//! with what nobody has been able to confirm for too long.

use std::{
    error::Error,
    sync::{Arc, Mutex as SyncMutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Mutex, time::Instant};
use tracing::warn;

/// The last value that was read.
pub(super) struct Remembered<T> {
    /// How long a value is given without reading again.
    fresh: Duration,
    /// How old a value may become when it cannot be read again.
    usable: Duration,
    known: SyncMutex<Option<Known<T>>>,
    /// Held by the one who reads.
    reading: Mutex<()>,
}

struct Known<T> {
    value: Arc<T>,
    read_at: Instant,
    /// When it was last tried to read it again, whatever came of it.
    tried_at: Instant,
}

impl<T> Remembered<T> {
    /// Nothing is known yet.
    pub(super) fn new(fresh: Duration, usable: Duration) -> Self {
        Self { fresh, usable, known: SyncMutex::new(None), reading: Mutex::new(()) }
    }

    /// The value of `what`, by `read` if it has to be read. Whoever comes while somebody else reads gets
    /// the old value at once, as long as it is usable.
    pub(super) async fn get<E: Error + 'static>(
        &self,
        what: &'static str,
        read: impl Future<Output = Result<T, E>>,
    ) -> Result<Arc<T>, E> {
        if let Some(fresh) = self.fresh() {
            return Ok(fresh);
        }
        let _reading = match (self.reading.try_lock(), self.usable()) {
            (Ok(turn), _) => turn,
            (Err(_), Some((old, _))) => return Ok(old),
            (Err(_), None) => self.reading.lock().await,
        };
        if let Some(fresh) = self.fresh() {
            return Ok(fresh);
        }
        match read.await {
            Ok(value) => {
                let (value, now) = (Arc::new(value), Instant::now());
                let known = Known { value: Arc::clone(&value), read_at: now, tried_at: now };
                *self.known() = Some(known);
                Ok(value)
            }
            Err(error) => self.old(what, &error).ok_or(error),
        }
    }

    /// The old value, for whoever could not read another.
    fn old(&self, what: &'static str, error: &(dyn Error + 'static)) -> Option<Arc<T>> {
        let usable = self.usable();
        let mut known = self.known();
        if let (Some((old, age)), Some(known)) = (usable, known.as_mut()) {
            known.tried_at = Instant::now();
            let age_seconds = age.as_secs();
            warn!(error, what, age_seconds, "Not read again: the old one stays");
            return Some(old);
        }
        if known.take().is_some() {
            warn!(what, "Not read again for too long: the old one is given up");
        }
        None
    }

    fn fresh(&self) -> Option<Arc<T>> {
        let (value, _) = self.usable()?;
        let tried_at = self.known().as_ref()?.tried_at;
        (tried_at.elapsed() < self.fresh).then_some(value)
    }

    /// The value and its age, if it may be used.
    fn usable(&self) -> Option<(Arc<T>, Duration)> {
        let known = self.known();
        let known = known.as_ref()?;
        let age = known.read_at.elapsed();
        (age < self.usable).then(|| (Arc::clone(&known.value), age))
    }

    fn known(&self) -> MutexGuard<'_, Option<Known<T>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
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

    fn remembered() -> Arc<Remembered<u32>> {
        Arc::new(Remembered::new(FRESH, USABLE))
    }

    async fn get(of: &Remembered<u32>, read: Result<u32, io::Error>) -> Option<u32> {
        of.get("number", ready(read)).await.ok().map(|value| *value)
    }

    fn broken() -> Result<u32, io::Error> {
        Err(io::Error::other("no"))
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_read_again_when_it_is_old() {
        let of = remembered();
        assert_eq!(get(&of, Ok(1)).await, Some(1));
        advance(FRESH.saturating_sub(SECOND)).await;
        assert_eq!(get(&of, Ok(2)).await, Some(1));
        advance(SECOND).await;
        assert_eq!(get(&of, Ok(3)).await, Some(3));
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_read_again_stays_for_a_while_and_no_longer() {
        let of = remembered();
        assert_eq!(get(&of, broken()).await, None);
        assert_eq!(get(&of, Ok(1)).await, Some(1));
        advance(FRESH).await;
        assert_eq!(get(&of, broken()).await, Some(1));
        // Nobody tries again at once.
        assert_eq!(get(&of, Ok(2)).await, Some(1));
        advance(USABLE.saturating_sub(FRESH + SECOND)).await;
        assert_eq!(get(&of, broken()).await, Some(1));
        advance(SECOND).await;
        assert_eq!(get(&of, broken()).await, None);
        assert_eq!(get(&of, Ok(3)).await, Some(3));
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_while_it_is_read_again_gets_the_old_one() {
        let of = remembered();
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
    async fn who_has_nothing_waits_for_the_one_who_reads_or_takes_their_place() {
        let of = remembered();
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

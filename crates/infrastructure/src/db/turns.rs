//! Waiting for a pool of one connection, as the embedded engine's is. That pool waits long enough for
//! the engine to start; a caller waits for its turn no longer than for a connection of a server.

use std::{future::Future, sync::Arc, time::Duration};

use metricd_application::ports::{RunError, StoreError};
use sqlx::PgPool;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Instrument;

/// The turn did not come in time.
#[derive(Debug, Error)]
#[error("the one connection to the database is busy")]
pub(crate) struct Busy;

impl From<Busy> for StoreError {
    fn from(busy: Busy) -> Self {
        Self::Unavailable(busy.into())
    }
}

impl From<Busy> for RunError {
    fn from(busy: Busy) -> Self {
        Self::Unavailable(busy.into())
    }
}

/// Who may ask the database: one after the other where there is one connection, else everybody who
/// gets one of the pool.
#[derive(Clone)]
pub(crate) struct Turns(Option<Line>);

#[derive(Clone)]
struct Line {
    turn: Arc<Semaphore>,
    patience: Duration,
    pool: PgPool,
}

impl Turns {
    /// Turns at the connections of `pool`, each waited for no longer than `patience`.
    pub(crate) fn at(pool: &PgPool, patience: Duration) -> Self {
        let one = pool.options().get_max_connections() == 1;
        Self(one.then(|| Line { turn: Arc::new(Semaphore::new(1)), patience, pool: pool.clone() }))
    }

    /// Waits for a turn.
    pub(crate) async fn take(&self) -> Result<Turn, Busy> {
        let Some(Line { turn, patience, pool }) = &self.0 else {
            return Ok(Turn(None));
        };
        match tokio::time::timeout(*patience, Arc::clone(turn).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Turn(Some((permit, pool.clone())))),
            _ => Err(Busy),
        }
    }

    /// Does `work` when it is its turn.
    pub(crate) async fn within<T, E: From<Busy>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let turn = self.take().await?;
        let done = work.await;
        turn.end();
        done
    }
}

/// A turn. It ends by [`Turn::end`]; dropped before, it ends when the engine is done with what was
/// left in the middle.
#[must_use]
pub(crate) struct Turn(Option<(OwnedSemaphorePermit, PgPool)>);

impl Turn {
    /// Lets the next one ask: nothing of ours is running any more.
    pub(crate) fn end(mut self) {
        self.0 = None;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let (Some((permit, pool)), Ok(runtime)) =
            (self.0.take(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        let until_done = async move {
            // The connection comes back to the pool when the engine has answered.
            while matches!(pool.acquire().await, Err(sqlx::Error::PoolTimedOut)) {}
            drop(permit);
        };
        runtime.spawn(until_done.in_current_span());
    }
}

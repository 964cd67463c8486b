//! Admission to a pool of one connection, as the embedded engine's is. That pool waits long enough for
//! the engine to start; a caller waits for its permit no longer than for a connection of a server.

use std::{future::Future, sync::Arc, time::Duration};

use metricd_application::ports::{RunError, StoreError};
use sqlx::PgPool;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Instrument;

/// No permit was free in time.
#[derive(Debug, Error)]
#[error("timed out waiting for the database's only connection")]
pub(super) struct GateTimeout;

impl From<GateTimeout> for StoreError {
    fn from(timeout: GateTimeout) -> Self {
        Self::Unavailable(timeout.into())
    }
}

impl From<GateTimeout> for RunError {
    fn from(timeout: GateTimeout) -> Self {
        Self::Unavailable(timeout.into())
    }
}

/// Admits callers to the database: one after the other where there is one connection; otherwise the
/// pool alone decides.
#[derive(Clone)]
pub(super) struct ConnectionGate(Option<SingleConnection>);

#[derive(Clone)]
struct SingleConnection {
    permits: Arc<Semaphore>,
    timeout: Duration,
    pool: PgPool,
}

impl ConnectionGate {
    /// A gate before the connections of `pool`. A caller waits for a permit no longer than `timeout`.
    pub(super) fn before(pool: &PgPool, timeout: Duration) -> Self {
        let single = pool.options().get_max_connections() == 1;
        let permits = || Arc::new(Semaphore::new(1));
        Self(single.then(|| SingleConnection { permits: permits(), timeout, pool: pool.clone() }))
    }

    /// Waits for a permit.
    pub(super) async fn acquire(&self) -> Result<ConnectionPermit, GateTimeout> {
        let Some(SingleConnection { permits, timeout, pool }) = &self.0 else {
            return Ok(ConnectionPermit::unlimited());
        };
        match tokio::time::timeout(*timeout, Arc::clone(permits).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(ConnectionPermit(Some((permit, pool.clone())))),
            _ => Err(GateTimeout),
        }
    }

    /// Does `work` while it holds a permit.
    pub(super) async fn within<T, E: From<GateTimeout>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let permit = self.acquire().await?;
        let done = work.await;
        permit.release();
        done
    }
}

/// A permit to use the connection. [`ConnectionPermit::release`] gives it back at once; dropped before
/// that, it is given back when the engine has answered what was left running.
#[must_use]
pub(super) struct ConnectionPermit(Option<(OwnedSemaphorePermit, PgPool)>);

impl ConnectionPermit {
    /// A permit where the pool alone decides.
    pub(super) fn unlimited() -> Self {
        Self(None)
    }

    /// Gives the permit back: nothing of the caller's is running any more.
    pub(super) fn release(mut self) {
        self.0 = None;
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let (Some((permit, pool)), Ok(runtime)) =
            (self.0.take(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        let until_idle = async move {
            // The connection comes back to the pool when the engine has answered.
            while matches!(pool.acquire().await, Err(sqlx::Error::PoolTimedOut)) {}
            drop(permit);
        };
        runtime.spawn(until_idle.in_current_span());
    }
}

//! Admission to a pool of one connection, as the embedded engine's is. That pool waits long enough for
//! the engine to start; a caller waits for its permit no longer than for a connection of a server.

use std::{future::Future, sync::Arc, time::Duration};

use metricd_application::ports::{RunError, StoreError};
use sqlx::PgPool;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

/// How often it is looked whether the engine has ended, while a caller waits for it.
const WATCH_PAUSE: Duration = Duration::from_secs(1);

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
    engine: Option<EmbeddedEngine>,
}

/// The engine behind the connection, where it is an embedded one.
#[cfg(feature = "embedded")]
pub(super) type EmbeddedEngine = Arc<super::embedded::EmbeddedServer>;
#[cfg(not(feature = "embedded"))]
pub(super) type EmbeddedEngine = std::convert::Infallible;

impl SingleConnection {
    /// Waits until the connection is back in the pool, which is when the engine has answered, or is made anew when the
    /// engine has ended.
    async fn until_idle(&self) {
        while matches!(self.pool.acquire().await, Err(sqlx::Error::PoolTimedOut)) {}
    }

    /// Looks again and again whether the engine has ended, while its connection is in use or gone, and starts it again:
    /// the pool goes on trying to connect until then.
    fn watch(&self) -> Option<AbortOnDropHandle<()>> {
        self.engine.as_ref()?;
        let this = self.clone();
        let watch = async move {
            loop {
                if this.pool.num_idle() == 0 {
                    this.revive().await;
                }
                tokio::time::sleep(WATCH_PAUSE).await;
            }
        };
        Some(AbortOnDropHandle::new(tokio::spawn(watch.in_current_span())))
    }

    /// Starts the engine again if it has ended.
    #[cfg_attr(
        not(feature = "embedded"),
        expect(clippy::unused_async, reason = "a server is the only engine then")
    )]
    async fn revive(&self) {
        #[cfg(feature = "embedded")]
        if let Some(engine) = &self.engine {
            engine.revive().await;
        }
    }
}

impl ConnectionGate {
    /// A gate before the connections of `pool`, and the engine behind them. A caller waits for a permit no longer than
    /// `timeout`.
    pub(super) fn before(pool: &PgPool, timeout: Duration, engine: Option<EmbeddedEngine>) -> Self {
        let single = pool.options().get_max_connections() == 1;
        let (pool, permits) = (pool.clone(), Arc::new(Semaphore::new(1)));
        Self(single.then_some(SingleConnection { permits, timeout, pool, engine }))
    }

    /// Waits for a permit.
    pub(super) async fn acquire(&self) -> Result<ConnectionPermit, GateTimeout> {
        let Some(connection) = &self.0 else {
            return Ok(ConnectionPermit::unlimited());
        };
        let permit = Arc::clone(&connection.permits).acquire_owned();
        let Ok(Ok(permit)) = tokio::time::timeout(connection.timeout, permit).await else {
            return Err(GateTimeout);
        };
        let watch = connection.watch();
        let permit = ConnectionPermit(Some(Held { permit, connection: connection.clone(), watch }));
        if connection.pool.num_idle() == 0 {
            connection.until_idle().await;
        }
        Ok(permit)
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
pub(super) struct ConnectionPermit(Option<Held>);

struct Held {
    permit: OwnedSemaphorePermit,
    connection: SingleConnection,
    watch: Option<AbortOnDropHandle<()>>,
}

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
        let (Some(Held { permit, connection, watch }), Ok(runtime)) =
            (self.0.take(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        let until_idle = async move {
            connection.until_idle().await;
            drop((permit, watch));
        };
        runtime.spawn(until_idle.in_current_span());
    }
}

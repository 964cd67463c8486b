//! Admission to a pool of one connection, as the embedded engine's is. That pool waits long enough for
//! the engine to start; a caller waits for its permit no longer than for a connection of a server.

use std::{future::Future, sync::Arc, time::Duration};

use metricd_application::ports::{RunError, StoreError};
use sqlx::PgPool;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Instrument;

use super::purpose::Purpose;

/// How long to wait before the next attempt to connect to an engine that is being started again.
const CONNECT_PAUSE: Duration = Duration::from_millis(20);

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
    #[cfg_attr(
        not(feature = "embedded"),
        expect(dead_code, reason = "a server is the only engine then")
    )]
    engine: Option<EmbeddedEngine>,
}

/// The engine behind the connection, where it is an embedded one.
#[cfg(feature = "embedded")]
pub(super) type EmbeddedEngine = Arc<super::embedded::EmbeddedServer>;
#[cfg(not(feature = "embedded"))]
pub(super) type EmbeddedEngine = std::convert::Infallible;

impl SingleConnection {
    /// Waits for a permit, and until there is an engine to use it with.
    async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok()?;
        self.until_ready().await;
        Some(permit)
    }

    #[cfg_attr(
        not(feature = "embedded"),
        expect(clippy::unused_async, reason = "a server is the only engine then")
    )]
    async fn until_ready(&self) {
        #[cfg(feature = "embedded")]
        if let Some(engine) = &self.engine {
            engine.until_ready().await;
        }
    }

    /// Waits until the connection is back in the pool, which is when the engine has answered, or is made anew when the
    /// engine was started again.
    async fn until_idle(&self) {
        loop {
            self.until_ready().await;
            match self.pool.acquire().await {
                Ok(_) | Err(sqlx::Error::PoolClosed) => break,
                Err(_) => tokio::time::sleep(CONNECT_PAUSE).await,
            }
        }
    }

    #[cfg_attr(
        not(feature = "embedded"),
        expect(clippy::unused_self, reason = "a server is the only engine then")
    )]
    fn note(&self, moment: Moment<'_>) {
        #[cfg(feature = "embedded")]
        if let Some(engine) = &self.engine {
            match moment {
                Moment::Begun(purpose) => engine.begin(purpose),
                Moment::Upload => engine.is_upload(),
                Moment::Left => engine.leave(),
                Moment::Done => engine.finish(),
            }
        }
        #[cfg(not(feature = "embedded"))]
        let _ = moment;
    }
}

/// What there is to know of the use of a permit.
#[derive(Clone, Copy)]
#[cfg_attr(
    not(feature = "embedded"),
    expect(dead_code, reason = "a server is the only engine then")
)]
enum Moment<'a> {
    Begun(Purpose<'a>),
    Upload,
    /// Its caller is gone.
    Left,
    Done,
}

impl ConnectionGate {
    /// A gate before the connections of `pool`, of which only the holder of one of `permits` uses the only one, and the
    /// engine behind them. A caller waits for a permit no longer than `timeout`.
    pub(super) fn before(
        pool: &PgPool,
        permits: Arc<Semaphore>,
        timeout: Duration,
        engine: Option<EmbeddedEngine>,
    ) -> Self {
        let single = pool.options().get_max_connections() == 1;
        let pool = pool.clone();
        Self(single.then_some(SingleConnection { permits, timeout, pool, engine }))
    }

    /// Waits for a permit.
    pub(super) async fn acquire(
        &self,
        purpose: Purpose<'_>,
    ) -> Result<ConnectionPermit, GateTimeout> {
        let Some(connection) = &self.0 else {
            return Ok(ConnectionPermit::unlimited());
        };
        let permit = tokio::time::timeout(connection.timeout, connection.permit());
        let Ok(Some(permit)) = permit.await else {
            return Err(GateTimeout);
        };
        connection.note(Moment::Begun(purpose));
        let permit = ConnectionPermit(Some(Held { permit, connection: connection.clone() }));
        if connection.pool.num_idle() == 0 {
            connection.until_idle().await;
        }
        Ok(permit)
    }

    /// Does `work` of metricd's own while it holds a permit.
    pub(super) async fn within<T, E: From<GateTimeout>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let permit = self.acquire(Purpose::Own).await?;
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
}

impl Held {
    fn release(self) {
        self.connection.note(Moment::Done);
        drop(self.permit);
    }
}

impl ConnectionPermit {
    /// A permit where the pool alone decides.
    pub(super) fn unlimited() -> Self {
        Self(None)
    }

    /// Gives the permit back: nothing of the caller's is running any more.
    pub(super) fn release(mut self) {
        if let Some(held) = self.0.take() {
            held.release();
        }
    }

    /// Says that it is used for an upload, which may take longer than another write.
    pub(super) fn is_upload(&self) {
        if let Some(held) = &self.0 {
            held.connection.note(Moment::Upload);
        }
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let (Some(held), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        held.connection.note(Moment::Left);
        let until_idle = async move {
            held.connection.until_idle().await;
            held.release();
        };
        runtime.spawn(until_idle.in_current_span());
    }
}

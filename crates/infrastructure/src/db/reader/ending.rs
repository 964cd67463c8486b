//! Ending sessions from outside: the signal, and the wait until the process is gone.
//!
//! Must never take the signal for the end: PostgreSQL looks for it between steps, and a single call of a function can
//! be a step that takes minutes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use sqlx::{AssertSqlSafe, PgPool};

use crate::db::queue::RunPermit;

/// When a process of the server began, in microseconds.
pub(super) const BEGAN: &str = "(extract(epoch FROM backend_start) * 1000000)::int8";

/// A process that is still there so long after its signal is a survivor.
const SURVIVES_AFTER: Duration = Duration::from_secs(2);

/// How long the first look comes after the signal; each next one comes after twice as long, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The process that serves a session.
#[derive(Debug, Clone, Copy)]
pub(super) struct Process {
    pub(super) pid: i32,
    /// When it began, in microseconds of the server's clock: others get its number later.
    pub(super) began: i64,
}

/// Ends processes, and counts those that survive.
pub(super) struct Terminator {
    /// Never runs an author's statement.
    pool: PgPool,
    timeout: Duration,
    survivors: Arc<AtomicU32>,
}

/// Counts a process as a survivor until it is dropped.
struct Survivor(Arc<AtomicU32>);

impl Survivor {
    fn counted(survivors: &Arc<AtomicU32>) -> Self {
        survivors.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(survivors))
    }
}

impl Drop for Survivor {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Terminator {
    /// Ends processes by the connections of `pool`, each of which answers within `timeout`.
    pub(super) fn new(pool: PgPool, timeout: Duration) -> Self {
        Self { pool, timeout, survivors: Arc::default() }
    }

    pub(super) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// How many processes were told to end and have not.
    pub(super) fn survivors(&self) -> u32 {
        self.survivors.load(Ordering::Relaxed)
    }

    /// Has a process end whatever it is doing, and returns when it is gone. What it runs has `permit`.
    pub(super) async fn end(&self, process: Process, permit: Option<&Arc<RunPermit>>) {
        let pid = process.pid;
        let (begun, mut pause) = (Instant::now(), FIRST_PAUSE);
        let mut survivor = None;
        loop {
            match self.signal(process).await {
                Ok(true) if survivor.is_none() && begun.elapsed() >= SURVIVES_AFTER => {
                    let permit = permit.map(RunPermit::count_unended);
                    survivor = Some((Survivor::counted(&self.survivors), permit));
                    tracing::warn!(
                        pid,
                        "A query does not end when it is told to; it keeps its permit until its process is gone"
                    );
                }
                Ok(true) => {}
                Ok(false) => break,
                Err(sqlx::Error::PoolClosed) => return,
                Err(error) => {
                    tracing::warn!(pid, %error, "Could not end an abandoned query; trying again");
                    pause = LONGEST_PAUSE;
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        if survivor.is_some() {
            let seconds = begun.elapsed().as_secs();
            tracing::info!(pid, seconds, "A query that did not end when it was told to is gone");
        }
    }

    /// Tells a process to end; whether it is still there.
    async fn signal(&self, process: Process) -> Result<bool, sqlx::Error> {
        // Not pg_cancel_backend: a cancel that comes before its statement is passed over.
        let told = sqlx::query_scalar::<_, bool>(AssertSqlSafe(format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND {BEGAN} = $2"
        )))
        .bind(process.pid)
        .bind(process.began)
        .fetch_optional(&self.pool);
        match tokio::time::timeout(self.timeout, told).await {
            Ok(told) => told.map(|told| told.is_some()),
            Err(_) => Err(sqlx::Error::PoolTimedOut),
        }
    }
}

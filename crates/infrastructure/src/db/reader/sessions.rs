//! The reader's sessions: as many as are asked for at once, kept for the next one, and never used again
//! after any trouble. A pool of our own, because the number of a session's process must be at hand
//! to end it from outside.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, PgConnection, PgPool, Row,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tracing::Instrument;

use crate::{
    db::errors::{is_lost, pg_error},
    queue::Place,
};

/// A session is closed after this long: what it has remembered goes with it.
const LIFETIME: Duration = Duration::from_mins(30);

/// One that has lain idle for longer is asked whether it is still there before anything is sent: a
/// query is never sent twice.
const TRUSTED: Duration = Duration::from_millis(100);

/// Sessions of one role.
pub(crate) struct Sessions {
    options: PgConnectOptions,
    settle: Arc<str>,
    patience: Duration,
    idle: Mutex<Idle>,
    /// Where sessions are ended from; it never runs an author's statement.
    aside: PgPool,
    /// Where what may be read is looked at; it never runs an author's statement either.
    lookout: PgPool,
}

/// When a process of the server began, in microseconds.
const BEGAN: &str = "(extract(epoch FROM backend_start) * 1000000)::int8";

enum Idle {
    Open(Vec<Session>),
    Closed,
}

struct Session {
    connection: PgConnection,
    /// Of the process that serves it.
    pid: i32,
    /// When that process began, in microseconds of the server's clock: others get its number later.
    began: i64,
    opened: Instant,
    used: Instant,
}

impl Sessions {
    /// Sessions that `options` lead to, each with `settings`. Nobody waits longer than `patience` for a
    /// new one.
    pub(super) fn new(
        options: PgConnectOptions,
        settings: &[(&'static str, String)],
        patience: Duration,
    ) -> Self {
        let set = settings.iter().map(|(name, value)| format!("SET {name} = '{value}'; "));
        let settle: Arc<str> = set.collect::<String>().into();
        let pool = |connections: u32| {
            let settle = Arc::clone(&settle);
            PgPoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(patience)
                // Ending a query must not wait for a new connection.
                .idle_timeout(None)
                .test_before_acquire(false)
                .after_connect(move |connection, _| {
                    let settle = Arc::clone(&settle);
                    Box::pin(async move {
                        sqlx::raw_sql(AssertSqlSafe(&*settle)).execute(connection).await?;
                        Ok(())
                    })
                })
                .connect_lazy_with(options.clone())
        };
        let (aside, lookout) = (pool(super::ASIDE), pool(super::LOOKOUT));
        Self { options, settle, patience, idle: Mutex::new(Idle::Open(Vec::new())), aside, lookout }
    }

    /// One that lies idle, or else a new one. `place` is held until nothing of it runs any more.
    pub(crate) async fn open(
        self: &Arc<Self>,
        place: Option<&Arc<Place>>,
    ) -> Result<Running, sqlx::Error> {
        let session = if let Some(session) = self.alive().await? {
            session
        } else {
            let opened = tokio::time::timeout(self.patience, self.connect()).await;
            opened.unwrap_or(Err(sqlx::Error::PoolTimedOut))?
        };
        Ok(Running { session: Some(session), place: place.cloned(), sessions: Arc::clone(self) })
    }

    /// One that lies idle and has not broken meanwhile.
    async fn alive(&self) -> Result<Option<Session>, sqlx::Error> {
        while let Some(mut session) = self.take()? {
            if session.used.elapsed() < TRUSTED {
                return Ok(Some(session));
            }
            let answer = tokio::time::timeout(self.patience, session.connection.ping());
            if matches!(answer.await, Ok(Ok(()))) {
                return Ok(Some(session));
            }
        }
        Ok(None)
    }

    /// A connection that runs nothing of an author's.
    pub(super) fn aside(&self) -> &PgPool {
        &self.aside
    }

    /// A connection for looking at what may be read.
    pub(crate) fn lookout(&self) -> &PgPool {
        &self.lookout
    }

    pub(super) async fn close(&self) {
        let before = mem::replace(&mut *self.idle(), Idle::Closed);
        if let Idle::Open(idle) = before {
            for session in idle {
                // The server notices a closed connection in any case.
                let _ = session.connection.close().await;
            }
        }
        self.aside.close().await;
        self.lookout.close().await;
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Result<Option<Session>, sqlx::Error> {
        match &mut *self.idle() {
            Idle::Open(idle) => {
                idle.retain(|session| session.opened.elapsed() < LIFETIME);
                Ok(idle.pop())
            }
            Idle::Closed => Err(sqlx::Error::PoolClosed),
        }
    }

    fn give_back(&self, mut session: Session) {
        session.used = Instant::now();
        if let Idle::Open(idle) = &mut *self.idle() {
            idle.push(session);
        }
    }

    async fn connect(&self) -> Result<Session, sqlx::Error> {
        let mut connection = self.options.connect().await?;
        let settle = format!(
            "{}SELECT pid, {BEGAN} FROM pg_stat_activity WHERE pid = pg_backend_pid()",
            self.settle
        );
        let row = sqlx::raw_sql(AssertSqlSafe(settle)).fetch_one(&mut connection).await?;
        let (pid, began) = (row.try_get(0)?, row.try_get(1)?);
        let opened = Instant::now();
        Ok(Session { connection, pid, began, opened, used: opened })
    }

    /// Ends a session from outside, whatever it is doing.
    async fn end(&self, session: Session) {
        // Not pg_cancel_backend: a cancel that comes before its statement is passed over.
        let ended = sqlx::query_scalar::<_, bool>(AssertSqlSafe(format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND {BEGAN} = $2"
        )))
        .bind(session.pid)
        .bind(session.began)
        .fetch_optional(&self.aside);
        match tokio::time::timeout(self.patience, ended).await {
            // It may have ended by itself.
            Ok(Ok(Some(true) | None)) => {}
            outcome => tracing::warn!(
                ?outcome,
                "An abandoned query could not be ended: it runs into its timeout"
            ),
        }
    }
}

/// A session in use. Dropped before [`Running::end`], it is ended at the server together with what it
/// runs.
pub(crate) struct Running {
    /// `None` only once it has ended.
    session: Option<Session>,
    place: Option<Arc<Place>>,
    sessions: Arc<Sessions>,
}

impl Running {
    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        let session = self.session.as_mut().expect("a session is there until it ends");
        &mut session.connection
    }

    /// Nothing runs any more. The session is used again unless `outcome` makes one doubt it.
    pub(crate) fn end<T>(mut self, outcome: &Result<T, sqlx::Error>) {
        let is_fine = outcome.as_ref().err().is_none_or(is_of_the_statement);
        let is_gone = outcome.as_ref().err().is_some_and(is_lost);
        if is_fine && let Some(session) = self.session.take() {
            self.sessions.give_back(session);
        } else if is_gone {
            self.session = None;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let (Some(session), Ok(runtime)) =
            (self.session.take(), tokio::runtime::Handle::try_current())
        {
            let (sessions, place) = (Arc::clone(&self.sessions), self.place.take());
            let ending = async move {
                sessions.end(session).await;
                drop(place);
            };
            runtime.spawn(ending.in_current_span());
        }
    }
}

/// Whether the statement itself is to blame, and neither the session nor the server.
fn is_of_the_statement(error: &sqlx::Error) -> bool {
    pg_error(error)
        // Connections, resources, interventions, the system, and PostgreSQL's own faults.
        .is_some_and(|error| !matches!(&error.code()[..2], "08" | "53" | "57" | "58" | "XX"))
}

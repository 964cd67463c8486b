//! The reader's sessions: as many as are asked for at once, kept for the next one, and never used again
//! after any trouble. A pool of our own, because the number of a session's process must be at hand
//! to end it from outside.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use chrono_tz::Tz;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, PgConnection, PgPool, Row,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tracing::Instrument;

use super::{
    ending::{BEGAN, Process, Terminator},
    standby::{self, Lag},
};
use crate::db::{
    errors::{pg_error, unknown_timezone},
    queue::RunPermit,
    simple_query::execute,
    statistics::PoolUsage,
};

/// The connections that end queries.
pub(super) const END_CONNECTIONS: u32 = 2;

/// The connections that ask the catalogs what may be read.
pub(super) const CATALOG_CONNECTIONS: u32 = 1;

/// A session is closed after this long: what it has cached goes with it.
const LIFETIME: Duration = Duration::from_mins(30);

/// One that has lain idle for so long is closed, too.
const LONGEST_IDLE: Duration = Duration::from_mins(5);

/// How often idle sessions are looked through.
const SWEEP_PAUSE: Duration = Duration::from_secs(30);

/// How often it is looked whether those in use are gone.
const CLOSE_PAUSE: Duration = Duration::from_millis(20);

/// One that has more memory than this is closed: what a session has once allocated it keeps.
const MAX_MEMORY_BYTES: i64 = 64 * 1024 * 1024;

/// How long after its memory was measured it is measured again, once it has run something.
const MEASURED_FOR: Duration = Duration::from_secs(1);

/// One whose memory cannot be measured is closed after so many runs.
const MAX_UNMEASURED_RUNS: u32 = 1_000;

/// One that has lain idle for longer is asked whether it is still there before anything is sent: a
/// query is never sent twice.
const TRUSTED: Duration = Duration::from_millis(100);

/// Whether the role may read how much memory its session has.
const MAY_MEASURE: &str = "coalesce(pg_catalog.has_table_privilege(pg_catalog.to_regclass('pg_catalog.pg_backend_memory_contexts'), 'SELECT') \
     AND pg_catalog.has_function_privilege(pg_catalog.to_regprocedure('pg_catalog.pg_get_backend_memory_contexts()'), 'EXECUTE'), false)";

const MEMORY: &str =
    "SELECT pg_catalog.sum(total_bytes)::int8 FROM pg_catalog.pg_backend_memory_contexts";

/// How its sessions are known at the server.
pub(super) const APPLICATION_NAME: &str = "metricd reader";

/// Sessions of one role.
pub(in crate::db) struct Sessions {
    options: PgConnectOptions,
    settings: Arc<str>,
    timeout: Duration,
    idle: Mutex<Idle>,
    /// How many there may be; beyond, one of another time zone is used again.
    most_open: usize,
    /// Held by each session.
    open: Arc<()>,
    /// Ends sessions from outside.
    terminator: Terminator,
    /// Asks the catalogs what may be read; never runs an author's statement either.
    catalog_pool: PgPool,
}

enum Idle {
    Open(Vec<Session>),
    Closed,
}

/// What a check-out begins with.
enum Checkout {
    /// A session that was idle.
    Idle(Session),
    /// The right to open one, which counts as open.
    New(Arc<()>),
}

struct Session {
    connection: PgConnection,
    process: Process,
    /// Whether its server was a hot standby when it was opened.
    is_on_standby: bool,
    /// Its `TimeZone`, which the statements that it has prepared were read with.
    timezone: Tz,
    /// Counts it as open.
    open: Arc<()>,
    opened: Instant,
    used: Instant,
    runs: u32,
    /// When its memory was measured last, where the role may; `None` where it may not.
    measured: Option<Instant>,
}

impl Session {
    /// Whether its memory has to be measured before it is used again.
    fn is_due(&self, now: Instant) -> bool {
        self.measured.is_some_and(|measured| now.duration_since(measured) >= MEASURED_FOR)
    }

    fn is_worn_out(&self) -> bool {
        self.measured.is_none() && self.runs >= MAX_UNMEASURED_RUNS
    }

    fn is_too_old(&self, now: Instant) -> bool {
        now.duration_since(self.opened) >= LIFETIME || now.duration_since(self.used) >= LONGEST_IDLE
    }

    /// Whether it may be used without a ping.
    fn is_trusted(&self, now: Instant) -> bool {
        now.duration_since(self.used) < TRUSTED
    }
}

impl Sessions {
    /// At most `most_open` that `options` lead to, each with `settings`. A new one takes no longer than `timeout`.
    pub(super) fn new(
        options: PgConnectOptions,
        settings: &[(&'static str, String)],
        timeout: Duration,
        most_open: u32,
    ) -> Self {
        let set = settings.iter().map(|(name, value)| format!("SET {name} = '{value}'; "));
        let settings: Arc<str> = set.collect::<String>().into();
        let pool = |connections: u32| {
            let settings = Arc::clone(&settings);
            PgPoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(timeout)
                // Ending a query must not wait for a new connection.
                .idle_timeout(None)
                .max_lifetime(None)
                .test_before_acquire(false)
                .after_connect(move |connection, _| {
                    let settings = Arc::clone(&settings);
                    Box::pin(async move {
                        sqlx::raw_sql(AssertSqlSafe(settings)).execute(connection).await?;
                        Ok(())
                    })
                })
                .connect_lazy_with(options.clone())
        };
        let terminator = Terminator::new(pool(END_CONNECTIONS), timeout);
        let catalog_pool = pool(CATALOG_CONNECTIONS);
        let idle = Mutex::new(Idle::Open(Vec::new()));
        let most_open = most_open as usize;
        let open = Arc::new(());
        Self { options, settings, timeout, idle, most_open, open, terminator, catalog_pool }
    }

    /// Checks out an idle session whose `TimeZone` is `timezone`, or else opens one. `permit` is held until nothing of
    /// it runs any more.
    pub(in crate::db) async fn open(
        self: &Arc<Self>,
        permit: Option<&Arc<RunPermit>>,
        timezone: Tz,
    ) -> Result<ReaderSession, sqlx::Error> {
        let now = Instant::now();
        let session = match self.take(now, timezone)? {
            Checkout::Idle(session) if session.is_trusted(now) && session.timezone == timezone => {
                session
            }
            // What is rare lies in a box of its own: it would make every other check-out move its state.
            taken => Box::pin(self.ping_or_connect(taken, timezone)).await?,
        };
        let (permit, sessions) = (permit.cloned(), Arc::clone(self));
        let (is_touched, keeps_memory) = (false, false);
        Ok(ReaderSession { session: Some(session), permit, sessions, is_touched, keeps_memory })
    }

    /// The first session that answers a ping, beginning with `idle`, or else a new one.
    async fn ping_or_connect(
        &self,
        mut taken: Checkout,
        timezone: Tz,
    ) -> Result<Session, sqlx::Error> {
        let counted = loop {
            match taken {
                Checkout::New(counted) => break counted,
                Checkout::Idle(session) => {
                    if let Some(session) = self.prepared(session, timezone).await? {
                        return Ok(session);
                    }
                }
            }
            taken = self.take(Instant::now(), timezone)?;
        };
        let opened = tokio::time::timeout(self.timeout, self.connect(timezone, counted)).await;
        opened.unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }

    /// An idle session with its `TimeZone` set, or none if it has broken.
    async fn prepared(
        &self,
        mut session: Session,
        timezone: Tz,
    ) -> Result<Option<Session>, sqlx::Error> {
        if session.timezone == timezone {
            if session.is_trusted(Instant::now()) {
                return Ok(Some(session));
            }
            let answer = tokio::time::timeout(self.timeout, session.connection.ping()).await;
            return Ok(matches!(answer, Ok(Ok(()))).then_some(session));
        }
        let set = async {
            execute(&mut session.connection, &set_timezone(timezone)).await?;
            session.timezone = timezone;
            // A literal of theirs may have been read in the other zone.
            session.connection.clear_cached_statements().await
        };
        match tokio::time::timeout(self.timeout, set).await {
            Ok(Ok(())) => Ok(Some(session)),
            Ok(Err(error)) if is_of_the_statement(&error) && session.timezone != timezone => {
                self.give_back(session);
                Err(unknown_timezone(error))
            }
            _ => Ok(None),
        }
    }

    /// The connections that end sessions from outside.
    pub(super) fn end_connection(&self) -> &PgPool {
        self.terminator.pool()
    }

    /// How many there are, and may be.
    pub(in crate::db) fn usage(&self) -> PoolUsage {
        let open = Arc::strong_count(&self.open) - 1;
        let idle = match &*self.idle() {
            Idle::Open(idle) => idle.len(),
            Idle::Closed => 0,
        };
        PoolUsage { pool: "reader", idle, in_use: open.saturating_sub(idle), max: self.most_open }
    }

    /// How many sessions were told to end and go on with what they run.
    pub(in crate::db) fn survivors(&self) -> u32 {
        self.terminator.survivors()
    }

    /// The connections on which the catalogs are asked what may be read.
    pub(in crate::db) fn catalog_connection(&self) -> &PgPool {
        &self.catalog_pool
    }

    /// Closes all of them, and waits for those in use. The caller bounds the time.
    pub(super) async fn close(&self) {
        let before = mem::replace(&mut *self.idle(), Idle::Closed);
        if let Idle::Open(idle) = before {
            for session in idle {
                // The server notices a closed connection in any case.
                let _ = session.connection.close().await;
            }
        }
        // Those that are still in use are ended by those who gave them up.
        while Arc::strong_count(&self.open) > 1 {
            tokio::time::sleep(CLOSE_PAUSE).await;
        }
        self.terminator.pool().close().await;
        self.catalog_pool.close().await;
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The idle session of `timezone` that was used last, or else a new one; another idle one if there may be no more.
    fn take(&self, now: Instant, timezone: Tz) -> Result<Checkout, sqlx::Error> {
        match &mut *self.idle() {
            Idle::Open(idle) => {
                idle.retain(|session| !session.is_too_old(now));
                let same = idle.iter().rposition(|session| session.timezone == timezone);
                // The one that has been idle for longest comes first.
                let other = || (Arc::strong_count(&self.open) > self.most_open).then_some(0);
                let at = same.or_else(other).filter(|at| *at < idle.len());
                // Counted while the lock is held: no two take the last one.
                let new = || Checkout::New(Arc::clone(&self.open));
                Ok(at.map_or_else(new, |at| Checkout::Idle(idle.remove(at))))
            }
            Idle::Closed => Err(sqlx::Error::PoolClosed),
        }
    }

    fn give_back(&self, mut session: Session) {
        session.used = Instant::now();
        if session.is_worn_out() {
            return;
        }
        if let Idle::Open(idle) = &mut *self.idle() {
            idle.push(session);
        }
    }

    async fn connect(&self, timezone: Tz, counted: Arc<()>) -> Result<Session, sqlx::Error> {
        let mut connection = self.options.connect().await?;
        let settle = format!(
            "{}SELECT pid, {BEGAN}, {MAY_MEASURE}, pg_catalog.pg_is_in_recovery() \
             FROM pg_stat_activity WHERE pid = pg_backend_pid()",
            self.settings
        );
        let row = sqlx::raw_sql(AssertSqlSafe(settle)).fetch_one(&mut connection).await?;
        let process = Process { pid: row.try_get(0)?, began: row.try_get(1)? };
        if timezone != Tz::UTC {
            let set = execute(&mut connection, &set_timezone(timezone)).await;
            set.map_err(unknown_timezone)?;
        }
        let opened = Instant::now();
        let may_measure: bool = row.try_get(2)?;
        Ok(Session {
            connection,
            process,
            is_on_standby: row.try_get(3)?,
            timezone,
            open: counted,
            opened,
            used: opened,
            runs: 0,
            measured: may_measure.then_some(opened),
        })
    }

    /// Gives a session back as it was opened, whatever a function has set, locked or left open in it; ends it if that
    /// fails.
    async fn restore(&self, mut session: Session, permit: Option<Arc<RunPermit>>) {
        // What a session is started with is reset to that, but behind a pooler: to what that has started it with.
        let restore = format!(
            "CLOSE ALL; UNLISTEN *; SELECT pg_catalog.pg_advisory_unlock_all(); RESET ALL; \
             SET application_name = '{APPLICATION_NAME}'; SET client_encoding = 'UTF8'; {}{}",
            self.settings,
            set_timezone(session.timezone)
        );
        let restored = execute(&mut session.connection, &restore);
        match tokio::time::timeout(self.timeout, restored).await {
            Ok(Ok(())) if session.is_due(Instant::now()) => self.measure(session, permit).await,
            Ok(Ok(())) => self.give_back(session),
            _ => self.replace(session, permit).await,
        }
    }

    /// Gives a session back unless it has taken more memory than it may.
    async fn measure(&self, mut session: Session, permit: Option<Arc<RunPermit>>) {
        let asked = sqlx::query_scalar::<_, i64>(MEMORY).fetch_one(&mut session.connection);
        match tokio::time::timeout(self.timeout, asked).await {
            Ok(Ok(bytes)) if bytes <= MAX_MEMORY_BYTES => {
                session.measured = Some(Instant::now());
                self.give_back(session);
            }
            Ok(Ok(bytes)) => {
                let pid = session.process.pid;
                tracing::info!(pid, bytes, "Closing a session that has taken much memory");
                self.replace(session, permit).await;
            }
            _ => self.replace(session, permit).await,
        }
    }

    /// Closes sessions that have lain idle for long, for as long as there are sessions at all.
    pub(super) fn sweep(self: &Arc<Self>) {
        let sessions = Arc::downgrade(self);
        let sweeping = async move {
            loop {
                tokio::time::sleep(SWEEP_PAUSE).await;
                let Some(sessions) = sessions.upgrade() else { break };
                match &mut *sessions.idle() {
                    Idle::Open(idle) => {
                        let now = Instant::now();
                        idle.retain(|session| !session.is_too_old(now));
                    }
                    Idle::Closed => break,
                }
            }
        };
        tokio::spawn(sweeping.in_current_span());
    }

    /// Ends a session from outside, whatever it is doing, waits until its process is gone, and opens another in its place:
    /// the next caller is not to wait for that. Its permit is held until then, so that there are no more sessions than
    /// may run at once.
    async fn replace(&self, session: Session, permit: Option<Arc<RunPermit>>) {
        let Session { connection, process, open, timezone, .. } = session;
        self.terminator.end(process, permit.as_ref()).await;
        drop(connection);
        let is_in_use = matches!(&*self.idle(), Idle::Open(_));
        if is_in_use {
            let opened = tokio::time::timeout(self.timeout, self.connect(timezone, open)).await;
            if let Ok(Ok(session)) = opened {
                self.give_back(session);
            }
        }
    }
}

/// A session in use. Dropped before [`ReaderSession::end`], it is ended at the server together with what it
/// runs.
pub(in crate::db) struct ReaderSession {
    /// `None` only once it has ended.
    session: Option<Session>,
    permit: Option<Arc<RunPermit>>,
    sessions: Arc<Sessions>,
    /// Whether functions of others were called, which may have changed its settings.
    is_touched: bool,
    /// Whether a statement keeps large values.
    keeps_memory: bool,
}

impl ReaderSession {
    pub(in crate::db) fn connection(&mut self) -> &mut PgConnection {
        let session = self.session.as_mut().expect("a session is there until it ends");
        &mut session.connection
    }

    /// On a hot standby, waits until what `primary` has committed by now can be read, and says how that went.
    pub(in crate::db) async fn catch_up(
        &mut self,
        primary: &PgPool,
    ) -> Result<Option<Lag>, sqlx::Error> {
        match &mut self.session {
            Some(session) if session.is_on_standby => {
                Ok(Some(standby::catch_up(primary, &mut session.connection).await?))
            }
            _ => Ok(None),
        }
    }

    /// Functions of others are called from now on.
    pub(in crate::db) fn will_call_functions(&mut self) {
        self.is_touched = true;
    }

    /// Large values are kept with a statement from now on.
    pub(in crate::db) fn will_keep_memory(&mut self) {
        self.keeps_memory = true;
    }

    /// Ends it with the outcome of all that it was for: the session is used again unless that casts doubt on it.
    pub(in crate::db) fn end<T>(mut self, outcome: &Result<T, sqlx::Error>) {
        let is_fine = outcome.as_ref().err().is_none_or(is_of_the_statement);
        if !is_fine || self.keeps_memory {
            return;
        }
        let Some(mut session) = self.session.take() else { return };
        session.runs += 1;
        let (is_touched, is_due) = (self.is_touched, session.is_due(Instant::now()));
        if !is_touched && !is_due {
            self.sessions.give_back(session);
            return;
        }
        let (sessions, permit) = (Arc::clone(&self.sessions), self.permit.take());
        let tidying = async move {
            if is_touched {
                sessions.restore(session, permit).await;
            } else {
                sessions.measure(session, permit).await;
            }
        };
        tokio::spawn(tidying.in_current_span());
    }
}

impl Drop for ReaderSession {
    // A connection that was lost says nothing of the process behind it: that may run on.
    fn drop(&mut self) {
        if let (Some(session), Ok(runtime)) =
            (self.session.take(), tokio::runtime::Handle::try_current())
        {
            let (sessions, permit) = (Arc::clone(&self.sessions), self.permit.take());
            let ending = async move { sessions.replace(session, permit).await };
            runtime.spawn(ending.in_current_span());
        }
    }
}

fn set_timezone(timezone: Tz) -> String {
    format!("SET TimeZone = '{timezone}'")
}

/// Whether the statement itself is to blame, and neither the session nor the server.
fn is_of_the_statement(error: &sqlx::Error) -> bool {
    pg_error(error)
        // Connections, resources, interventions, the system, and PostgreSQL's own faults.
        .is_some_and(|error| !matches!(&error.code()[..2], "08" | "53" | "57" | "58" | "XX"))
}

#[cfg(test)]
mod tests;

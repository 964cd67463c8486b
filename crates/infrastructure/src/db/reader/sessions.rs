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

use super::ending::{BEGAN, Process, Terminator};
use crate::db::{
    errors::{pg_error, unknown_timezone},
    queue::RunPermit,
    simple_query::execute,
};

/// The connections that end queries.
pub(super) const END_CONNECTIONS: u32 = 2;

/// The connections that ask the catalogs what may be read.
pub(super) const CATALOG_CONNECTIONS: u32 = 1;

/// A session is closed after this long: what it has cached goes with it.
const LIFETIME: Duration = Duration::from_mins(30);

/// One that has lain idle for longer is asked whether it is still there before anything is sent: a
/// query is never sent twice.
const TRUSTED: Duration = Duration::from_millis(100);

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
    /// Its `TimeZone`, which the statements that it has prepared were read with.
    timezone: Tz,
    /// Counts it as open.
    open: Arc<()>,
    opened: Instant,
    used: Instant,
}

impl Session {
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
        Ok(ReaderSession { session: Some(session), permit, sessions, is_touched: false })
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

    /// How many sessions were told to end and go on with what they run.
    pub(in crate::db) fn survivors(&self) -> u32 {
        self.terminator.survivors()
    }

    /// The connections on which the catalogs are asked what may be read.
    pub(in crate::db) fn catalog_connection(&self) -> &PgPool {
        &self.catalog_pool
    }

    pub(super) async fn close(&self) {
        let before = mem::replace(&mut *self.idle(), Idle::Closed);
        if let Idle::Open(idle) = before {
            for session in idle {
                // The server notices a closed connection in any case.
                let _ = session.connection.close().await;
            }
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
                idle.retain(|session| now.duration_since(session.opened) < LIFETIME);
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
        if let Idle::Open(idle) = &mut *self.idle() {
            idle.push(session);
        }
    }

    async fn connect(&self, timezone: Tz, counted: Arc<()>) -> Result<Session, sqlx::Error> {
        let mut connection = self.options.connect().await?;
        let settle = format!(
            "{}SELECT pid, {BEGAN} FROM pg_stat_activity WHERE pid = pg_backend_pid()",
            self.settings
        );
        let row = sqlx::raw_sql(AssertSqlSafe(settle)).fetch_one(&mut connection).await?;
        let process = Process { pid: row.try_get(0)?, began: row.try_get(1)? };
        if timezone != Tz::UTC {
            let set = execute(&mut connection, &set_timezone(timezone)).await;
            set.map_err(unknown_timezone)?;
        }
        let opened = Instant::now();
        Ok(Session { connection, process, timezone, open: counted, opened, used: opened })
    }

    /// Gives a session back as it was opened, whatever a function has set, locked or left open in it; ends it if that
    /// fails.
    async fn restore(&self, mut session: Session) {
        let restore = format!(
            "CLOSE ALL; UNLISTEN *; SELECT pg_catalog.pg_advisory_unlock_all(); RESET ALL; {}{}",
            self.settings,
            set_timezone(session.timezone)
        );
        let restored = execute(&mut session.connection, &restore);
        match tokio::time::timeout(self.timeout, restored).await {
            Ok(Ok(())) => self.give_back(session),
            _ => self.end(session).await,
        }
    }

    /// Ends a session from outside, whatever it is doing, and returns when its process is gone. It counts as open until
    /// then.
    async fn end(&self, session: Session) {
        let Session { connection, process, open, .. } = session;
        self.terminator.end(process).await;
        drop((connection, open));
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
}

impl ReaderSession {
    pub(in crate::db) fn connection(&mut self) -> &mut PgConnection {
        let session = self.session.as_mut().expect("a session is there until it ends");
        &mut session.connection
    }

    /// Functions of others are called from now on.
    pub(in crate::db) fn will_call_functions(&mut self) {
        self.is_touched = true;
    }

    /// Ends it with the outcome of all that it was for: the session is used again unless that casts doubt on it.
    pub(in crate::db) fn end<T>(mut self, outcome: &Result<T, sqlx::Error>) {
        let is_fine = outcome.as_ref().err().is_none_or(is_of_the_statement);
        if !is_fine {
            return;
        }
        let Some(session) = self.session.take() else { return };
        if self.is_touched {
            let (sessions, permit) = (Arc::clone(&self.sessions), self.permit.take());
            let restoring = async move {
                sessions.restore(session).await;
                drop(permit);
            };
            tokio::spawn(restoring.in_current_span());
        } else {
            self.sessions.give_back(session);
        }
    }
}

impl Drop for ReaderSession {
    // A connection that was lost says nothing of the process behind it: that may run on.
    fn drop(&mut self) {
        if let (Some(session), Ok(runtime)) =
            (self.session.take(), tokio::runtime::Handle::try_current())
        {
            let (sessions, permit) = (Arc::clone(&self.sessions), self.permit.take());
            let ending = async move {
                sessions.end(session).await;
                drop(permit);
            };
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
mod tests {
    use bytes::{BufMut, BytesMut};
    use sqlx::postgres::PgSslMode;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
    };

    use super::*;

    /// A server that knows no time zone but UTC and Europe/Berlin, and writes down what it is told. Those
    /// of real ones are their machine's.
    struct FewZones {
        port: u16,
        told: Arc<Mutex<Vec<String>>>,
    }

    impl FewZones {
        async fn start() -> Self {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let told = Arc::new(Mutex::new(Vec::new()));
            let all = Arc::clone(&told);
            tokio::spawn(async move {
                for pid in 1.. {
                    let (socket, _) = listener.accept().await.unwrap();
                    tokio::spawn(serve(socket, pid, Arc::clone(&all)));
                }
            });
            Self { port, told }
        }

        fn sessions(&self, most_open: u32) -> Arc<Sessions> {
            let options = PgConnectOptions::new_without_pgpass()
                .host("127.0.0.1")
                .port(self.port)
                .username("reader")
                .ssl_mode(PgSslMode::Disable);
            Arc::new(Sessions::new(options, &[], Duration::from_mins(1), most_open))
        }

        /// The zones that were set, in order.
        fn zones(&self) -> Vec<String> {
            let told = self.told.lock().unwrap();
            let zones = told.iter().filter_map(|sql| sql.strip_prefix("SET TimeZone = "));
            zones.map(|zone| zone.trim_matches('\'').to_owned()).collect()
        }
    }

    /// Serves one connection until its client leaves.
    async fn serve(mut socket: TcpStream, pid: i32, told: Arc<Mutex<Vec<String>>>) -> Option<()> {
        let length = socket.read_u32().await.ok()?;
        let mut start = vec![0; length as usize - 4];
        socket.read_exact(&mut start).await.ok()?;
        let mut answer = BytesMut::new();
        message(&mut answer, b'R', |body| body.put_i32(0)); // AuthenticationOk
        message(&mut answer, b'K', |body| {
            body.put_i32(pid);
            body.put_i32(0);
        });
        loop {
            message(&mut answer, b'Z', |body| body.put_u8(b'I')); // ReadyForQuery
            socket.write_all(&answer.split()).await.ok()?;
            let kind = socket.read_u8().await.ok()?;
            let length = socket.read_u32().await.ok()?;
            let mut body = vec![0; length as usize - 4];
            socket.read_exact(&mut body).await.ok()?;
            if kind != b'Q' {
                continue;
            }
            let sql = String::from_utf8(body).unwrap().trim_end_matches('\0').to_owned();
            told.lock().unwrap().push(sql.clone());
            if sql.contains("TimeZone") && !sql.contains("UTC") && !sql.contains("Berlin") {
                let fields = "SERROR\0VERROR\0C22023\0Minvalid value for parameter\0\0";
                message(&mut answer, b'E', |body| body.put_slice(fields.as_bytes()));
                continue;
            }
            if sql.contains("pg_stat_activity") {
                process(&mut answer, pid);
            }
            message(&mut answer, b'C', |body| body.put_slice(b"DONE\0"));
        }
    }

    fn message(answer: &mut BytesMut, kind: u8, fill: impl FnOnce(&mut BytesMut)) {
        let mut body = BytesMut::new();
        fill(&mut body);
        answer.put_u8(kind);
        answer.put_u32(u32::try_from(body.len()).unwrap() + 4);
        answer.extend(body);
    }

    /// The row of `pg_stat_activity`: the number of the process, and when it began.
    fn process(answer: &mut BytesMut, pid: i32) {
        message(answer, b'T', |body| {
            body.put_i16(2);
            for (name, ty, size) in [("pid", 23, 4), ("began", 20, 8)] {
                body.put_slice(format!("{name}\0").as_bytes());
                body.put_i32(0);
                body.put_i16(0);
                body.put_i32(ty);
                body.put_i16(size);
                body.put_i32(-1);
                body.put_i16(0);
            }
        });
        message(answer, b'D', |body| {
            body.put_i16(2);
            for text in [pid.to_string(), "1".to_owned()] {
                body.put_i32(i32::try_from(text.len()).unwrap());
                body.put_slice(text.as_bytes());
            }
        });
    }

    async fn use_once(sessions: &Arc<Sessions>, timezone: Tz) -> Result<i32, sqlx::Error> {
        let session = sessions.open(None, timezone).await?;
        let pid = session.session.as_ref().unwrap().process.pid;
        session.end(&Ok(()));
        Ok(pid)
    }

    fn is_unknown(outcome: &Result<i32, sqlx::Error>) -> bool {
        matches!(outcome, Err(sqlx::Error::Configuration(_)))
    }

    #[tokio::test]
    async fn each_zone_has_sessions_of_its_own_in_which_it_is_set_once() {
        let server = FewZones::start().await;
        let sessions = server.sessions(10);
        let utc = use_once(&sessions, Tz::UTC).await.unwrap();
        let berlin = use_once(&sessions, Tz::Europe__Berlin).await.unwrap();
        assert_ne!(utc, berlin);
        for _ in 0..5 {
            assert_eq!(use_once(&sessions, Tz::UTC).await.unwrap(), utc);
            assert_eq!(use_once(&sessions, Tz::Europe__Berlin).await.unwrap(), berlin);
        }
        assert_eq!(server.zones(), ["Europe/Berlin"]);
    }

    #[tokio::test]
    async fn a_zone_that_the_server_does_not_know_leaves_the_session_as_it_was() {
        let server = FewZones::start().await;
        let sessions = server.sessions(10);
        assert!(is_unknown(&use_once(&sessions, Tz::Asia__Tokyo).await), "of a new session");
        let one = server.sessions(1);
        let utc = use_once(&one, Tz::UTC).await.unwrap();
        assert!(is_unknown(&use_once(&one, Tz::Asia__Tokyo).await), "of one that is used again");
        assert_eq!(use_once(&one, Tz::UTC).await.unwrap(), utc);
        assert_eq!(server.zones(), ["Asia/Tokyo", "Asia/Tokyo"]);
    }
}

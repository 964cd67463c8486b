//! Opening a reader: its role is prepared, and proved to be one.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chrono_tz::Tz;
use metricd_core::sql::quoted_name;
use sqlx::{PgConnection, PgPool, postgres::PgConnectOptions};

use super::{
    error::{ReaderError, source_of},
    proof, role,
    sessions::{APPLICATION_NAME, CATALOG_CONNECTIONS, END_CONNECTIONS, ReaderSession, Sessions},
};
use crate::db::{
    connect::server_name,
    errors::pg_error,
    session_defaults::{DATE_STYLE, INTERVAL_STYLE, SEARCH_PATH},
    simple_query::milliseconds,
    tls::{self, ServerAddress},
};

/// Beside a query's deadline, after which we end it ourselves: should that fail, the server does.
const MARGIN: Duration = Duration::from_secs(2);

/// The connections that are left for the proof of a server that starts, while others have all that they may.
const PROOF_CONNECTIONS: u32 = 1;

/// The connections that a process takes beside those that run authors' statements.
pub(in crate::db) const OTHER_CONNECTIONS: u32 = END_CONNECTIONS + CATALOG_CONNECTIONS;

/// How often the time for a connection a server that starts waits for one to prove its role, if there is none.
const PROOF_WAITS: u32 = 6;

/// How long it waits before it tries again.
const PROOF_PAUSE: Duration = Duration::from_millis(250);

/// How many prepared statements a session keeps.
const STATEMENTS_KEPT: usize = 100;

/// Which role reads, and how much at once.
pub(in crate::db) struct ReaderConfig {
    /// Where a role that an administrator created signs in, if there is one.
    pub(in crate::db) given: Option<ServerAddress>,
    /// The name of the one that is created otherwise.
    pub(in crate::db) role: String,
    /// The most sessions that run authors' statements.
    pub(in crate::db) connections: u32,
    /// How long a call waits for a connection.
    pub(in crate::db) acquire_timeout: Duration,
    /// How long a query may run.
    pub(in crate::db) query_deadline: Duration,
    /// The most bytes of temporary files that a query has at once, where that may be limited.
    pub(in crate::db) max_temp_bytes: u64,
}

impl ReaderConfig {
    /// The name of the role that reads.
    pub(in crate::db) fn name(&self) -> &str {
        self.given.as_ref().map_or(&self.role, |given| given.options.get_username())
    }
}

/// A role of which was proved that it can only read, and its sessions.
pub(in crate::db) struct Reader {
    sessions: Arc<Sessions>,
}

impl Reader {
    /// Prepares the role, unless one was given, and proves what it can do. `owner` leads to the database
    /// as the role of `DATABASE_URL`, and so does `pool`.
    pub(in crate::db) async fn open(
        pool: &PgPool,
        owner: &PgConnectOptions,
        config: &ReaderConfig,
    ) -> Result<Self, ReaderError> {
        let settings = settings(config.query_deadline, lock_timeout(config));
        let options = if let Some(given) = &config.given {
            given.choose(config.acquire_timeout).await
        } else {
            let spec = role::RoleSpec {
                role: &config.role,
                settings: &settings,
                connections: config.connections + OTHER_CONNECTIONS + PROOF_CONNECTIONS,
                max_temp_bytes: config.max_temp_bytes,
            };
            let password = role::establish(pool, &spec).await?;
            owner.clone().username(&config.role).password(&password)
        };
        let options =
            options.application_name(APPLICATION_NAME).statement_cache_capacity(STATEMENTS_KEPT);
        let sessions = Arc::new(Sessions::new(
            options.clone(),
            &settings,
            config.acquire_timeout,
            config.connections,
        ));
        let owner: String = sqlx::query_scalar("SELECT current_user").fetch_one(pool).await?;
        let refused = |error| ReaderError::Connect {
            server: server_name(&options),
            role: options.get_username().to_owned(),
            source: tls::explain(error, &options),
        };
        let opened = first_session(&sessions, pool, options.get_username(), config).await;
        let mut session = match opened {
            Ok(session) => session,
            Err(error) if is_limit_reached(&error) => {
                let role = options.get_username().to_owned();
                let holders = holders(pool, &role).await?;
                return Err(ReaderError::LimitReached { role, holders, source: source_of(error) });
            }
            Err(error) => return Err(refused(error)),
        };
        let violations = proof::violations(session.connection(), &owner).await;
        warn_of_temp_files(session.connection(), options.get_username(), config).await?;
        session.end(&violations);
        let violations = violations?;
        if !violations.is_empty() {
            sessions.close().await;
            let role = options.get_username().to_owned();
            return Err(ReaderError::Unsafe { role, violations });
        }
        drop(sessions.end_connection().acquire().await?);
        sessions.sweep();
        Ok(Self { sessions })
    }

    /// Its sessions.
    pub(in crate::db) fn sessions(&self) -> &Arc<Sessions> {
        &self.sessions
    }

    /// Closes what is idle, and everything else once it has ended.
    pub(in crate::db) async fn close(&self) {
        self.sessions.close().await;
    }
}

/// Opens a session for the proof. Where the role has as many as it may, waits for one to end: those of a process that
/// has stopped may still run.
async fn first_session(
    sessions: &Arc<Sessions>,
    owner: &PgPool,
    role: &str,
    config: &ReaderConfig,
) -> Result<ReaderSession, sqlx::Error> {
    let deadline = Instant::now() + config.acquire_timeout * PROOF_WAITS;
    let mut is_told = false;
    loop {
        match sessions.open(None, Tz::UTC).await {
            Err(error) if is_limit_reached(&error) && Instant::now() < deadline => {
                if !is_told {
                    let holders = holders(owner, role).await?.join("; ");
                    tracing::warn!(role, %error, holders, "Waiting for a session of the reader role");
                    is_told = true;
                }
                tokio::time::sleep(PROOF_PAUSE).await;
            }
            opened => return opened,
        }
    }
}

/// Says how to limit temporary files where nothing does.
async fn warn_of_temp_files(
    connection: &mut PgConnection,
    role: &str,
    config: &ReaderConfig,
) -> Result<(), sqlx::Error> {
    let limit: String = sqlx::query_scalar("SELECT pg_catalog.current_setting('temp_file_limit')")
        .persistent(false)
        .fetch_one(connection)
        .await?;
    if limit == "-1" {
        let megabytes = config.max_temp_bytes / 1_024 / 1_024;
        let remedy =
            format!("ALTER ROLE {} SET temp_file_limit = '{megabytes}MB'", quoted_name(role));
        tracing::warn!(
            role,
            remedy,
            "Temporary files of stored SQL have no limit; a superuser may set one"
        );
    }
    Ok(())
}

/// Whether a role, or the server, has as many sessions as it may.
fn is_limit_reached(error: &sqlx::Error) -> bool {
    pg_error(error).is_some_and(|error| error.code() == "53300")
}

/// The processes that serve the role's sessions, as far as the owner may see them.
async fn holders(owner: &PgPool, role: &str) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT pg_catalog.concat('process ', pid, ' of ' || nullif(application_name, ''), \
             ' since ' || pg_catalog.to_char(backend_start, 'YYYY-MM-DD HH24:MI:SS TZ')) \
         FROM pg_catalog.pg_stat_activity WHERE usename = $1 ORDER BY pid",
    )
    .bind(role)
    .fetch_all(owner)
    .await
}

/// A table that is being altered for longer than this refuses its readers. Others wait for the permits of those that wait
/// for it, so that it is well below what they wait.
fn lock_timeout(config: &ReaderConfig) -> Duration {
    config.query_deadline.min(config.acquire_timeout / 4)
}

/// What each session of the reader has, whatever its role's or the database's defaults.
fn settings(deadline: Duration, lock_timeout: Duration) -> Vec<(&'static str, String)> {
    vec![
        ("default_transaction_read_only", "on".into()),
        ("statement_timeout", milliseconds(deadline + MARGIN)),
        ("lock_timeout", milliseconds(lock_timeout)),
        ("idle_in_transaction_session_timeout", "10000ms".into()),
        ("work_mem", "16MB".into()),
        ("search_path", SEARCH_PATH.into()),
        ("DateStyle", DATE_STYLE.into()),
        ("IntervalStyle", INTERVAL_STYLE.into()),
        ("TimeZone", "UTC".into()),
        // Numbers are exact, digit for digit.
        ("extra_float_digits", "1".into()),
    ]
}

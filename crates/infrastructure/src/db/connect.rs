//! Connecting to a server: how, by which URL, and why not.
//!
//! Must never repeat a URL in an error or a log: it may hold a password.

use std::{
    ffi::OsString,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use metricd_core::sql::Gate;
use secrecy::SecretString;
use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use thiserror::Error;
use tracing::warn;

use super::{
    errors::is_unavailable,
    pooler,
    tls::{self, ServerAddress},
    url_parameters::{self, UrlParameters},
};

/// The oldest PostgreSQL that metricd works with.
const OLDEST_SERVER: u32 = 13;

/// Where the database is.
#[derive(Debug, Clone)]
pub enum Target {
    /// A server: `postgres://`, `postgresql://` or `postgresql+<driver>://`.
    Url(SecretString),
    /// The embedded PostgreSQL, in this folder.
    Embedded {
        /// The folder that metricd keeps its files in.
        data_dir: PathBuf,
        /// What starts it.
        command: EngineCommand,
    },
}

/// What starts the process of the embedded PostgreSQL: a program that calls `run_embedded_engine`.
#[derive(Debug, Clone)]
pub struct EngineCommand {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

/// How to connect.
#[derive(Debug, Clone)]
pub struct DatabaseConfig {
    /// Where to.
    pub target: Target,
    /// The most connections of a server for metricd's own work, and as many again for the reader. Three more of each
    /// are kept: for health checks and the listener, and for ending queries and reading the catalogs; and one of the reader for
    /// a server that starts beside this one. The embedded
    /// PostgreSQL has one, whatever is said here.
    pub max_connections: u32,
    /// How long a call waits for a free connection, on the embedded PostgreSQL for a permit to use the
    /// only one. The embedded one's start may take longer.
    pub acquire_timeout: Duration,
    /// How long a server that is not there yet is waited for.
    pub start_timeout: Duration,
    /// How long an author's query may run.
    pub query_deadline: Duration,
    /// The role that an operator grants tables to for stored SQL to read. It is created if need be.
    pub reader_role: String,
    /// The URL of a role for reading that an administrator created, in place of that one.
    pub reader_url: Option<SecretString>,
    /// The most author's queries at once, up to `max_connections` of them.
    pub concurrent_queries: u32,
    /// How many more may wait in the queue.
    pub queued_queries: u32,
    /// The most rows of an answer, by which a query is costed.
    pub max_rows: u32,
    /// The most bytes of an answer's rows, or of one row of an export.
    pub max_result_bytes: u64,
    /// The most bytes of temporary files that a query has at once, on a server whose role of the URL may limit that.
    pub max_temp_bytes: u64,
    /// How long an export of all rows may take.
    pub export_deadline: Duration,
    /// How long a request may take: what the embedded PostgreSQL still does for one is ended two seconds later.
    pub request_deadline: Duration,
    /// The same for the upload of many records.
    pub upload_deadline: Duration,
    /// How many bytes of memory the embedded PostgreSQL may take before it is started anew when it is idle. At twice
    /// as many it is ended.
    pub embedded_memory: u64,
    /// Says which tables stored SQL may read where no grants do: on the embedded PostgreSQL.
    pub gate: Arc<Gate>,
}

impl DatabaseConfig {
    /// Usual settings for `target`.
    #[must_use]
    pub fn new(target: Target) -> Self {
        Self {
            target,
            max_connections: 10,
            acquire_timeout: Duration::from_secs(5),
            start_timeout: Duration::ZERO,
            query_deadline: Duration::from_secs(25),
            reader_role: "metricd_reader".into(),
            reader_url: None,
            concurrent_queries: 10,
            queued_queries: 100,
            max_rows: 10_000,
            max_result_bytes: 10 * 1024 * 1024,
            max_temp_bytes: 1024 * 1024 * 1024,
            export_deadline: Duration::from_mins(10),
            request_deadline: Duration::from_secs(30),
            upload_deadline: Duration::from_mins(10),
            embedded_memory: 1024 * 1024 * 1024,
            gate: Arc::default(),
        }
    }
}

/// Why there is no database to work with.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The URL cannot be read. It is not repeated: it may hold a password.
    #[error("the database URL is not valid: {reason}")]
    Url {
        /// What is wrong with it.
        reason: String,
    },
    /// The server refuses the connection, or cannot be reached.
    #[error("cannot connect to PostgreSQL at {server}")]
    Server {
        /// Host or socket, port and database.
        server: String,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server is too old.
    #[error("PostgreSQL at {server} is version {version}; metricd needs {OLDEST_SERVER} or later")]
    TooOld {
        /// Host or socket, port and database.
        server: String,
        /// The server's major version.
        version: u32,
    },
    /// A pooler gives one session to several connections.
    #[error(
        "between metricd and PostgreSQL at {server} stands a pooler that gives a session to another connection after \
         each transaction, and metricd needs one session for each connection: give it `pool_mode = session` \
         (PgBouncer), or the URL of the server itself"
    )]
    SharedSessions {
        /// Host or socket, port and database.
        server: String,
    },
    /// Another process works with the folder.
    #[error("the data folder {} is in use by another process", dir.display())]
    FolderInUse {
        /// The folder.
        dir: PathBuf,
    },
    /// Other users can replace what is in the folder.
    #[error(
        "the data folder {} may be written by other users: close it with `chmod go-w {}`",
        dir.display(), dir.display()
    )]
    FolderOpen {
        /// The folder.
        dir: PathBuf,
    },
    /// A restore into the folder has not ended.
    #[error(
        "a restore into the data folder {} was broken off: run `metricd restore` with the backup and this folder again, \
         or remove {}/restoring to begin without it",
        dir.display(), dir.display()
    )]
    UnfinishedRestore {
        /// The folder.
        dir: PathBuf,
    },
    /// The socket of the embedded PostgreSQL would have too long a path.
    #[error(
        "the path of the data folder {} is too long for a Unix socket in it: give one of at most {longest} bytes by \
         `--data-dir`",
        dir.display()
    )]
    FolderPathTooLong {
        /// The folder.
        dir: PathBuf,
        /// The most bytes of a folder's path.
        longest: usize,
    },
    /// The embedded PostgreSQL does not start.
    #[error("the embedded PostgreSQL in {} does not start", dir.display())]
    Embedded {
        /// The folder.
        dir: PathBuf,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// This program was built without the embedded PostgreSQL.
    #[error(
        "this build has no embedded PostgreSQL: set DATABASE_URL to the address of a server, postgres://…"
    )]
    NotBuiltIn,
}

/// How long after one attempt to connect the next begins.
const ATTEMPT_PAUSE: Duration = Duration::from_secs(1);

/// Connects to a server, unless it is too old. One that is not there yet is waited for. Returns what every other connection
/// to it has to be made with, too.
pub(super) async fn connect(
    address: &ServerAddress,
    config: &DatabaseConfig,
) -> Result<(PgPool, PgConnectOptions), ConnectError> {
    let server = server_name(&address.options);
    let failed = |error: sqlx::Error, options| ConnectError::Server {
        server: server.clone(),
        source: tls::explain(error, options),
    };
    let begun = Instant::now();
    let (pool, options) = loop {
        match address.open(async |options: &PgConnectOptions| open(options, config).await).await {
            Ok((pool, options)) => break (pool, options.clone()),
            Err((error, _))
                if is_unavailable(&error)
                    && !tls::is_refusal(&error)
                    && begun.elapsed() < config.start_timeout =>
            {
                warn!(server, %error, "Database unreachable; trying again");
                tokio::time::sleep(ATTEMPT_PAUSE).await;
            }
            Err((error, options)) => return Err(failed(error, options)),
        }
    };
    let connection = pool.acquire().await.map_err(|error| failed(error, &options))?;
    let version = connection.server_version_num().unwrap_or_default() / 10_000;
    drop(connection);
    if version < OLDEST_SERVER {
        pool.close().await;
        return Err(ConnectError::TooOld { server, version });
    }
    match keeps_sessions(&pool, &options, config.acquire_timeout).await {
        Ok(true) => Ok((pool, options)),
        Ok(false) => {
            pool.close().await;
            Err(ConnectError::SharedSessions { server })
        }
        Err(error) => Err(failed(error, &options)),
    }
}

/// Whether each connection has a session of its own, or a pooler stands in between that gives sessions to others.
async fn keeps_sessions(
    pool: &PgPool,
    options: &PgConnectOptions,
    timeout: Duration,
) -> Result<bool, sqlx::Error> {
    let mut first = pool.acquire().await?;
    let mut second = tls::connect_within(options, timeout).await?;
    // A pooler may keep a session to a connection that has settings of its own.
    settle(&mut second).await?;
    let keeps = pooler::keep_sessions(&mut first, &mut second).await?;
    second.close().await?;
    Ok(keeps)
}

async fn open(options: &PgConnectOptions, config: &DatabaseConfig) -> Result<PgPool, sqlx::Error> {
    let connected = pool_options(config.max_connections.max(1), config.acquire_timeout)
        .connect_with(options.clone())
        .await;
    match connected {
        // The pool waits for a server that is starting, and then forgets why it had to.
        Err(sqlx::Error::PoolTimedOut) => {
            let connected = tls::connect_within(options, config.acquire_timeout).await;
            Err(connected.err().unwrap_or(sqlx::Error::PoolTimedOut))
        }
        connected => connected,
    }
}

/// Reads a URL, whatever driver it names.
pub(super) fn parse_url(url: &str) -> Result<ServerAddress, ConnectError> {
    let invalid = |reason: &str| ConnectError::Url { reason: reason.into() };
    let (scheme, rest) =
        url.split_once("://").ok_or_else(|| invalid("it has no scheme such as postgresql://"))?;
    let dialect = scheme.split_once('+').map_or(scheme, |(dialect, _)| dialect);
    if !matches!(dialect, "postgres" | "postgresql") {
        return Err(invalid("its scheme is not postgres, postgresql or postgresql+<driver>"));
    }
    let before_fragment = rest.split('#').next().unwrap_or_default();
    let query = before_fragment.split_once('?').map_or("", |(_, query)| query);
    let parameters = UrlParameters::read(query, url_parameters::variable);
    parameters.check().map_err(|faults| invalid(&faults.join("; ")))?;
    let options = format!("postgresql://{rest}")
        .parse::<PgConnectOptions>()
        .map_err(|_| invalid("it does not read postgresql://user:password@host:port/database"))?;
    let options = without_brackets(session_options(options));
    parameters.address(options).map_err(|fault| invalid(&fault))
}

/// An address of version 6 stands in brackets in a URL, and nowhere else.
fn without_brackets(options: PgConnectOptions) -> PgConnectOptions {
    let host = options.get_host().strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match host.map(str::to_owned) {
        Some(host) => options.host(&host),
        None => options,
    }
}

/// What every connection of metricd says of itself, whatever it leads to.
pub(super) fn session_options(options: PgConnectOptions) -> PgConnectOptions {
    // What a pooler does not know at the start of a connection it refuses: `settle` sets it.
    options.application_name("metricd").extra_float_digits(None).disable_statement_logging()
}

/// Returns what errors call the server: never its password.
pub(super) fn server_name(options: &PgConnectOptions) -> String {
    let address = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => options.get_host().to_owned(),
    };
    let database = options.get_database().unwrap_or_else(|| options.get_username());
    format!("{address}:{}/{database}", options.get_port())
}

/// Returns where a server is, and as whom metricd is there, for people: never its password.
pub(super) fn address(options: &PgConnectOptions) -> String {
    let role = options.get_username();
    let (port, database) = (options.get_port(), options.get_database().unwrap_or(role));
    let url = match options.get_socket() {
        Some(socket) => format!("postgresql:///{database}?host={}&port={port}", socket.display()),
        None => match options.get_host() {
            host if host.starts_with('/') => {
                format!("postgresql:///{database}?host={host}&port={port}")
            }
            host if host.contains(':') && !host.starts_with('[') => {
                format!("postgresql://[{host}]:{port}/{database}")
            }
            host => format!("postgresql://{host}:{port}/{database}"),
        },
    };
    format!("{url} as {role}")
}

/// Options of a pool whose sessions all have the same settings.
pub(super) fn pool_options(max_connections: u32, acquire_timeout: Duration) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(acquire_timeout)
        .test_before_acquire(false)
        .after_connect(|connection, _| Box::pin(settle(connection)))
}

/// Sets what every session has, whatever the role's or the database's defaults. No statement of metricd's own is worth
/// compiling.
async fn settle(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let settings =
        "SET search_path = public; SET TimeZone = 'UTC'; SET extra_float_digits = 1; SET jit = off";
    sqlx::raw_sql(settings).execute(connection).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_may_name_any_driver() {
        for scheme in ["postgres", "postgresql", "postgresql+asyncpg", "postgres+psycopg"] {
            let options = parse_url(&format!("{scheme}://ann:pw@db.example:6432/shop")).unwrap();
            assert_eq!(server_name(&options.options), "db.example:6432/shop");
        }
    }

    #[test]
    fn an_address_says_where_and_as_whom_and_no_password() {
        for (url, expected) in [
            ("postgres://ann:pw@db.example/shop", "postgresql://db.example:5432/shop as ann"),
            ("postgres://ann:pw@db.example:6432", "postgresql://db.example:6432/ann as ann"),
            ("postgres://ann:pw@[::1]:6432/shop", "postgresql://[::1]:6432/shop as ann"),
            (
                "postgres://ann@h/shop?host=/run/pg",
                "postgresql:///shop?host=/run/pg&port=5432 as ann",
            ),
        ] {
            assert_eq!(address(&parse_url(url).unwrap().options), expected);
        }
    }

    #[test]
    fn no_error_repeats_the_password() {
        for url in [
            "mysql://ann:hunter2@db/shop",
            "postgres://ann:hunter2@db:port/shop",
            "ann:hunter2@db",
            "postgres://ann:hunter2@db/shop?sslmode=hunter2",
        ] {
            let error = parse_url(url).unwrap_err();
            let text = format!("{error} {error:?} {:?}", Target::Url(url.into()));
            assert!(!text.contains("hunter2"), "{text}");
        }
    }
}

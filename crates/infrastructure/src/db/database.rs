//! Connecting: to a PostgreSQL by its URL, or to the embedded one in a folder.

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use metricd_application::ports::{
    AuditLog, Catalog, ChangeLog, ChangeSink, QueryRunner, SchemaSource, Store,
};
use metricd_core::sql::Gate;
use sea_orm::{DatabaseConnection, SqlxPostgresConnector};
use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    ConnectOptions, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use thiserror::Error;

use super::{
    audit::PgAuditLog,
    catalog::{Health, PgCatalog},
    changes::PgChangeLog,
    errors::{DatabaseFault, pg_error},
    migrations::{self, MigrateError},
    reader::{Reader, ReaderConfig},
    schema::{Lookout, PgSchema},
    turns::Turns,
    unit_of_work::PgStore,
};
#[cfg(feature = "embedded")]
use crate::embedded::EmbeddedServer;
use crate::{
    query_runner::{self, PgQueryRunner, RunLimits},
    queue::Queue,
};

/// The oldest PostgreSQL that metricd works with.
const OLDEST_SERVER: u32 = 13;

/// How long the embedded PostgreSQL may take to start, on a slow or busy machine. Whoever has its
/// turn waits as long for its connection.
#[cfg(feature = "embedded")]
const EMBEDDED_START: Duration = Duration::from_mins(1);

/// Where the database is.
#[derive(Clone)]
pub enum Target {
    /// A server: `postgres://`, `postgresql://` or `postgresql+<driver>://`.
    Url(String),
    /// The embedded PostgreSQL, in this folder.
    Embedded {
        /// The folder that metricd keeps its files in.
        data_dir: PathBuf,
    },
}

// A URL holds a password.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(_) => f.write_str("Url(…)"),
            Self::Embedded { data_dir } => {
                f.debug_struct("Embedded").field("data_dir", data_dir).finish()
            }
        }
    }
}

/// How to connect.
#[derive(Debug, Clone)]
pub struct DatabaseConfig {
    /// Where to.
    pub target: Target,
    /// The most connections of a server for metricd's own work, and as many again for the reader; two
    /// more of each are kept for health checks and for ending queries. The embedded PostgreSQL has one,
    /// whatever is said here.
    pub max_connections: u32,
    /// How long a call waits for a free connection, on the embedded PostgreSQL for its turn. The
    /// embedded one's start may take longer.
    pub acquire_timeout: Duration,
    /// How long an author's query may run.
    pub query_deadline: Duration,
    /// The role that an operator grants tables to for stored SQL to read. It is made if need be.
    pub reader_role: String,
    /// The URL of the same database as a role made by the operator, in place of that one.
    pub reader_url: Option<SecretString>,
    /// The most author's queries at once, up to `max_connections` of them.
    pub concurrent_queries: u32,
    /// How many more may wait.
    pub queued_queries: u32,
    /// The most rows of an answer, by which a query is costed.
    pub max_rows: u32,
    /// The most bytes of an answer's rows, or of one row where all are given.
    pub max_result_bytes: u64,
    /// How long giving all rows of a query may take.
    pub export_deadline: Duration,
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
            query_deadline: Duration::from_secs(25),
            reader_role: "metricd_reader".into(),
            reader_url: None,
            concurrent_queries: 10,
            queued_queries: 100,
            max_rows: 10_000,
            max_result_bytes: 10 * 1024 * 1024,
            export_deadline: Duration::from_mins(10),
            gate: Arc::default(),
        }
    }
}

/// Why there is no database to work with.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The URL cannot be read. What it says is not repeated: it may hold a password.
    #[error("the database URL is not valid: {reason}")]
    Url {
        /// What is wrong with it.
        reason: String,
    },
    /// The server does not let us in, or is not there.
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
    /// Another process works with the folder.
    #[error("the data folder {} is in use by another process", dir.display())]
    FolderInUse {
        /// The folder.
        dir: PathBuf,
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
    #[error("this build has no embedded PostgreSQL: give a database URL")]
    NotBuiltIn,
}

/// A connected database, from which every port of its kind is made.
pub struct Database {
    db: DatabaseConnection,
    pool: PgPool,
    turns: Turns,
    engine: Engine,
    acquire_timeout: Duration,
    concurrent_queries: u32,
    queued_queries: u32,
    limits: RunLimits,
    #[cfg(feature = "embedded")]
    gate: Arc<Gate>,
}

enum Engine {
    Server {
        /// A few connections for what must not wait.
        aside: PgPool,
        options: Box<PgConnectOptions>,
        reader_config: Box<ReaderConfig>,
        /// There once it has been seen to, and proved.
        reader: Arc<OnceLock<Reader>>,
    },
    #[cfg(feature = "embedded")]
    Embedded(EmbeddedServer),
}

impl Database {
    /// Connects, starting the embedded PostgreSQL where that is the target.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn connect(config: DatabaseConfig) -> Result<Self, ConnectError> {
        match &config.target {
            Target::Url(url) => Self::connect_server(parse_url(url)?, &config).await,
            #[cfg(feature = "embedded")]
            Target::Embedded { data_dir } => Self::start_embedded(data_dir.clone(), &config).await,
            #[cfg(not(feature = "embedded"))]
            Target::Embedded { .. } => Err(ConnectError::NotBuiltIn),
        }
    }

    async fn connect_server(
        options: PgConnectOptions,
        config: &DatabaseConfig,
    ) -> Result<Self, ConnectError> {
        let given = match &config.reader_url {
            Some(url) => Some(parse_url(url.expose_secret())?),
            None => None,
        };
        let server = server_name(&options);
        let failed = |error: sqlx::Error| ConnectError::Server {
            server: server.clone(),
            source: match pg_error(&error) {
                Some(error) => DatabaseFault::of(error).into(),
                None => error.into(),
            },
        };
        let connected = pool_options(config.max_connections.max(1), config.acquire_timeout)
            .connect_with(options.clone())
            .await;
        let pool = match connected {
            Ok(pool) => pool,
            // The pool waits for a server that is starting, and then forgets why it had to.
            Err(sqlx::Error::PoolTimedOut) => {
                let reason = options.connect().await.err().unwrap_or(sqlx::Error::PoolTimedOut);
                return Err(failed(reason));
            }
            Err(error) => return Err(failed(error)),
        };
        let version =
            pool.acquire().await.map_err(failed)?.server_version_num().unwrap_or_default() / 10_000;
        if version < OLDEST_SERVER {
            pool.close().await;
            return Err(ConnectError::TooOld { server, version });
        }
        let aside = pool_options(2, Duration::from_secs(1)).connect_lazy_with(options.clone());
        let reader_config = ReaderConfig {
            given,
            role: config.reader_role.clone(),
            connections: config.max_connections.max(1),
            acquire_timeout: config.acquire_timeout,
            query_deadline: config.query_deadline,
        };
        let engine = Engine::Server {
            aside,
            options: Box::new(options),
            reader_config: Box::new(reader_config),
            reader: Arc::default(),
        };
        Ok(Self::new(pool, engine, config))
    }

    #[cfg(feature = "embedded")]
    async fn start_embedded(
        data_dir: PathBuf,
        config: &DatabaseConfig,
    ) -> Result<Self, ConnectError> {
        let server = EmbeddedServer::start(data_dir).await?;
        let options = with_our_settings(server.connect_options());
        // A closed connection ends the engine's session, and a new one takes it time to begin. The
        // engine starts with its first connection, which must not be cut off.
        let connected = pool_options(1, EMBEDDED_START)
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_with(options)
            .await;
        match connected {
            Ok(pool) => Ok(Self::new(pool, Engine::Embedded(server), config)),
            Err(error) => {
                let dir = server.dir().to_owned();
                server.shutdown().await;
                Err(ConnectError::Embedded { dir, source: error.into() })
            }
        }
    }

    fn new(pool: PgPool, engine: Engine, config: &DatabaseConfig) -> Self {
        Self {
            db: SqlxPostgresConnector::from_sqlx_postgres_pool(pool.clone()),
            turns: Turns::at(&pool, config.acquire_timeout),
            pool,
            engine,
            acquire_timeout: config.acquire_timeout,
            concurrent_queries: config.concurrent_queries.min(config.max_connections.max(1)),
            queued_queries: config.queued_queries,
            #[cfg(feature = "embedded")]
            gate: Arc::clone(&config.gate),
            limits: RunLimits {
                deadline: config.query_deadline,
                max_rows: config.max_rows,
                max_bytes: config.max_result_bytes,
                export_deadline: config.export_deadline,
            },
        }
    }

    /// Brings the schema up to date, or leaves everything as it is. Then, on a server, sees to the
    /// reader role, and proves that it can only read: no stored SQL runs before that.
    ///
    /// # Errors
    /// See [`MigrateError`].
    pub async fn migrate(&self) -> Result<(), MigrateError> {
        migrations::up(&self.db).await?;
        match &self.engine {
            Engine::Server { options, reader_config, reader, .. } => {
                let opened = Reader::open(&self.pool, options, reader_config, server_name).await?;
                // A second time it is only proved again.
                if let Err(second) = reader.set(opened) {
                    second.close().await;
                }
            }
            #[cfg(feature = "embedded")]
            Engine::Embedded(_) => {}
        }
        Ok(())
    }

    /// Undoes the last `steps` migrations, or all of them. What the tables held is lost.
    ///
    /// # Errors
    /// When the database reports one.
    pub async fn migrate_down(&self, steps: Option<u32>) -> Result<(), MigrateError> {
        migrations::down(&self.db, steps).await
    }

    /// Reads of the catalog.
    #[must_use]
    pub fn catalog(&self) -> Arc<dyn Catalog> {
        let health = match &self.engine {
            Engine::Server { aside, .. } => Health::Aside(aside.clone()),
            #[cfg(feature = "embedded")]
            Engine::Embedded(_) => Health::OneConnection(self.pool.clone()),
        };
        Arc::new(PgCatalog::new(self.db.clone(), self.connections(), self.turns.clone(), health))
    }

    /// Writes, through units of work; `told` hears what they changed.
    #[must_use]
    pub fn store(&self, told: Arc<dyn ChangeSink>) -> Arc<dyn Store> {
        let reader = match &self.engine {
            Engine::Server { reader_config, .. } => Some(reader_config.name().into()),
            #[cfg(feature = "embedded")]
            Engine::Embedded(_) => None,
        };
        let (connections, turns) = (self.connections(), self.turns.clone());
        Arc::new(PgStore::new(self.pool.clone(), connections, turns, reader, told))
    }

    /// What was written, by whomever.
    #[must_use]
    pub fn changes(&self) -> Arc<dyn ChangeLog> {
        let server = match &self.engine {
            Engine::Server { options, .. } => Some((**options).clone()),
            // Only this process writes there.
            #[cfg(feature = "embedded")]
            Engine::Embedded(_) => None,
        };
        let (connections, turns) = (self.connections(), self.turns.clone());
        Arc::new(PgChangeLog::new(self.db.clone(), connections, turns, server))
    }

    /// Reads of the audit.
    #[must_use]
    pub fn audit(&self) -> Arc<dyn AuditLog> {
        Arc::new(PgAuditLog::new(self.db.clone(), self.connections(), self.turns.clone()))
    }

    /// Runs authors' queries.
    #[must_use]
    pub fn runner(&self) -> Arc<dyn QueryRunner> {
        let (engine, queue, exports) = match &self.engine {
            Engine::Server { reader, .. } => (
                query_runner::Engine::Server(Arc::clone(reader)),
                Queue::new(self.concurrent_queries, self.queued_queries, self.acquire_timeout),
                // Half of the places are left to those who wait for an answer.
                (self.concurrent_queries as usize / 2).max(1),
            ),
            // Whoever is inside waits for a turn at the one connection, with everybody else.
            #[cfg(feature = "embedded")]
            Engine::Embedded(_) => (
                query_runner::Engine::Embedded {
                    pool: self.pool.clone(),
                    turns: self.turns.clone(),
                    gate: Arc::clone(&self.gate),
                },
                Queue::new(self.queued_queries.saturating_add(1), 0, self.acquire_timeout),
                1,
            ),
        };
        Arc::new(PgQueryRunner::new(engine, queue, exports, self.limits))
    }

    /// What stored SQL may read.
    #[must_use]
    pub fn schema(&self) -> Arc<dyn SchemaSource> {
        let lookout = match &self.engine {
            Engine::Server { reader, .. } => Lookout::Reader(Arc::clone(reader)),
            #[cfg(feature = "embedded")]
            Engine::Embedded(_) => Lookout::Everybody(self.pool.clone(), Arc::clone(&self.gate)),
        };
        Arc::new(PgSchema::new(lookout, self.turns.clone()))
    }

    /// Whether others can write to it while this process does.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        match self.engine {
            Engine::Server { .. } => true,
            #[cfg(feature = "embedded")]
            Engine::Embedded(_) => false,
        }
    }

    /// The pool itself, for tests and for tools that go beyond the context.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Waits for what is running, closes every connection, and stops the embedded PostgreSQL. Every
    /// port made from this database answers that it is not reachable from now on.
    pub async fn close(self) {
        self.pool.close().await;
        match self.engine {
            Engine::Server { aside, reader, .. } => {
                aside.close().await;
                if let Some(reader) = reader.get() {
                    reader.close().await;
                }
            }
            #[cfg(feature = "embedded")]
            Engine::Embedded(server) => server.shutdown().await,
        }
    }

    fn connections(&self) -> u32 {
        self.pool.options().get_max_connections()
    }
}

/// Reads a URL, whatever driver it names.
fn parse_url(url: &str) -> Result<PgConnectOptions, ConnectError> {
    let invalid = |reason: &str| ConnectError::Url { reason: reason.into() };
    let (scheme, rest) =
        url.split_once("://").ok_or_else(|| invalid("it has no scheme such as postgresql://"))?;
    let dialect = scheme.split_once('+').map_or(scheme, |(dialect, _)| dialect);
    if !matches!(dialect, "postgres" | "postgresql") {
        return Err(invalid("its scheme is not postgres, postgresql or postgresql+<driver>"));
    }
    let options = format!("postgresql://{rest}")
        .parse::<PgConnectOptions>()
        .map_err(|_| invalid("it does not read postgresql://user:password@host:port/database"))?;
    Ok(with_our_settings(options))
}

fn with_our_settings(options: PgConnectOptions) -> PgConnectOptions {
    options.application_name("metricd").disable_statement_logging()
}

/// What errors call the server: never its password.
fn server_name(options: &PgConnectOptions) -> String {
    let place = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => options.get_host().to_owned(),
    };
    let database = options.get_database().unwrap_or_else(|| options.get_username());
    format!("{place}:{}/{database}", options.get_port())
}

fn pool_options(max_connections: u32, acquire_timeout: Duration) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(acquire_timeout)
        .test_before_acquire(false)
        .after_connect(|connection, _| Box::pin(settle(connection)))
}

/// What every session has, whatever the role's or the database's defaults.
async fn settle(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql("SET search_path = public; SET TimeZone = 'UTC'").execute(connection).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_may_name_any_driver() {
        for scheme in ["postgres", "postgresql", "postgresql+asyncpg", "postgres+psycopg"] {
            let options = parse_url(&format!("{scheme}://ann:pw@db.example:6432/shop")).unwrap();
            assert_eq!(server_name(&options), "db.example:6432/shop");
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

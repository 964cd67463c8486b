//! The engine behind a database: a PostgreSQL server, or the embedded one. Nothing else in this crate
//! asks which of the two it is: what differs between them is a method here.

mod session;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

#[cfg(feature = "embedded")]
use chrono_tz::Tz;
use metricd_application::ports::{RunError, StoreError};
#[cfg(feature = "embedded")]
use metricd_core::sql::Gate;
use metricd_core::sql::TableName;
use sea_orm::{DatabaseConnection, DbErr, SqlxPostgresConnector};
use secrecy::ExposeSecret as _;
use sqlx::{Connection as _, PgPool, postgres::PgConnectOptions};
use thiserror::Error;
use tokio::sync::Semaphore;

use super::{
    connect::{self, ConnectError, DatabaseConfig, Target},
    connection_gate::{ConnectionGate, ConnectionPermit},
    connection_limits::{self, Needs},
    errors::{retry_lost, store_error},
    purpose::Purpose,
    queue::Queue,
    reader::{self, OTHER_CONNECTIONS, Reader, ReaderConfig, ReaderError, ReaderState},
    room::Room,
    statistics::PoolUsage,
    tls::ServerAddress,
};
#[cfg(feature = "embedded")]
use std::sync::Mutex;

#[cfg(feature = "embedded")]
use super::embedded::EmbeddedServer;

use session::SessionSource;
pub(super) use session::{AdmittedQuery, ReadSession};

/// How long a health check may take.
const HEALTH_DEADLINE: Duration = Duration::from_secs(1);

/// The connections of a server that health checks have for themselves.
const HEALTH_CONNECTIONS: u32 = 2;

/// The connection that hears of changes.
const LISTENER_CONNECTIONS: u32 = 1;

/// A connected engine, shared by every adapter.
pub(super) struct Engine {
    pool: PgPool,
    orm: DatabaseConnection,
    gate: ConnectionGate,
    kind: Kind,
}

enum Kind {
    Server(Box<Server>),
    /// One connection, no roles, and no way to time out or cancel: past the deadline the caller gets an
    /// error, and the engine is started again unless it is done soon.
    #[cfg(feature = "embedded")]
    Embedded {
        server: Arc<EmbeddedServer>,
        tables: Arc<Gate>,
        /// The time zone of the last author's query: what was prepared for it was read with that.
        timezone: Arc<Mutex<Tz>>,
    },
}

struct Server {
    /// A few connections for what must not wait.
    health: PgPool,
    options: PgConnectOptions,
    reader_config: ReaderConfig,
    /// There once the role has been prepared, and proved to be a reader.
    reader: OnceLock<Reader>,
}

impl Server {
    /// The connections that this process may take.
    fn needs(&self) -> Needs {
        Needs {
            pool: self.reader_config.connections,
            own: HEALTH_CONNECTIONS + LISTENER_CONNECTIONS,
            reader: OTHER_CONNECTIONS,
        }
    }
}

/// The database was asked before it was migrated.
#[derive(Debug, Error)]
#[error("the reader role is not prepared yet: the database has not been migrated")]
struct ReaderNotReady;

impl Engine {
    /// Connects to the server, or starts the embedded PostgreSQL.
    pub(super) async fn open(config: &DatabaseConfig) -> Result<Self, ConnectError> {
        let permits = Arc::new(Semaphore::new(1));
        let (pool, kind, engine) = match &config.target {
            Target::Url(url) => {
                let url = connect::parse_url(url.expose_secret())?;
                let (pool, kind) = Kind::connect(&url, config).await?;
                (pool, kind, None)
            }
            #[cfg(feature = "embedded")]
            Target::Embedded { data_dir, command } => {
                let command = command.clone();
                let opened = EmbeddedServer::open(data_dir, command, config, Arc::clone(&permits));
                let (server, pool) = opened.await?;
                let engine = Some(Arc::clone(&server));
                let tables = Arc::clone(&config.gate);
                let timezone = Arc::new(Mutex::new(Tz::UTC));
                (pool, Kind::Embedded { server, tables, timezone }, engine)
            }
            #[cfg(not(feature = "embedded"))]
            Target::Embedded { .. } => return Err(ConnectError::NotBuiltIn),
        };
        let orm = SqlxPostgresConnector::from_sqlx_postgres_pool(pool.clone());
        let gate = ConnectionGate::before(&pool, permits, config.acquire_timeout, engine);
        Ok(Self { pool, orm, gate, kind })
    }

    /// The connections for metricd's own work.
    pub(super) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// The same connections, as SeaORM takes them.
    pub(super) fn orm(&self) -> &DatabaseConnection {
        &self.orm
    }

    /// Admits callers to these connections.
    pub(super) fn gate(&self) -> &ConnectionGate {
        &self.gate
    }

    /// How many of these connections there may be.
    pub(super) fn connections(&self) -> u32 {
        self.pool.options().get_max_connections()
    }

    /// Does `work`, which may be done twice, on another connection if the first has broken.
    pub(super) async fn retrying<T, F>(&self, work: impl FnMut() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, DbErr>>,
    {
        let work = async { retry_lost(self.connections(), work).await.map_err(store_error) };
        self.gate.within(work).await
    }

    /// What it is, for the log.
    pub(super) fn name(&self) -> &'static str {
        match &self.kind {
            Kind::Server(_) => "external",
            #[cfg(feature = "embedded")]
            Kind::Embedded { .. } => "embedded",
        }
    }

    /// Where it is, for people: a server and the role there, or the folder of the embedded one.
    pub(super) fn address(&self) -> String {
        match &self.kind {
            Kind::Server(server) => connect::address(&server.options),
            #[cfg(feature = "embedded")]
            Kind::Embedded { server, .. } => {
                format!("the embedded engine in {}", server.dir().display())
            }
        }
    }

    /// The room for writes on its disk, where that is this machine's.
    pub(super) fn room(&self) -> Room {
        match &self.kind {
            Kind::Server(_) => Room(None),
            #[cfg(feature = "embedded")]
            Kind::Embedded { server, .. } => Room(Some(server.dir().to_owned())),
        }
    }

    /// Whether other processes can write to the database while this one does.
    pub(super) fn is_shared(&self) -> bool {
        matches!(self.kind, Kind::Server(_))
    }

    /// Whether a statement ends when its caller leaves; else the engine goes on with it until its deadline.
    pub(super) fn ends_abandoned_runs(&self) -> bool {
        matches!(self.kind, Kind::Server(_))
    }

    /// How many sessions of the reader were told to end and have not.
    pub(super) fn unended_runs(&self) -> u32 {
        match &self.kind {
            Kind::Server(server) => {
                server.reader.get().map_or(0, |reader| reader.sessions().survivors())
            }
            #[cfg(feature = "embedded")]
            Kind::Embedded { .. } => 0,
        }
    }

    /// How much of its pools is used, by what they are for.
    pub(super) fn pools(&self) -> Vec<PoolUsage> {
        let mut pools = vec![PoolUsage::of("store", &self.pool)];
        if let Kind::Server(server) = &self.kind
            && let Some(reader) = server.reader.get()
        {
            pools.push(reader.sessions().usage());
        }
        pools
    }

    /// How often the embedded engine was started again; none on a server.
    pub(super) fn restarts(&self) -> Option<u64> {
        match &self.kind {
            Kind::Server(_) => None,
            #[cfg(feature = "embedded")]
            Kind::Embedded { server, .. } => Some(server.restarts()),
        }
    }

    /// Where the notifications of other processes can be received; `None` where there are none.
    #[cfg_attr(
        not(feature = "embedded"),
        expect(clippy::unnecessary_wraps, reason = "a server is the only engine then")
    )]
    pub(super) fn listener_options(&self) -> Option<PgConnectOptions> {
        match &self.kind {
            Kind::Server(server) => Some(server.options.clone()),
            #[cfg(feature = "embedded")]
            Kind::Embedded { .. } => None,
        }
    }

    /// Prepares the reader role, where there are roles, and proves that it can only read.
    pub(super) async fn prepare_reader(&self) -> Result<(), ReaderError> {
        match &self.kind {
            Kind::Server(server) => {
                let Server { options, reader_config, reader, .. } = &**server;
                let opened = Reader::open(&self.pool, options, reader_config).await?;
                // A second time it is only proved again.
                if let Err(second) = reader.set(opened) {
                    second.close().await;
                }
                Ok(())
            }
            #[cfg(feature = "embedded")]
            Kind::Embedded { .. } => Ok(()),
        }
    }

    /// Finds out what the reader role can do as it stands, where there are roles.
    pub(super) async fn check_reader(&self) -> Result<Option<ReaderState>, ReaderError> {
        match &self.kind {
            Kind::Server(server) => {
                let Server { options, reader_config, .. } = &**server;
                let needs = server.needs();
                reader::check(&self.pool, options, reader_config, &needs).await.map(Some)
            }
            #[cfg(feature = "embedded")]
            Kind::Embedded { .. } => Ok(None),
        }
    }

    /// What the server does not give of the connections that this process may take, each with its remedy. It needs the
    /// reader.
    pub(super) async fn connection_faults(&self) -> Result<Vec<String>, sqlx::Error> {
        match &self.kind {
            Kind::Server(server) => {
                let mut reader = self.catalog_connection()?.acquire().await?;
                connection_limits::faults(&self.pool, &mut reader, &server.needs()).await
            }
            #[cfg(feature = "embedded")]
            Kind::Embedded { .. } => Ok(Vec::new()),
        }
    }

    /// The role that stored SQL runs as, where it is another one.
    #[cfg_attr(
        not(feature = "embedded"),
        expect(clippy::unnecessary_wraps, reason = "a server is the only engine then")
    )]
    pub(super) fn reader_role(&self) -> Option<&str> {
        match &self.kind {
            Kind::Server(server) => Some(server.reader_config.name()),
            #[cfg(feature = "embedded")]
            Kind::Embedded { .. } => None,
        }
    }

    /// Whether grants decide which tables stored SQL may read; if not, it may read those in `public`.
    pub(super) fn has_grants(&self) -> bool {
        self.reader_role().is_some()
    }

    /// Whether stored SQL may read `table`, as far as grants do not decide it.
    pub(super) fn may_read(&self, table: &TableName) -> bool {
        match (&self.kind, table) {
            (Kind::Server(_), _) => true,
            #[cfg(feature = "embedded")]
            (Kind::Embedded { tables, .. }, table) => tables.allows_table(table),
        }
    }

    /// The connections on which the catalogs are asked what stored SQL may read.
    pub(super) fn catalog_connection(&self) -> Result<&PgPool, sqlx::Error> {
        match &self.kind {
            Kind::Server(server) => {
                let reader = server.reader.get().ok_or(sqlx::Error::PoolClosed)?;
                Ok(reader.sessions().catalog_connection())
            }
            #[cfg(feature = "embedded")]
            Kind::Embedded { .. } => Ok(&self.pool),
        }
    }

    /// The queue of authors' queries. Where they share the only connection with all other work, they take turns to wait at
    /// its gate.
    pub(super) fn query_queue(&self, concurrent: u32, queued: u32, timeout: Duration) -> Queue {
        let concurrent = match &self.kind {
            Kind::Server(_) => concurrent,
            #[cfg(feature = "embedded")]
            Kind::Embedded { .. } => 1,
        };
        Queue::new(concurrent, queued, timeout)
    }

    /// How many of the queries that run at once may be exports, which may take long: half of them.
    pub(super) fn max_exports(&self, concurrent: u32) -> usize {
        match &self.kind {
            Kind::Server(_) => (concurrent as usize / 2).max(1),
            #[cfg(feature = "embedded")]
            Kind::Embedded { .. } => 1,
        }
    }

    /// Waits until an author's query may have a session. One that has ended the embedded engine too often gets none.
    #[cfg_attr(
        not(feature = "embedded"),
        expect(
            clippy::unused_async,
            unused_variables,
            reason = "a server is the only engine then"
        )
    )]
    pub(super) async fn admit_query(
        &self,
        purpose: Purpose<'_>,
    ) -> Result<AdmittedQuery<'_>, RunError> {
        match &self.kind {
            Kind::Server(server) => {
                let reader = server.reader.get();
                let reader = reader.ok_or_else(|| RunError::Unavailable(ReaderNotReady.into()))?;
                Ok(AdmittedQuery {
                    source: SessionSource::Reader(reader),
                    permit: ConnectionPermit::unlimited(),
                })
            }
            #[cfg(feature = "embedded")]
            Kind::Embedded { timezone, server, .. } => {
                if let Some(refusal) = server.refusal(&purpose) {
                    return Err(RunError::Refused(refusal.into()));
                }
                let permit = self.gate.acquire(purpose).await?;
                let source = SessionSource::Pool { pool: &self.pool, timezone };
                Ok(AdmittedQuery { source, permit })
            }
        }
    }

    /// Whether the database answers, found out without waiting behind a query.
    pub(super) async fn is_reachable(&self) -> bool {
        let check = async {
            match &self.kind {
                Kind::Server(server) => ping(&server.health).await,
                #[cfg(feature = "embedded")]
                Kind::Embedded { server, .. } if !server.is_ready() => false,
                // While the only connection is used, the engine works.
                #[cfg(feature = "embedded")]
                Kind::Embedded { server, .. } if server.is_used() => !self.pool.is_closed(),
                #[cfg(feature = "embedded")]
                Kind::Embedded { .. } => ping(&self.pool).await,
            }
        };
        tokio::time::timeout(HEALTH_DEADLINE, check).await.unwrap_or(false)
    }

    /// Waits until the embedded engine has rolled back what was dropped, and closes its connection: ended in
    /// the middle of that, it exits with an error.
    #[cfg_attr(
        not(feature = "embedded"),
        expect(clippy::unused_async, reason = "a server is the only engine then")
    )]
    async fn finish_rollback(&self) {
        #[cfg(feature = "embedded")]
        if let Kind::Embedded { .. } = &self.kind
            && let Ok(connection) = self.pool.acquire().await
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "Connection to the embedded PostgreSQL did not close cleanly");
        }
    }

    /// Waits for what is running, closes every connection, and stops the embedded PostgreSQL.
    pub(super) async fn close(&self) {
        // Queries first: they are what may take long.
        if let Kind::Server(server) = &self.kind
            && let Some(reader) = server.reader.get()
        {
            reader.close().await;
        }
        self.finish_rollback().await;
        self.pool.close().await;
        match &self.kind {
            Kind::Server(server) => server.health.close().await,
            #[cfg(feature = "embedded")]
            Kind::Embedded { server, .. } => server.shutdown().await,
        }
    }
}

impl Kind {
    async fn connect(
        address: &ServerAddress,
        config: &DatabaseConfig,
    ) -> Result<(PgPool, Self), ConnectError> {
        let given = match &config.reader_url {
            Some(url) => Some(connect::parse_url(url.expose_secret())?),
            None => None,
        };
        let (pool, options) = connect::connect(address, config).await?;
        let health = connect::pool_options(HEALTH_CONNECTIONS, HEALTH_DEADLINE)
            .connect_lazy_with(options.clone());
        let reader_config = ReaderConfig {
            given,
            role: config.reader_role.clone(),
            connections: config.max_connections.max(1),
            acquire_timeout: config.acquire_timeout,
            query_deadline: config.query_deadline,
            max_temp_bytes: config.max_temp_bytes,
        };
        let server = Server { health, options, reader_config, reader: OnceLock::new() };
        Ok((pool, Self::Server(Box::new(server))))
    }
}

/// Pings the database, on a fresh connection when the first one has broken.
async fn ping(pool: &PgPool) -> bool {
    let ping = || async { pool.acquire().await?.ping().await };
    retry_lost(pool.options().get_max_connections(), ping).await.is_ok()
}

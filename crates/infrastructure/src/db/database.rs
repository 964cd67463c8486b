//! A connected database, which hands out the adapters.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use metricd_application::ports::{
    AuditLog, Catalog, ChangeLog, ChangeSink, QueryRunner, SchemaSource, Store,
};
use prometheus_client::registry::Registry;
use sqlx::PgPool;

use super::{
    audit::PgAuditLog,
    catalog::PgCatalog,
    changes::PgChangeLog,
    connect::{ConnectError, DatabaseConfig},
    engine::Engine,
    migrations::{self, MigrateError, SchemaState},
    query::{PgQueryRunner, QueryMetrics, RunLimits},
    queue::Queue,
    reader::{ReaderError, ReaderState},
    schema::PgSchema,
    session_defaults::{self, OverriddenDefault},
    statistics::DatabaseStatistics,
    unit_of_work::PgStore,
};

/// A connected database, from which every port of its kind is made.
pub struct Database {
    engine: Arc<Engine>,
    concurrent_queries: u32,
    queue: Queue,
    limits: RunLimits,
    query_metrics: QueryMetrics,
}

/// Tells how much of a database is used.
pub struct DatabaseMonitor {
    engine: Arc<Engine>,
    queue: Queue,
}

impl std::fmt::Debug for DatabaseMonitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("DatabaseMonitor").field(&self.statistics()).finish()
    }
}

impl DatabaseMonitor {
    /// Returns how much of it is used at present.
    #[must_use]
    pub fn statistics(&self) -> DatabaseStatistics {
        DatabaseStatistics {
            queue: self.queue.usage(),
            unended_queries: self.engine.unended_runs(),
            pools: self.engine.pools(),
            engine_restarts: self.engine.restarts(),
        }
    }
}

impl Database {
    /// Connects, starting the embedded PostgreSQL where that is the target.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn connect(config: DatabaseConfig) -> Result<Self, ConnectError> {
        let engine = Arc::new(Engine::open(&config).await?);
        let concurrent = config.concurrent_queries.min(config.max_connections.max(1));
        let queue = engine.query_queue(concurrent, config.queued_queries, config.acquire_timeout);
        Ok(Self {
            engine,
            concurrent_queries: concurrent,
            queue,
            query_metrics: QueryMetrics::default(),
            limits: RunLimits {
                deadline: config.query_deadline,
                max_rows: config.max_rows,
                max_bytes: config.max_result_bytes,
                export_deadline: config.export_deadline,
            },
        })
    }

    /// Brings the schema up to date, or leaves everything as it is. Then, on a server, prepares the
    /// reader role, and proves that it can only read: no stored SQL runs before that.
    ///
    /// # Errors
    /// See [`MigrateError`].
    pub async fn migrate(&self) -> Result<(), MigrateError> {
        migrations::up(self.engine.orm()).await?;
        Ok(self.engine.prepare_reader().await?)
    }

    /// Reads which migrations the schema has seen, and changes nothing.
    ///
    /// # Errors
    /// When the database reports one.
    pub async fn schema_state(&self) -> Result<SchemaState, MigrateError> {
        Ok(migrations::state(self.engine.orm()).await?)
    }

    /// Applies the first `steps` of the migrations that are missing: the schema of an older version, for tests.
    ///
    /// # Errors
    /// When the database reports one.
    pub async fn migrate_up(&self, steps: u32) -> Result<(), MigrateError> {
        migrations::up_by(self.engine.orm(), steps).await
    }

    /// Finds out what the reader role can do as it stands, and changes nothing; `None` on the embedded engine, which has no
    /// roles.
    ///
    /// # Errors
    /// See [`ReaderError`].
    pub async fn check_reader(&self) -> Result<Option<ReaderState>, ReaderError> {
        self.engine.check_reader().await
    }

    /// Reads the clock of the database's machine.
    ///
    /// # Errors
    /// When the database reports one.
    pub async fn now(&self) -> Result<DateTime<Utc>, sqlx::Error> {
        sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(self.engine.pool()).await
    }

    /// Undoes the last `steps` migrations, or all of them. What the tables held is lost.
    ///
    /// # Errors
    /// When the database reports one.
    pub async fn migrate_down(&self, steps: Option<u32>) -> Result<(), MigrateError> {
        migrations::down(self.engine.orm(), steps).await
    }

    /// Returns the catalog, to read.
    #[must_use]
    pub fn catalog(&self) -> Arc<dyn Catalog> {
        Arc::new(PgCatalog::new(Arc::clone(&self.engine)))
    }

    /// Returns the store, which writes through units of work and tells `change_sink` what they changed.
    #[must_use]
    pub fn store(&self, change_sink: Arc<dyn ChangeSink>) -> Arc<dyn Store> {
        Arc::new(PgStore::new(Arc::clone(&self.engine), change_sink))
    }

    /// Returns the log of changes, whichever process made them.
    #[must_use]
    pub fn changes(&self) -> Arc<dyn ChangeLog> {
        Arc::new(PgChangeLog::new(Arc::clone(&self.engine)))
    }

    /// Returns the audit, to read.
    #[must_use]
    pub fn audit(&self) -> Arc<dyn AuditLog> {
        Arc::new(PgAuditLog::new(Arc::clone(&self.engine)))
    }

    /// Returns the runner of authors' queries.
    #[must_use]
    pub fn runner(&self) -> Arc<dyn QueryRunner> {
        let (engine, queue) = (Arc::clone(&self.engine), self.queue.clone());
        let exports = engine.max_exports(self.concurrent_queries);
        let metrics = self.query_metrics.clone();
        Arc::new(PgQueryRunner::new(engine, queue, exports, self.limits, metrics))
    }

    /// Returns what asks how much of it is used, also while it is being closed.
    #[must_use]
    pub fn monitor(&self) -> DatabaseMonitor {
        DatabaseMonitor { engine: Arc::clone(&self.engine), queue: self.queue.clone() }
    }

    /// Adds what is counted of queries to `registry`.
    pub fn register(&self, registry: &mut Registry) {
        self.query_metrics.register(registry);
    }

    /// Returns the schema of what stored SQL may read.
    #[must_use]
    pub fn schema(&self) -> Arc<dyn SchemaSource> {
        Arc::new(PgSchema::new(Arc::clone(&self.engine)))
    }

    /// Returns which engine it is, for the log.
    #[must_use]
    pub fn engine_name(&self) -> &'static str {
        self.engine.name()
    }

    /// Returns where it is and as whom metricd is there, for people: `postgresql://host:port/db as role`, or the folder of
    /// the embedded engine. It holds no password.
    #[must_use]
    pub fn address(&self) -> String {
        self.engine.address()
    }

    /// Returns the defaults of the database and of metricd's roles that differ from what stored SQL has, with
    /// `timezone` as its default zone. None on the embedded engine.
    ///
    /// # Errors
    /// When the database reports one.
    pub async fn overridden_defaults(
        &self,
        timezone: &str,
    ) -> Result<Vec<OverriddenDefault>, sqlx::Error> {
        match self.engine.reader_role() {
            Some(reader) => {
                session_defaults::overridden(self.engine.pool(), reader, timezone).await
            }
            None => Ok(Vec::new()),
        }
    }

    /// Returns what the server, the database and the roles do not give of the connections that this process may take at
    /// once, each with its remedy. None on the embedded engine. The database must have been migrated.
    ///
    /// # Errors
    /// When the database reports one.
    pub async fn connection_faults(&self) -> Result<Vec<String>, sqlx::Error> {
        self.engine.connection_faults().await
    }

    /// Whether other processes can write to it while this one does.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.engine.is_shared()
    }

    /// Returns the pool itself, for tests and for tools that go beyond the context.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        self.engine.pool()
    }

    /// Waits for what is running, closes every connection, and stops the embedded PostgreSQL. Every
    /// port made from this database answers that it is not reachable from now on.
    pub async fn close(self) {
        self.engine.close().await;
    }
}

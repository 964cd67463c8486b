//! PostgreSQL servers of a scenario's own, and what stands before them.

use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    ops::ControlFlow::{Break, Continue},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result, ensure};
use sqlx::{AssertSqlSafe, Executor as _, PgConnection};

use crate::{
    TestRun,
    native::{Postgres, ServerSettings},
    pgbouncer::PgBouncer,
    process,
};

/// Servers by name, which are started on demand and stopped with the scenario.
#[derive(Debug)]
pub struct OwnServers {
    poolers: Vec<PgBouncer>,
    postgres: BTreeMap<String, Postgres>,
    open_transaction: Option<PgConnection>,
    folder: PathBuf,
    run: Arc<TestRun>,
}

impl OwnServers {
    pub(crate) fn new(folder: &Path, run: Arc<TestRun>) -> Self {
        Self {
            poolers: Vec::new(),
            postgres: BTreeMap::new(),
            open_transaction: None,
            folder: folder.to_owned(),
            run,
        }
    }

    /// Starts a server, which listens on 127.0.0.1, too.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start(&mut self, name: &str, settings: Vec<String>) -> Result<&Postgres> {
        let settings = ServerSettings { port: Some(free_port()?), settings };
        let folder = self.home(name)?;
        let server =
            Postgres::start_with(&folder, Arc::clone(self.run.watchdog()), &settings).await?;
        Ok(self.postgres.entry(name.to_owned()).or_insert(server))
    }

    /// Starts a hot standby of a server.
    ///
    /// # Errors
    /// When there is no such server, or the standby does not come up.
    pub async fn follow(&mut self, name: &str, primary: &str) -> Result<&Postgres> {
        let folder = self.home(name)?;
        let settings = ServerSettings { port: Some(free_port()?), ..ServerSettings::default() };
        let standby = self.get(primary)?.standby(&folder, &settings).await?;
        Ok(self.postgres.entry(name.to_owned()).or_insert(standby))
    }

    /// Starts a `PgBouncer` in front of a server of the scenario's own, or of the run's, and returns its URL of a database.
    /// It has more settings, each `name = value`.
    ///
    /// # Errors
    /// When there is no such server, or `PgBouncer` does not come up.
    pub async fn pool(
        &mut self,
        server: Option<&str>,
        database: &str,
        settings: &[String],
    ) -> Result<String> {
        let folder = self.folder.join(format!("pgbouncer{}", self.poolers.len()));
        open_to_others(&self.folder)?;
        let server = match server {
            Some(name) => self.get(name)?,
            None => self.run.postgres().context("only a server has a pooler: tag it @native")?,
        };
        let pooler = PgBouncer::start(&folder, server, free_port()?, settings).await?;
        let url = pooler.url(database);
        self.poolers.push(pooler);
        Ok(url)
    }

    /// Returns a server.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn get(&self, name: &str) -> Result<&Postgres> {
        self.postgres.get(name).with_context(|| format!("there is no server {name}"))
    }

    /// Runs statements on a server, as its superuser.
    ///
    /// # Errors
    /// When it refuses them.
    pub async fn execute(&self, name: &str, statements: &str) -> Result<()> {
        let mut connection = self.get(name)?.connect("postgres").await?;
        connection.execute(AssertSqlSafe(statements.to_owned())).await?;
        Ok(())
    }

    /// Runs statements on a server in a transaction that stays open.
    ///
    /// # Errors
    /// When it refuses them.
    pub async fn begin(&mut self, name: &str, statements: &str) -> Result<()> {
        let mut connection = self.get(name)?.connect("postgres").await?;
        connection.execute(AssertSqlSafe(format!("BEGIN; {statements}"))).await?;
        self.open_transaction = Some(connection);
        Ok(())
    }

    /// Commits the open transaction.
    ///
    /// # Errors
    /// When there is none, or the server refuses.
    pub async fn commit(&mut self) -> Result<()> {
        let mut connection = self.open_transaction.take().context("no transaction is open")?;
        connection.execute("COMMIT").await?;
        Ok(())
    }

    /// Has a standby replay nothing more, or go on.
    ///
    /// # Errors
    /// When it refuses.
    pub async fn replay(&self, name: &str, is_on: bool) -> Result<()> {
        let (call, expected) = if is_on { ("resume", "not paused") } else { ("pause", "paused") };
        self.execute(name, &format!("SELECT pg_wal_replay_{call}()")).await?;
        process::poll_until(async || {
            let mut connection = self.get(name)?.connect("postgres").await?;
            let state: String = sqlx::query_scalar("SELECT pg_get_wal_replay_pause_state()")
                .fetch_one(&mut connection)
                .await?;
            Ok(if state == expected { Break(()) } else { Continue(format!("it is {state}")) })
        })
        .await
    }

    fn home(&self, name: &str) -> Result<PathBuf> {
        open_to_others(&self.folder)?;
        ensure!(!self.postgres.contains_key(name), "there is a server {name} already");
        Ok(self.folder.join(name))
    }

    pub(crate) async fn stop(&mut self) -> Result<()> {
        self.open_transaction = None;
        for pooler in self.poolers.drain(..) {
            pooler.stop().await?;
        }
        for server in std::mem::take(&mut self.postgres).into_values() {
            server.stop().await?;
        }
        Ok(())
    }
}

/// An unprivileged server has to reach its own folder in here.
fn open_to_others(folder: &Path) -> Result<()> {
    Ok(fs::set_permissions(folder, fs::Permissions::from_mode(0o711))?)
}

/// A port that nothing listens on at present.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

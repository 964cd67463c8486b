//! PostgreSQL servers of a scenario's own, and what stands before them.

use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result, ensure};
use sqlx::{AssertSqlSafe, Executor as _};

use crate::{
    TestRun,
    native::{Postgres, ServerSettings},
};

/// Servers by name, which are started on demand and stopped with the scenario.
#[derive(Debug)]
pub struct OwnServers {
    postgres: BTreeMap<String, Postgres>,
    folder: PathBuf,
    run: Arc<TestRun>,
}

impl OwnServers {
    pub(crate) fn new(folder: &Path, run: Arc<TestRun>) -> Self {
        Self { postgres: BTreeMap::new(), folder: folder.to_owned(), run }
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
        let standby = self.get(primary)?.standby(&folder).await?;
        Ok(self.postgres.entry(name.to_owned()).or_insert(standby))
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

    fn home(&self, name: &str) -> Result<PathBuf> {
        // An unprivileged PostgreSQL has to reach its own folder in here.
        fs::set_permissions(&self.folder, fs::Permissions::from_mode(0o711))?;
        ensure!(!self.postgres.contains_key(name), "there is a server {name} already");
        Ok(self.folder.join(name))
    }

    pub(crate) async fn stop(&mut self) -> Result<()> {
        for server in std::mem::take(&mut self.postgres).into_values() {
            server.stop().await?;
        }
        Ok(())
    }
}

/// A port that nothing listens on at present.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

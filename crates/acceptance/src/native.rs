//! A PostgreSQL server of the run's own, from the server programs installed on this machine.
//!
//! It lives in a folder of its own, listens on a Unix socket only, and touches no service of the
//! machine. It trades durability for speed: no scenario kills it, only metricd.

use std::{
    collections::BTreeSet,
    env, fs,
    ops::ControlFlow::{Break, Continue},
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
};

use anyhow::{Context as _, Result, bail, ensure};
use sqlx::{
    AssertSqlSafe, Connection as _, Executor as _, PgConnection, postgres::PgConnectOptions,
};
use tokio::{
    process::{Child, Command},
    sync::Mutex,
};

use crate::{process, watchdog::Watchdog};

/// The longest path of a Unix socket, without its closing NUL.
const MAX_SOCKET_PATH: usize = 107;

/// A running PostgreSQL.
#[derive(Debug)]
pub struct Postgres {
    server: Mutex<Child>,
    pid: u32,
    folder: PathBuf,
    watchdog: Arc<Watchdog>,
}

impl Postgres {
    /// The process id of the server's first process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Creates a cluster in `folder`, which must not exist yet, and starts it.
    ///
    /// # Errors
    /// When no server programs are installed, or they fail; the text is their output.
    pub async fn start(folder: &Path, watchdog: Arc<Watchdog>) -> Result<Self> {
        let programs = programs()?;
        let owner = owner().await?;
        fs::create_dir(folder)?;
        let socket = folder.join(".s.PGSQL.5432");
        ensure!(
            socket.as_os_str().len() <= MAX_SOCKET_PATH,
            "{} is too long for a Unix socket: set TMPDIR to a shorter folder",
            socket.display(),
        );
        if let Some((uid, gid)) = owner {
            chown(folder, Some(uid), Some(gid))?;
        }
        let data = folder.join("data");
        let as_owner = |program: &str| {
            let mut command = Command::new(programs.join(program));
            if let Some((uid, gid)) = owner {
                command.uid(uid).gid(gid);
            }
            command.current_dir(folder).stdin(Stdio::null());
            command
        };

        let mut initdb = as_owner("initdb");
        initdb.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale"]);
        initdb.args(["--no-sync", "--pgdata"]).arg(&data);
        let made = initdb.output().await.context("cannot start initdb")?;
        ensure!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));

        let log = fs::File::create(folder.join("log"))?;
        let mut postgres = as_owner("postgres");
        postgres.arg("-D").arg(&data).arg("-k").arg(folder);
        for setting in [
            "listen_addresses=",
            "fsync=off",
            "synchronous_commit=off",
            "full_page_writes=off",
            "max_connections=200",
            "track_activity_query_size=16kB",
            "timezone=Pacific/Chatham",
        ] {
            postgres.args(["-c", setting]);
        }
        let server = postgres
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("cannot start postgres")?;
        let pid = server.id().context("postgres has ended")?;
        watchdog.watch(pid);
        let server = Mutex::new(server);
        let postgres = Self { server, pid, folder: folder.to_owned(), watchdog };
        postgres.wait_until_up().await?;
        Ok(postgres)
    }

    async fn wait_until_up(&self) -> Result<()> {
        process::poll_until(async || {
            if let Some(status) = self.server.lock().await.try_wait()? {
                let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                bail!("postgres has ended ({status}): {log}");
            }
            Ok(match self.connect("postgres").await {
                Ok(_) => Break(()),
                Err(error) => Continue(format!("postgres does not come up: {error:#}")),
            })
        })
        .await
    }

    /// Returns the `DATABASE_URL` of a database.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let folder: String = self.folder.display().to_string().replace('/', "%2F");
        format!("postgres:///{database}?host={folder}&user=postgres")
    }

    /// Connects to a database as its superuser.
    ///
    /// # Errors
    /// When the database does not exist or the server is down.
    pub async fn connect(&self, database: &str) -> Result<PgConnection> {
        let options =
            PgConnectOptions::new_without_pgpass().socket(&self.folder).username("postgres");
        Ok(PgConnection::connect_with(&options.database(database)).await?)
    }

    /// Creates a database as a copy of `template`, to which no session may be connected.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn create_database(&self, name: &str, template: &str) -> Result<()> {
        let sql = format!(r#"CREATE DATABASE "{name}" TEMPLATE "{template}""#);
        let mut connection = self.connect("postgres").await?;
        connection.execute(AssertSqlSafe(sql)).await?;
        Ok(connection.close().await?)
    }

    /// Removes a database, and ends the sessions in it.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn drop_database(&self, name: &str) -> Result<()> {
        let sql = format!(r#"DROP DATABASE IF EXISTS "{name}" WITH (FORCE)"#);
        let mut connection = self.connect("postgres").await?;
        connection.execute(AssertSqlSafe(sql)).await?;
        Ok(connection.close().await?)
    }

    /// Removes a role that no longer owns anything, if it exists.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn drop_role(&self, name: &str) -> Result<()> {
        let sql = format!(r#"DROP ROLE IF EXISTS "{name}""#);
        let mut connection = self.connect("postgres").await?;
        connection.execute(AssertSqlSafe(sql)).await?;
        Ok(connection.close().await?)
    }

    /// Stops the server.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn stop(&self) -> Result<()> {
        process::signal(self.pid, "INT").await?;
        let mut server = self.server.lock().await;
        tokio::time::timeout(process::TIMEOUT, server.wait()).await.context("postgres hangs")??;
        self.watchdog.leave(self.pid);
        Ok(())
    }
}

/// Returns the path of a program that belongs to the server, such as `psql`.
///
/// # Errors
/// When no server programs are installed.
pub fn program(name: &str) -> Result<PathBuf> {
    Ok(programs()?.join(name))
}

/// Returns the folder of `initdb` and `postgres`: what `pg_config` says, else the newest that Debian or Red
/// Hat has installed, else on the path.
fn programs() -> Result<PathBuf> {
    let asked = std::process::Command::new("pg_config").arg("--bindir").output();
    let asked = asked.ok().and_then(|output| String::from_utf8(output.stdout).ok());
    let asked = asked.map(|text| PathBuf::from(text.trim()));
    let path = env::var_os("PATH").unwrap_or_default();
    asked
        .into_iter()
        .chain(installed())
        .chain(env::split_paths(&path))
        .find(|folder| ["initdb", "postgres"].iter().all(|name| folder.join(name).is_file()))
        .context(
            "no PostgreSQL server programs (initdb, postgres) on this machine; \
             on Debian: apt-get install postgresql",
        )
}

/// Returns the installed folders of programs, the newest version first.
fn installed() -> impl Iterator<Item = PathBuf> {
    let mut versions = BTreeSet::new();
    for (folder, prefix) in [("/usr/lib/postgresql", ""), ("/usr", "pgsql-")] {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let version = name.to_str().and_then(|name| name.strip_prefix(prefix)?.parse().ok());
            versions.extend(version.map(|version: u32| (version, entry.path().join("bin"))));
        }
    }
    versions.into_iter().rev().map(|(_, folder)| folder)
}

/// Returns the user and group to run the server as: initdb refuses root.
async fn owner() -> Result<Option<(u32, u32)>> {
    if id(&["-u"]).await? != Some(0) {
        return Ok(None);
    }
    for user in ["postgres", "nobody"] {
        if let (Some(uid), Some(gid)) = (id(&["-u", user]).await?, id(&["-g", user]).await?) {
            return Ok(Some((uid, gid)));
        }
    }
    bail!("neither a user postgres nor a user nobody to run PostgreSQL as")
}

async fn id(args: &[&str]) -> Result<Option<u32>> {
    let output = Command::new("id").args(args).stderr(Stdio::null()).output().await?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_run::short_temporary_folder;

    #[tokio::test]
    async fn a_server_starts_copies_databases_and_stops() {
        let folder = short_temporary_folder().unwrap();
        let watchdog = Arc::new(Watchdog::start(&folder.path().join("none")).unwrap());
        let postgres = Postgres::start(&folder.path().join("pg"), watchdog).await.unwrap();
        let pid = postgres.pid;

        postgres.create_database("template", "template0").await.unwrap();
        let mut template = postgres.connect("template").await.unwrap();
        template.execute("CREATE TABLE t AS SELECT 7 AS x").await.unwrap();
        template.close().await.unwrap();
        postgres.create_database("copy", "template").await.unwrap();
        let mut copy =
            PgConnection::connect(&postgres.url("copy")).await.expect("the URL is understood");
        let x: i32 = sqlx::query_scalar("SELECT x FROM t").fetch_one(&mut copy).await.unwrap();
        assert_eq!(x, 7);
        postgres.drop_database("copy").await.unwrap();

        postgres.stop().await.unwrap();
        assert!(!Path::new("/proc").join(pid.to_string()).exists());
    }
}

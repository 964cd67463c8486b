//! A PostgreSQL server of the run's own, from the server programs installed on this machine.
//!
//! It lives in a folder of its own, listens on a Unix socket, and on 127.0.0.1 where a scenario wants that, and touches no
//! service of the machine. It trades durability for speed: no scenario kills it, only metricd.

use std::{
    collections::BTreeSet,
    env, fs,
    ops::ControlFlow::{Break, Continue},
    os::unix::fs::{PermissionsExt as _, chown},
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

/// What a server listens on beside its Unix socket, and what it is set to.
#[derive(Debug, Clone, Default)]
pub struct ServerSettings {
    /// The port on 127.0.0.1, and that of the socket; without one there is the socket alone.
    pub port: Option<u16>,
    /// Each `name=value`.
    pub settings: Vec<String>,
}

/// A running PostgreSQL.
#[derive(Debug)]
pub struct Postgres {
    server: Mutex<Child>,
    pid: u32,
    port: u16,
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
        Self::start_with(folder, watchdog, &ServerSettings::default()).await
    }

    /// Does the same with settings.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_with(
        folder: &Path,
        watchdog: Arc<Watchdog>,
        settings: &ServerSettings,
    ) -> Result<Self> {
        let home = Home::create(folder).await?;
        let mut initdb = home.command(&program("initdb")?);
        initdb.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale"]);
        initdb.args(["--no-sync", "--pgdata"]).arg(home.folder.join("data"));
        let made = initdb.output().await.context("cannot start initdb")?;
        ensure!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        Self::serve(&home, watchdog, settings).await
    }

    /// Creates a hot standby of this server in `folder`, which must not exist yet, and starts it.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn standby(&self, folder: &Path, settings: &ServerSettings) -> Result<Self> {
        let home = Home::create(folder).await?;
        let mut copy = home.command(&program("pg_basebackup")?);
        copy.args(["--checkpoint=fast", "--write-recovery-conf", "--no-sync"]);
        copy.args(["--username=postgres", "--port", &self.port.to_string(), "--host"]);
        copy.arg(&self.folder).arg("--pgdata").arg(home.folder.join("data"));
        let made = copy.output().await.context("cannot start pg_basebackup")?;
        ensure!(made.status.success(), "pg_basebackup: {}", String::from_utf8_lossy(&made.stderr));
        Self::serve(&home, Arc::clone(&self.watchdog), settings).await
    }

    async fn serve(
        home: &Home,
        watchdog: Arc<Watchdog>,
        settings: &ServerSettings,
    ) -> Result<Self> {
        let folder = &home.folder;
        let log = fs::File::create(folder.join("log"))?;
        let mut postgres = home.command(&program("postgres")?);
        postgres.arg("-D").arg(folder.join("data")).arg("-k").arg(folder);
        let port = settings.port.unwrap_or(5432);
        let addresses = if settings.port.is_some() { "127.0.0.1" } else { "" };
        for setting in [
            format!("listen_addresses={addresses}"),
            format!("port={port}"),
            "fsync=off".into(),
            "synchronous_commit=off".into(),
            "full_page_writes=off".into(),
            "max_connections=200".into(),
            "track_activity_query_size=16kB".into(),
            "timezone=Pacific/Chatham".into(),
        ]
        .iter()
        .chain(&settings.settings)
        {
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
        let postgres = Self { server, pid, port, folder: folder.clone(), watchdog };
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
        let port = self.port;
        format!("postgres:///{database}?host={folder}&port={port}&user=postgres")
    }

    /// Returns host, port and path of a URL of its first database, if it listens on 127.0.0.1.
    #[must_use]
    pub fn address(&self) -> String {
        format!("localhost:{}/postgres", self.port)
    }

    /// Its folder, which the socket is in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What starts and ends with it.
    pub(crate) fn watchdog(&self) -> &Arc<Watchdog> {
        &self.watchdog
    }

    /// The port of its socket, and on 127.0.0.1 if it listens there.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Has TLS from now on, by a certificate of version 1 for `localhost` that nothing has issued but itself; returns
    /// its file.
    ///
    /// # Errors
    /// When openssl fails, or the server does not read its settings again.
    pub async fn encrypt(&self) -> Result<PathBuf> {
        let home = Home { folder: self.folder.clone(), owner: owner().await? };
        home.write("openssl.cnf", b"[req]\ndistinguished_name = name\n[name]\n")?;
        let mut openssl = home.command(Path::new("openssl"));
        openssl.args(["req", "-x509", "-config", "openssl.cnf", "-newkey", "rsa:2048", "-nodes"]);
        openssl.args(["-days", "2", "-subj", "/CN=localhost"]);
        openssl.args(["-keyout", "data/server.key", "-out", "data/server.crt"]);
        let made = openssl.output().await.context("cannot start openssl")?;
        ensure!(made.status.success(), "openssl: {}", String::from_utf8_lossy(&made.stderr));
        let certificate = self.folder.join("server.crt");
        fs::copy(self.folder.join("data/server.crt"), &certificate)?;
        let mut connection = self.connect("postgres").await?;
        connection.execute("ALTER SYSTEM SET ssl = on").await?;
        connection.execute("SELECT pg_reload_conf()").await?;
        process::poll_until(async || {
            let mut connection = self.connect("postgres").await?;
            let ssl: String = sqlx::query_scalar("SHOW ssl").fetch_one(&mut connection).await?;
            Ok(if ssl == "on" { Break(()) } else { Continue("TLS is still off".into()) })
        })
        .await?;
        Ok(certificate)
    }

    /// Connects to a database as its superuser.
    ///
    /// # Errors
    /// When the database does not exist or the server is down.
    pub async fn connect(&self, database: &str) -> Result<PgConnection> {
        let options =
            PgConnectOptions::new_without_pgpass().socket(&self.folder).username("postgres");
        let options = options.port(self.port);
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

/// A server's own folder, and the user that its programs run as.
pub(crate) struct Home {
    pub(crate) folder: PathBuf,
    owner: Option<(u32, u32)>,
}

impl Home {
    pub(crate) async fn create(folder: &Path) -> Result<Self> {
        let owner = owner().await?;
        fs::create_dir(folder)?;
        let socket = folder.join(".s.PGSQL.65535");
        ensure!(
            socket.as_os_str().len() <= MAX_SOCKET_PATH,
            "{} is too long for a Unix socket: set TMPDIR to a shorter folder",
            socket.display(),
        );
        if let Some((uid, gid)) = owner {
            chown(folder, Some(uid), Some(gid))?;
        }
        Ok(Self { folder: folder.to_owned(), owner })
    }

    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if let Some((uid, gid)) = self.owner {
            command.uid(uid).gid(gid);
        }
        command.current_dir(&self.folder).stdin(Stdio::null());
        command
    }

    /// Writes a file that the server's user alone may read.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> Result<()> {
        let path = self.folder.join(name);
        fs::write(&path, content)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        if let Some((uid, gid)) = self.owner {
            chown(&path, Some(uid), Some(gid))?;
        }
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

//! A `PgBouncer` of a scenario's own, in front of a PostgreSQL server, run as the server's user and on 127.0.0.1.

use std::{
    fs,
    ops::ControlFlow::{Break, Continue},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result, bail};
use tokio::process::Child;

use crate::{
    native::{Home, Postgres},
    process,
    watchdog::Watchdog,
};

/// Debian has it where only root's commands are looked for.
const DEBIAN: &str = "/usr/sbin/pgbouncer";

/// A running `PgBouncer`.
#[derive(Debug)]
pub struct PgBouncer {
    process: Child,
    pid: u32,
    port: u16,
    folder: PathBuf,
    watchdog: Arc<Watchdog>,
}

impl PgBouncer {
    /// Starts one in `folder`, which must not exist yet, with `settings`, each `name = value`. It asks the server which roles
    /// may sign in, since metricd makes one of them.
    ///
    /// # Errors
    /// When it is not installed or does not come up; the text is its log.
    pub async fn start(
        folder: &Path,
        server: &Postgres,
        port: u16,
        settings: &[String],
    ) -> Result<Self> {
        let home = Home::create(folder).await?;
        let (socket, server_port) = (server.folder().display(), server.port());
        let configuration = format!(
            "[databases]\n\
             * = host={socket} port={server_port}\n\
             [pgbouncer]\n\
             listen_addr = 127.0.0.1\n\
             listen_port = {port}\n\
             unix_socket_dir =\n\
             auth_file = {folder}/users.txt\n\
             auth_user = postgres\n\
             {more}\n",
            folder = folder.display(),
            more = settings.join("\n"),
        );
        home.write("pgbouncer.ini", configuration.as_bytes())?;
        home.write("users.txt", b"\"postgres\" \"postgres\"\n")?;
        home.write("log", b"")?;
        let log = fs::File::options().append(true).open(folder.join("log"))?;
        let program = if Path::new(DEBIAN).exists() { DEBIAN } else { "pgbouncer" };
        let mut pgbouncer = home.command(Path::new(program));
        let process = pgbouncer
            .arg("pgbouncer.ini")
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("cannot start pgbouncer; on Debian: apt-get install pgbouncer")?;
        let pid = process.id().context("pgbouncer has ended")?;
        let watchdog = Arc::clone(server.watchdog());
        watchdog.watch(pid);
        let mut pgbouncer = Self { process, pid, port, folder: folder.to_owned(), watchdog };
        pgbouncer.wait_until_up().await?;
        Ok(pgbouncer)
    }

    /// Returns the URL of a database, as the superuser.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres:postgres@127.0.0.1:{}/{database}", self.port)
    }

    async fn wait_until_up(&mut self) -> Result<()> {
        let Self { process: child, folder, .. } = self;
        let child = tokio::sync::Mutex::new(child);
        let port = self.port;
        process::poll_until(async || {
            if let Some(status) = child.lock().await.try_wait()? {
                let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
                bail!("pgbouncer has ended ({status}): {log}");
            }
            Ok(match tokio::net::TcpStream::connect(("127.0.0.1", port)).await {
                Ok(_) => Break(()),
                Err(error) => Continue(format!("pgbouncer does not come up: {error}")),
            })
        })
        .await
    }

    /// Ends it at once, and the sessions that it has.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn stop(mut self) -> Result<()> {
        process::signal(self.pid, "TERM").await?;
        let ended = tokio::time::timeout(process::TIMEOUT, self.process.wait());
        ended.await.context("pgbouncer hangs")??;
        self.watchdog.leave(self.pid);
        Ok(())
    }
}

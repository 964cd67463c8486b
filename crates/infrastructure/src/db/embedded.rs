//! The embedded PostgreSQL: the same SQL with nothing to install. It has one connection, cannot
//! cancel a statement, and does not force its writes to the disk.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use pglite_oxide::PgliteServer;
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgSslMode},
};
use tokio::net::UnixStream;
use uuid::Uuid;

use super::{
    connect::{ConnectError, pool_options, session_options},
    stop_words,
};

/// How long the engine may take to start, on a slow or busy machine. A caller with a permit waits as
/// long for its connection.
const START_TIMEOUT: Duration = Duration::from_mins(1);

/// The stack of the engine's thread: PostgreSQL has to refuse what is nested too deep before its machine ends it.
/// Memory that is not touched costs nothing.
const STACK_BYTES: usize = 96 * 1024 * 1024;
/// PostgreSQL's own limit, which counts only a part of what a level takes of [`STACK_BYTES`].
const MAX_STACK_DEPTH: &str = "1MB";

const PORT: u16 = 5432;
const SOCKET_NAME: &str = ".s.PGSQL.5432";
/// How the engine's protocol loop ends once a COPY has failed: it takes the end of the connection for input that is left.
/// The rollback was done by then, and the log has what was committed.
const AFTER_FAILED_COPY: &str = "did not drain buffered input";
/// The longest path of a socket that every Unix takes, with its closing NUL left out.
const LONGEST_SOCKET_PATH: usize = 103;

/// The embedded PostgreSQL, running in a thread of this process until it is shut down.
pub(super) struct EmbeddedServer {
    /// `None` once it is shut down, and while it is started again.
    server: Mutex<Option<Box<PgliteServer>>>,
    is_shut_down: AtomicBool,
    /// Held by whatever starts or stops the engine.
    starting: tokio::sync::Mutex<()>,
    dir: PathBuf,
    sockets: PathBuf,
}

impl EmbeddedServer {
    /// Starts the engine on the files in `dir`, making them first if need be.
    pub(super) async fn start(dir: PathBuf) -> Result<Self, ConnectError> {
        let failed = {
            let dir = dir.clone();
            move |source: Box<dyn std::error::Error + Send + Sync>| ConnectError::Embedded {
                dir,
                source,
            }
        };
        match tokio::task::spawn_blocking(move || Self::start_blocking(&dir)).await {
            Ok(started) => started,
            Err(panic) => Err(failed(panic.into())),
        }
    }

    fn start_blocking(dir: &Path) -> Result<Self, ConnectError> {
        let failed = |source| ConnectError::Embedded { dir: dir.to_owned(), source };
        make_dir(dir).map_err(|error| failed(error.into()))?;
        let dir = dir.canonicalize().map_err(|error| failed(error.into()))?;
        let sockets = socket_dir(&dir);
        let files = dir.join("postgres");
        private_dir(&sockets)
            .and_then(|()| private_dir(&files))
            .and_then(|()| stop_words::install(&files))
            .map_err(|error| failed(error.into()))?;
        match launch(files, &sockets) {
            Ok(server) => Ok(Self {
                server: Mutex::new(Some(Box::new(server))),
                is_shut_down: AtomicBool::new(false),
                starting: tokio::sync::Mutex::new(()),
                dir,
                sockets,
            }),
            Err(error) => {
                let in_use = error
                    .chain()
                    .any(|cause| cause.to_string().starts_with("PGlite root is already in use:"));
                if !sockets.starts_with(&dir) {
                    let _ = fs::remove_dir(&sockets);
                }
                Err(if in_use { ConnectError::FolderInUse { dir } } else { failed(error.into()) })
            }
        }
    }

    /// Connects to it, and shuts it down if that fails.
    pub(super) async fn connect(&self) -> Result<PgPool, ConnectError> {
        // A closed connection ends the engine's session, and a new one takes it time to begin. The
        // engine starts with its first connection, which must not be cut off.
        let connected = pool_options(1, START_TIMEOUT)
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_with(session_options(self.connect_options()))
            .await;
        match connected {
            Ok(pool) => Ok(pool),
            Err(error) => {
                self.shutdown().await;
                Err(ConnectError::Embedded { dir: self.dir.clone(), source: error.into() })
            }
        }
    }

    fn connect_options(&self) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(&self.sockets)
            .port(PORT)
            .username("postgres")
            // The engine has one session, and its files have this one database for it.
            .database("template1")
            .ssl_mode(PgSslMode::Disable)
    }

    /// Starts the engine again if it has ended, as it does where a query takes more stack than there is. Its log
    /// brings its files back to the last commit. Goes on when its caller leaves.
    pub(super) async fn revive(self: &Arc<Self>) {
        if self.is_listening().await {
            return;
        }
        let this = Arc::clone(self);
        let revived = tokio::spawn(async move {
            let _one = this.starting.lock().await;
            if !this.is_shut_down.load(Ordering::Acquire) && !this.is_listening().await {
                this.start_again().await;
            }
        });
        if let Err(error) = revived.await {
            tracing::error!(%error, "Embedded PostgreSQL did not start again");
        }
    }

    /// Whether the engine takes connections; a busy one takes them later.
    async fn is_listening(&self) -> bool {
        use io::ErrorKind::{ConnectionRefused, NotFound};
        match UnixStream::connect(self.sockets.join(SOCKET_NAME)).await {
            Ok(_) => true,
            Err(error) => !matches!(error.kind(), ConnectionRefused | NotFound),
        }
    }

    async fn start_again(&self) {
        let ended = self.server.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (files, sockets) = (self.dir.join("postgres"), self.sockets.clone());
        let restart = move || {
            let cause = ended.and_then(|ended| ended.shutdown().err());
            launch(files, &sockets).map(|server| (server, cause))
        };
        match tokio::task::spawn_blocking(restart).await {
            Ok(Ok((server, cause))) => {
                let error = cause.map(|cause| format!("{cause:#}"));
                tracing::warn!(error, "Embedded PostgreSQL ended and was started again");
                let mut running = self.server.lock().unwrap_or_else(PoisonError::into_inner);
                *running = Some(Box::new(server));
            }
            Ok(Err(error)) => {
                tracing::error!(error = %format!("{error:#}"), "Embedded PostgreSQL did not start again");
            }
            Err(error) => tracing::error!(%error, "Embedded PostgreSQL did not start again"),
        }
    }

    /// Stops the engine. Every connection must be closed by now, or this waits for it.
    pub(super) async fn shutdown(&self) {
        let _one = self.starting.lock().await;
        self.is_shut_down.store(true, Ordering::Release);
        let server = self.server.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(server) = server else {
            return;
        };
        let stopped = tokio::task::spawn_blocking(move || server.shutdown()).await;
        match stopped.map(|stopped| stopped.map_err(|error| format!("{error:#}"))) {
            Ok(Err(error)) if error.contains(AFTER_FAILED_COPY) => {
                tracing::debug!(error, "Embedded PostgreSQL stopped after a COPY that failed");
            }
            Ok(Err(error)) => {
                tracing::warn!(error, "Embedded PostgreSQL did not shut down cleanly");
            }
            _ => {}
        }
        let _ = fs::remove_file(self.sockets.join(SOCKET_NAME));
        let _ = fs::remove_dir(&self.sockets);
    }
}

/// Starts the engine on `files`, with its socket in `sockets`.
fn launch(files: PathBuf, sockets: &Path) -> anyhow::Result<PgliteServer> {
    wasmer_vm::set_stack_size(STACK_BYTES);
    PgliteServer::builder()
        .path(files)
        .unix(sockets.join(SOCKET_NAME))
        .postgres_config("max_stack_depth", MAX_STACK_DEPTH)
        .start()
}

impl Drop for EmbeddedServer {
    // Stopping waits for the connections to close, which cannot be promised here. The engine ends
    // with the process instead; its log brings it back to the last commit.
    fn drop(&mut self) {
        let server = self.server.get_mut().unwrap_or_else(PoisonError::into_inner);
        std::mem::forget(server.take());
    }
}

/// Creates a folder, and those above it, that no other user may enter; one that exists is left as it
/// is.
fn make_dir(dir: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Creates a private folder, or closes the one that exists to all other users.
fn private_dir(dir: &Path) -> io::Result<()> {
    make_dir(dir)?;
    let is_open_to_others = fs::metadata(dir)?.permissions().mode() & 0o077 != 0;
    if is_open_to_others {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// A private folder for the socket: in the data folder, unless that makes the path too long.
fn socket_dir(data_dir: &Path) -> PathBuf {
    let inside = data_dir.join("run");
    if inside.as_os_str().len() + 1 + SOCKET_NAME.len() <= LONGEST_SOCKET_PATH {
        inside
    } else {
        std::env::temp_dir().join(format!("metricd-{}", Uuid::new_v4().simple()))
    }
}

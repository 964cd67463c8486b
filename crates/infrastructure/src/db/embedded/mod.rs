//! The embedded PostgreSQL: the same SQL with nothing to install. It has one connection, cannot
//! cancel a statement, and does not force its writes to the disk.
//!
//! It runs in a process of its own, which [`supervision`] watches and starts again: whatever a statement does to
//! it, metricd goes on. Why: `docs/adr/0020-the-embedded-engine-has-a-process-of-its-own.md`.

mod backup;
mod cache;
mod child;
mod folder;
mod offenders;
mod process;
mod protocol;
mod read_only;
mod shared;
mod supervision;
mod trap;
mod usage;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgSslMode},
};
use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    time::Instant,
};

use self::{
    folder::{DataFolder, PORT},
    process::{EngineProcess, Event, START_TIMEOUT, StartError},
    shared::{Shared, Status},
    supervision::{Stop, Supervision},
    usage::{Usage, UsageLimits},
};
use super::{
    connect::{ConnectError, DatabaseConfig, EngineCommand, pool_options, session_options},
    purpose::Purpose,
};

pub use backup::{BackupError, BackupManifest, back_up, check_backup, restore};
pub use child::run_embedded_engine;
pub(super) use offenders::EndedEngine;
pub(super) use read_only::begin_read_only;

/// The embedded PostgreSQL, which is there until it is shut down.
pub(super) struct EmbeddedServer {
    shared: Arc<Shared>,
    dir: PathBuf,
    /// Told to stop; closed when this is dropped.
    orders: mpsc::Sender<Stop>,
}

impl EmbeddedServer {
    /// Starts the engine on the files in `data_dir`, making them first if need be, and connects to it. The holder of
    /// the only one of `permits` uses the connection.
    pub(super) async fn open(
        data_dir: &Path,
        command: EngineCommand,
        config: &DatabaseConfig,
        permits: Arc<Semaphore>,
    ) -> Result<(Arc<Self>, PgPool), ConnectError> {
        let folder = DataFolder::open(data_dir)?;
        if folder::unfinished_restore(folder.dir()).exists() {
            return Err(ConnectError::UnfinishedRestore { dir: folder.dir().to_owned() });
        }
        let failed = |source| ConnectError::Embedded { dir: folder.dir().to_owned(), source };
        let mut process = match EngineProcess::start(&command, &folder).await {
            Ok(process) => process,
            Err(StartError::InUse) => {
                return Err(ConnectError::FolderInUse { dir: folder.dir().to_owned() });
            }
            Err(error) => return Err(failed(error.into())),
        };
        let connecting = connect(&folder);
        let pool = tokio::select! {
            connected = connecting => connected.map_err(|error| failed(error.into()))?,
            ended = until_ended(&mut process) => return Err(failed(ended.into())),
        };
        let shared = Arc::new(Shared::new(UsageLimits {
            request: config.request_deadline,
            upload: config.upload_deadline,
            query: config.query_deadline,
        }));
        let (orders, ordered) = mpsc::channel(1);
        let dir = folder.dir().to_owned();
        let supervision = Supervision {
            shared: Arc::clone(&shared),
            folder,
            command,
            pool: pool.clone(),
            permits,
            memory: config.embedded_memory,
        };
        tokio::spawn(supervision.run(process, ordered));
        Ok((Arc::new(Self { shared, dir, orders }), pool))
    }

    /// Its data folder, as an absolute path.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether the engine is there and answers.
    pub(super) fn is_ready(&self) -> bool {
        self.shared.status() == Status::Ready
    }

    /// How often it was started again.
    pub(super) fn restarts(&self) -> u64 {
        self.shared.restarts()
    }

    /// Whether its connection is used: by one that holds a permit, and for no longer than it may.
    pub(super) fn is_used(&self) -> bool {
        self.shared.usage().is_some()
    }

    /// Waits until the engine is there and answers, or never will again.
    pub(super) async fn until_ready(&self) {
        self.shared.until(|status| status != Status::Lost).await;
    }

    /// Why a query is not run any more, if it has ended the engine too often.
    pub(super) fn refusal(&self, purpose: &Purpose<'_>) -> Option<EndedEngine> {
        self.shared.offenders.refusal(purpose.sql()?)
    }

    /// From now on the connection is used for this.
    pub(super) fn begin(&self, purpose: Purpose<'_>) {
        *self.shared.usage() = Some(Usage::new(purpose, Instant::now()));
    }

    /// It turns out to be an upload.
    pub(super) fn is_upload(&self) {
        if let Some(usage) = &mut *self.shared.usage() {
            usage.is_upload();
        }
    }

    /// Its caller is gone, and the engine may go on with it until its deadline.
    pub(super) fn leave(&self) {
        if let Some(usage) = &mut *self.shared.usage() {
            usage.leave(Instant::now());
        }
    }

    /// The engine is done with it.
    pub(super) fn finish(&self) {
        *self.shared.usage() = None;
    }

    /// Stops the engine. Its connection must be closed by now, or what runs on it is cut off.
    pub(super) async fn shutdown(&self) {
        let (stopped, done) = oneshot::channel();
        // A second time it has stopped already.
        if self.orders.send(stopped).await.is_ok() {
            let _ = done.await;
        }
    }
}

/// Connects to the engine that runs in `folder`.
async fn connect(folder: &DataFolder) -> Result<PgPool, sqlx::Error> {
    let options = PgConnectOptions::new_without_pgpass()
        .socket(folder.sockets())
        .port(PORT)
        .username("postgres")
        // The engine has one session, and its files have this one database for it.
        .database("template1")
        .ssl_mode(PgSslMode::Disable);
    // A closed connection ends the engine's session, and a new one takes it time to begin. The
    // engine starts with its first connection, which must not be cut off.
    pool_options(1, START_TIMEOUT)
        .max_lifetime(None)
        .idle_timeout(None)
        .connect_with(session_options(options))
        .await
}

/// Waits for the end of a process, which should not come yet.
async fn until_ended(process: &mut EngineProcess) -> StartError {
    loop {
        if let Event::Ended(ending) = process.next().await {
            return StartError::Ended(ending);
        }
    }
}

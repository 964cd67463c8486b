//! One run on one engine, and what its scenarios share: the binary, the PostgreSQL server, identity
//! providers, and the template databases that each scenario's own is copied from.

use std::{
    env,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use anyhow::{Context as _, Result, ensure};
use sqlx::PgConnection;
use tempfile::TempDir;
use tokio::{process::Command, sync::OnceCell};

use crate::{
    catalog::TestCatalog,
    engine::{Content, DatabaseLocation, TestEngine},
    idp::{Cognito, OpenId},
    native::Postgres,
    process,
    usual_settings::usual_settings,
    watchdog::Watchdog,
};

/// Cucumber makes each scenario's world without arguments, so the run is found here.
static CURRENT: Mutex<Option<Arc<TestRun>>> = Mutex::new(None);

/// The outcome of preparing something once: a failure is not tried again.
type Prepared<T = ()> = std::result::Result<T, String>;

/// One run on one engine.
#[derive(Debug)]
pub struct TestRun {
    engine: TestEngine,
    binary: PathBuf,
    postgres: Option<Postgres>,
    watchdog: Arc<Watchdog>,
    folder: TempDir,
    scenarios: AtomicU32,
    migrated: OnceCell<Prepared>,
    sample: OnceCell<Prepared>,
    cognito: OnceCell<Prepared<Arc<Cognito>>>,
    openid: OnceCell<Prepared<Arc<OpenId>>>,
}

impl TestRun {
    /// Sets up a run and makes it the current one.
    ///
    /// # Errors
    /// When the native PostgreSQL cannot be started.
    pub async fn set(engine: TestEngine, binary: PathBuf) -> Result<Arc<Self>> {
        let folder = short_temporary_folder()?;
        let watchdog = Arc::new(Watchdog::start(folder.path())?);
        let postgres = match engine {
            TestEngine::Embedded => None,
            TestEngine::Native => {
                Some(Postgres::start(&folder.path().join("pg"), Arc::clone(&watchdog)).await?)
            }
        };
        let run = Arc::new(Self {
            engine,
            binary,
            postgres,
            watchdog,
            folder,
            scenarios: AtomicU32::new(0),
            migrated: OnceCell::new(),
            sample: OnceCell::new(),
            cognito: OnceCell::new(),
            openid: OnceCell::new(),
        });
        *CURRENT.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&run));
        Ok(run)
    }

    /// The run that scenarios are made for.
    ///
    /// # Errors
    /// When none is set up.
    pub fn current() -> Result<Arc<Self>> {
        let current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
        current.clone().context("no run is set up")
    }

    /// Ends the run: stops its servers.
    ///
    /// # Errors
    /// When one does not stop.
    pub async fn end(&self) -> Result<()> {
        CURRENT.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Ok(cognito)) = self.cognito.get() {
            cognito.stop().await?;
        }
        if let Some(Ok(openid)) = self.openid.get() {
            openid.stop().await?;
        }
        match &self.postgres {
            Some(postgres) => postgres.stop().await,
            None => Ok(()),
        }
    }

    /// Returns the engine.
    #[must_use]
    pub fn engine(&self) -> TestEngine {
        self.engine
    }

    /// Returns the PostgreSQL server, unless the engine is the embedded one.
    #[must_use]
    pub fn postgres(&self) -> Option<&Postgres> {
        self.postgres.as_ref()
    }

    /// Returns the path of the binary under test.
    #[must_use]
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// Returns the watchdog, which ends the processes that a run leaves behind.
    #[must_use]
    pub fn watchdog(&self) -> &Arc<Watchdog> {
        &self.watchdog
    }

    /// Returns the run's Cognito, started on first use. Scenarios share it and change nothing in it.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn cognito(&self) -> Result<Arc<Cognito>> {
        let start = async {
            let folder = self.folder.path().join("cognito");
            Ok(Arc::new(Cognito::start(&folder, Arc::clone(&self.watchdog)).await?))
        };
        Box::pin(once(&self.cognito, start)).await
    }

    /// Returns the run's generic provider, started on first use. Scenarios share it.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn openid(&self) -> Result<Arc<OpenId>> {
        let start = self.own_openid(self.folder.path());
        Box::pin(once(&self.openid, start)).await
    }

    /// Starts a generic provider that a scenario may stop, in a folder below `parent`.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn own_openid(&self, parent: &Path) -> Result<Arc<OpenId>> {
        let folder = parent.join("openid");
        Ok(Arc::new(OpenId::start(&folder, Arc::clone(&self.watchdog)).await?))
    }

    /// Creates an empty folder for one scenario, and a name that no other scenario has.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn scenario(&self) -> Result<(TempDir, String)> {
        let number = self.scenarios.fetch_add(1, Ordering::Relaxed);
        let name = format!("s{number}");
        let folder =
            tempfile::Builder::new().prefix(&name).rand_bytes(0).tempdir_in(self.folder.path())?;
        Ok((folder, name))
    }

    /// Creates a database with this content: `name` on the server, or a folder `data` in `folder`.
    ///
    /// # Errors
    /// When metricd cannot prepare the content.
    pub async fn database(
        &self,
        content: Content,
        folder: &Path,
        name: &str,
    ) -> Result<DatabaseLocation> {
        let template = match content {
            Content::Untouched => {
                let mut database = self.copy(None, folder.join("data"), name).await?;
                if let DatabaseLocation::Native { reader_role, .. } = &mut database {
                    *reader_role = Some(format!("{name}_reader"));
                }
                return Ok(database);
            }
            Content::Migrated => {
                self.migrated().await?;
                Some("migrated")
            }
            Content::Sample => {
                self.sample().await?;
                Some("sample")
            }
        };
        self.copy(template, folder.join("data"), name).await
    }

    async fn migrated(&self) -> Result<()> {
        let prepare = async {
            let database = self.copy(None, self.folder.path().join("migrated"), "migrated").await?;
            self.run(&["migrate"], &database).await
        };
        Box::pin(once(&self.migrated, prepare)).await
    }

    async fn sample(&self) -> Result<()> {
        let prepare = async {
            self.migrated().await?;
            let folder = self.folder.path();
            let database = self.copy(Some("migrated"), folder.join("sample"), "sample").await?;
            let files = TestCatalog::sample(folder)?.arguments();
            let arguments: Vec<_> = ["import"].into_iter().chain(files.split(' ')).collect();
            self.run(&arguments, &database).await
        };
        Box::pin(once(&self.sample, prepare)).await
    }

    async fn copy(
        &self,
        template: Option<&str>,
        folder: PathBuf,
        name: &str,
    ) -> Result<DatabaseLocation> {
        let Some(postgres) = &self.postgres else {
            if let Some(template) = template {
                let mut copy = Command::new("cp");
                copy.arg("-a").arg(self.folder.path().join(template)).arg(&folder);
                let copied = process::run(copy).await?;
                ensure!(copied.status.success(), "{}", copied.text());
            }
            return Ok(DatabaseLocation::Embedded { data_dir: folder });
        };
        postgres.create_database(name, template.unwrap_or("template0")).await?;
        let url = postgres.url(name);
        Ok(DatabaseLocation::Native { name: name.to_owned(), url, reader_role: None })
    }

    async fn run(&self, arguments: &[&str], database: &DatabaseLocation) -> Result<()> {
        let folder = self.folder.path();
        let mut command = process::command(&self.binary, folder, &usual_settings());
        command.args(arguments).args(database.arguments()).envs(database.settings());
        let output = process::run(command).await?;
        ensure!(output.status.success(), "metricd {}: {}", arguments.join(" "), output.text());
        Ok(())
    }

    /// Removes a scenario's database.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn discard(&self, database: &DatabaseLocation) -> Result<()> {
        match (&self.postgres, database) {
            (Some(postgres), DatabaseLocation::Native { name, reader_role, .. }) => {
                postgres.drop_database(name).await?;
                match reader_role {
                    Some(role) => postgres.drop_role(role).await,
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// Connects past metricd to a database of the native server.
    ///
    /// # Errors
    /// On the embedded engine, which only metricd can open.
    pub async fn connect(&self, database: &DatabaseLocation) -> Result<PgConnection> {
        match (&self.postgres, database) {
            (Some(postgres), DatabaseLocation::Native { name, .. }) => postgres.connect(name).await,
            _ => anyhow::bail!("only metricd can open an embedded database: tag it @native"),
        }
    }
}

async fn once<T: Clone>(
    cell: &OnceCell<Prepared<T>>,
    prepare: impl Future<Output = Result<T>>,
) -> Result<T> {
    let prepared = cell.get_or_init(|| async { prepare.await.map_err(|e| format!("{e:#}")) }).await;
    prepared.clone().map_err(anyhow::Error::msg)
}

/// Creates a temporary folder whose path leaves room for the paths of Unix sockets.
///
/// # Errors
/// When it cannot be made.
pub fn short_temporary_folder() -> Result<TempDir> {
    let usual = env::temp_dir();
    let parent = if usual.as_os_str().len() > 40 { PathBuf::from("/tmp") } else { usual };
    let folder = tempfile::Builder::new().prefix("md").rand_bytes(5).tempdir_in(parent)?;
    // An unprivileged PostgreSQL has to reach its own folder in here.
    let passable = std::os::unix::fs::PermissionsExt::from_mode(0o711);
    std::fs::set_permissions(folder.path(), passable)?;
    Ok(folder)
}

//! `metricd backup` and `metricd restore`, for the embedded engine.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, bail};
use metricd_infrastructure::db::{self, BackupManifest, ConnectError};

use crate::{app, config::Config};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The backup
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(crate) async fn back_up(config: &Config, args: &Args) -> anyhow::Result<ExitCode> {
    let dir = folder(config, "backup")?;
    db::check_backup(dir, &args.file)?;
    let database = app::connect(config, Duration::ZERO).await.map_err(explain)?;
    super::output::print_database(&database.address());
    let schema = database.schema_state().await;
    // Its files stay as they are from here on.
    database.close().await;
    let manifest = BackupManifest::new(env!("CARGO_PKG_VERSION"), schema?);
    db::back_up(dir, &args.file, &manifest).map_err(|error| explain(error.into()))?;
    let size = args.file.metadata()?.len();
    super::output::print(&format!("Backed up: {size} bytes in {}.\n", args.file.display()))?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn restore(config: &Config, args: &Args) -> anyhow::Result<ExitCode> {
    let dir = folder(config, "restore")?;
    let manifest = db::restore(&args.file, dir).map_err(|error| explain(error.into()))?;
    let started = async {
        let database = app::connect(config, Duration::ZERO).await?;
        super::output::print_database(&database.address());
        let schema = database.schema_state().await;
        database.close().await;
        schema.map_err(anyhow::Error::from)
    };
    let schema =
        started.await.context("the backup is unpacked, and the engine does not start on it")?;
    if schema.applied != manifest.migrations {
        bail!("the backup is unpacked, and its schema is not the one that it names");
    }
    super::output::print(&format!(
        "Restored: {}, which metricd {} has made.\n",
        args.file.display(),
        manifest.metricd
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// The data folder. A server's database is backed up with its own programs.
fn folder<'a>(config: &'a Config, command: &str) -> anyhow::Result<&'a Path> {
    if config.database.url.is_some() {
        bail!(
            "`metricd {command}` is for the embedded engine, and DATABASE_URL names a server: use pg_dump and pg_restore, \
             as docs/guide/backup.md shows"
        );
    }
    Ok(&config.general.data_dir)
}

/// Says what to do where another process works with the folder.
fn explain(error: anyhow::Error) -> anyhow::Error {
    let is_in_use = |cause: &(dyn std::error::Error + 'static)| {
        matches!(cause.downcast_ref(), Some(ConnectError::FolderInUse { .. }))
    };
    if error.chain().any(is_in_use) {
        return error.context("stop the metricd that serves it, and start it again afterwards");
    }
    error
}

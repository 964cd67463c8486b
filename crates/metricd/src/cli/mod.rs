//! The command line: one command a file.

#[cfg(feature = "embedded")]
mod backup;
mod database;
mod doctor;
pub(crate) mod exit;
mod files;
mod health;
mod import;
mod load;
mod migrate;
mod openapi;
pub(crate) mod output;
mod parsers;
mod policy;
mod query;
mod report;
mod serve;
mod settings;
mod token;
mod validate;
mod watch;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::{
    config::{Config, Flags},
    telemetry::{self, TelemetryGuard},
};

/// Business metrics from SQL in PostgreSQL, served for a date window.
///
/// Settings come from `metricd.toml`, the environment (`METRICD_…`, `DATABASE_URL` and others) and
/// flags; later ones win. Without `DATABASE_URL` an embedded PostgreSQL runs in the data folder.
#[derive(Debug, Parser)]
#[command(name = "metricd", version, propagate_version = true)]
pub(crate) struct Cli {
    /// Folder of the embedded database and of the development issuer's key [default: .metricd]
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Settings file [default: metricd.toml, if it is there]
    #[arg(long, global = true, value_name = "FILE", env = "METRICD_CONFIG")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve metrics over HTTP
    ///
    /// On a PostgreSQL server, stored SQL runs as a role of its own, which reads what it was granted and
    /// no more (`GRANT SELECT ON orders TO metricd_reader`). metricd makes that role, or takes the one
    /// of `READER_DATABASE_URL`, and does not start where it can do more.
    Serve(serve::Args),
    /// Ask a running metricd whether it is ready: exit code 0 if it is
    Health(health::Args),
    /// Check this installation, and say what to do where something is wrong
    ///
    /// Settings, policies, folders, disks, issuers and the database. It changes nothing, and ends with exit code 2 where
    /// there is a fault.
    Doctor(doctor::Args),
    /// Migrate the database's schema, and set up the reader role
    Migrate,
    /// Back up the embedded engine's database to one file
    ///
    /// Everything in it. No other metricd may work with the data folder meanwhile. A server's database is backed up with `pg_dump`.
    #[cfg(feature = "embedded")]
    Backup(backup::Args),
    /// Restore a backup of the embedded engine into an empty data folder
    #[cfg(feature = "embedded")]
    Restore(backup::Args),
    /// Load metrics, queries and records from files, whole or not at all
    Import(import::Args),
    /// Check the same files without a database
    Validate(validate::Args),
    /// Load a file into a new or existing table that metrics can read: whole or not at all
    ///
    /// Column types are inferred from the whole file, which is read twice.
    Load(load::Args),
    /// Answer one metric
    Query(query::Args),
    /// Invalidate cached answers when others write to a table, by a trigger on it
    ///
    /// Its present partitions are watched too: watch the table again after adding some. Roles that
    /// write the table need no further privileges.
    Watch(watch::Args),
    /// Stop watching a table
    Unwatch(watch::Args),
    /// Check or print the policies that say who may do what
    Policy(policy::Args),
    /// Issue a token of the development issuer
    Token(token::Args),
    /// Print the OpenAPI document
    Openapi,
    /// Print the reference of all settings
    Settings,
    /// Run the embedded PostgreSQL, as another metricd orders
    #[cfg(feature = "embedded")]
    #[command(name = crate::app::ENGINE_COMMAND, hide = true)]
    EmbeddedEngine,
}

impl Command {
    /// Only a server has traces.
    fn start_telemetry(&self, config: &Config) -> anyhow::Result<TelemetryGuard> {
        let traces = match self {
            Self::Serve(_) => config.telemetry.traces(),
            _ => None,
        };
        telemetry::start(config.log.filter.clone(), traces.as_ref())
    }
}

impl Cli {
    /// Runs the command and returns the exit code.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        // Its settings are those of the metricd that has started it.
        #[cfg(feature = "embedded")]
        if let Command::EmbeddedEngine = self.command {
            return Ok(metricd_infrastructure::db::run_embedded_engine());
        }
        // A faulty setting must not keep its own reference from being read.
        if let Command::Settings = self.command {
            return settings::run();
        }
        let mut flags = Flags { config: self.config, data_dir: self.data_dir, ..Flags::default() };
        match &self.command {
            Command::Serve(args) => flags.listen.clone_from(&args.listen),
            Command::Health(args) => flags.listen.clone_from(&args.listen),
            _ => {}
        }
        let config = Config::load(&flags);
        let _telemetry = match &config {
            Ok(config) => Some(self.command.start_telemetry(config)?),
            Err(_) => None,
        };
        if let Command::Doctor(args) = &self.command {
            return block_on(doctor::run(config, args));
        }
        let config = config?;
        match self.command {
            Command::Serve(args) => block_on(serve::run(&config, &args)),
            Command::Health(_) => block_on(health::run(&config)),
            Command::Migrate => block_on(migrate::run(&config)),
            #[cfg(feature = "embedded")]
            Command::Backup(args) => block_on(backup::back_up(&config, &args)),
            #[cfg(feature = "embedded")]
            Command::Restore(args) => block_on(backup::restore(&config, &args)),
            Command::Import(args) => block_on(import::run(&config, args)),
            Command::Validate(args) => block_on(validate::run(&config, &args)),
            Command::Load(args) => block_on(load::run(&config, args)),
            Command::Query(args) => block_on(query::run(&config, args)),
            Command::Watch(args) => block_on(watch::watch(&config, args)),
            Command::Unwatch(args) => block_on(watch::unwatch(&config, args)),
            Command::Policy(args) => policy::run(&config, args),
            Command::Token(args) => token::run(&config, args),
            Command::Openapi => openapi::run(),
            // It was run above, with faulty settings too.
            Command::Doctor(args) => block_on(doctor::run(Ok(config), &args)),
            Command::Settings => settings::run(),
            #[cfg(feature = "embedded")]
            Command::EmbeddedEngine => Ok(metricd_infrastructure::db::run_embedded_engine()),
        }
    }
}

fn block_on(command: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(command)
}

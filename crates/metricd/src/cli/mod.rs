//! The command line: one command a file.

pub(crate) mod exit;
mod files;
mod import;
mod load;
mod migrate;
mod openapi;
mod policy;
mod query;
mod report;
mod serve;
mod token;
mod validate;
mod watch;

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::{
    Parser, Subcommand, ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser},
};
use metricd_core::{actor::Role, claim::ClaimName};

use crate::{
    app,
    config::{Config, Flags},
    telemetry,
};

/// Business metrics from SQL in PostgreSQL, served for a date window.
///
/// Settings come from `metricd.toml`, the environment (`METRICD_…`, `DATABASE_URL`,
/// `READER_DATABASE_URL`, `METRICS_SEED_JSON`, `QUERIES_SEED_CSV`, `METRIC_RECORDS_SEED_JSON`, `AWS_REGION`, `USER_POOL_ID`,
/// `USER_POOL_CLIENT_ID`) and flags; later ones win.
/// Without `DATABASE_URL` an embedded PostgreSQL runs in the data folder.
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
    /// Bring the database's schema up to date, and see to the reader role
    Migrate,
    /// Load metrics, queries and records from files, whole or not at all
    Import(import::Args),
    /// Check the same files without a database
    Validate(validate::Args),
    /// Make a table of a file, or fill one with it, so that metrics can read it: whole or not at all
    ///
    /// The types of the columns are inferred from all of the file. The file is read twice.
    Load(load::Args),
    /// Answer one metric
    Query(query::Args),
    /// Have what others write to a table noted, by a trigger, so that no answer from before is kept
    ///
    /// What the table is divided into is watched as well, as it is now: watch it again when partitions
    /// were added. Whoever may write the table needs no further right.
    Watch(watch::Args),
    /// Undo that
    Unwatch(watch::Args),
    /// Look at the policies that say who may do what
    Policy(policy::Args),
    /// Make a token of the development issuer
    Token(token::Args),
    /// Print the OpenAPI document
    Openapi,
}

/// What a person or a program would see.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// A table.
    #[default]
    Table,
    /// One JSON document.
    Json,
}

impl Cli {
    /// Runs the command and says how the process should end.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let mut flags = Flags { config: self.config, data_dir: self.data_dir, ..Flags::default() };
        if let Command::Serve(args) = &self.command {
            flags.listen.clone_from(&args.listen);
        }
        let config = Config::load(&flags)?;
        telemetry::start(config.log.clone());
        match self.command {
            Command::Serve(args) => block_on(serve::run(&config, &args)),
            Command::Migrate => block_on(migrate::run(&config)),
            Command::Import(args) => block_on(import::run(&config, args)),
            Command::Validate(args) => validate::run(&config, &args),
            Command::Load(args) => block_on(load::run(&config, args)),
            Command::Query(args) => block_on(query::run(&config, args)),
            Command::Watch(args) => block_on(watch::watch(&config, args)),
            Command::Unwatch(args) => block_on(watch::unwatch(&config, args)),
            Command::Policy(args) => policy::run(&config, args),
            Command::Token(args) => token::run(&config, args),
            Command::Openapi => openapi::run(),
        }
    }
}

fn block_on(command: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(command)
}

/// Connects, brings the schema up to date, does `work`, and closes the database again.
async fn with_database<T>(
    config: &Config,
    work: impl AsyncFnOnce(metricd_application::context::Context) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let policies = app::policies(config, None)?;
    let database = app::connect(config).await?;
    let result = match database.migrate().await {
        Ok(()) => match app::context(config, &database, policies) {
            Ok(context) => work(context).await,
            Err(error) => Err(error),
        },
        Err(error) => Err(error.into()),
    };
    database.close().await;
    result
}

/// Reads a role.
fn role_parser() -> impl TypedValueParser<Value = Role> {
    PossibleValuesParser::new(Role::ALL.map(Role::as_str))
        .try_map(|word| Role::from_word(&word).ok_or("there is no such role"))
}

/// Reads what a claim slot is filled with: `tenant_id=acme`.
fn parse_claim(text: &str) -> Result<(ClaimName, String), String> {
    let (name, value) = text.split_once('=').ok_or("must be written name=value")?;
    let name = ClaimName::parse(name).map_err(|error| error.to_string())?;
    Ok((name, value.to_owned()))
}

/// Prints what a command was asked for. A reader that went away, such as `head`, is no error.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Tells a person why a command failed, with every cause.
pub(crate) fn complain(error: &anyhow::Error) {
    let mut err = std::io::stderr().lock();
    // Nothing is left to do when even this cannot be written.
    let _ = writeln!(err, "error: {error:#}");
}

//! `metricd import`

use std::process::ExitCode;

use metricd_application::catalog::{ImportOptions, import};
use metricd_core::actor::Actor;

use super::{
    exit::REJECTED,
    files::{FileArgs, progress_bar},
    output::OutputFormat,
    report,
};
use crate::config::Config;

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("given").required(true).multiple(true).args(["metrics", "queries", "records"])))]
pub(crate) struct Args {
    #[command(flatten)]
    files: FileArgs,
    /// Do everything, then roll back
    #[arg(long)]
    dry_run: bool,
    /// Treat warnings and repairs as rejections
    #[arg(long)]
    strict: bool,
    /// Remove metrics and queries that an earlier import made and these files do not have
    #[arg(long)]
    prune: bool,
    /// How to print the report
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

pub(crate) async fn run(config: &Config, args: Args) -> anyhow::Result<ExitCode> {
    let options = ImportOptions { dry_run: args.dry_run, strict: args.strict, prune: args.prune };
    #[expect(clippy::disallowed_methods, reason = "the caller of a command is the operator")]
    let operator = Actor::operator();
    let report = super::database::with_database(config, async |context| {
        let (bar, on_progress) = progress_bar("records");
        let files = args.files.open();
        let report = import(&operator, &context, files, options, &on_progress).await;
        bar.finish_and_clear();
        Ok(report?)
    })
    .await?;
    super::output::print(&report::render(&report, args.format, options.dry_run)?)?;
    let refused = !report.findings.permit_writing();
    Ok(if refused { ExitCode::from(REJECTED) } else { ExitCode::SUCCESS })
}

//! `metricd validate`

use std::process::ExitCode;

use metricd_application::catalog::validate;

use super::{
    exit::REJECTED,
    files::{FileArgs, progress_bar},
    output::OutputFormat,
    report,
};
use crate::config::Config;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    files: FileArgs,
    /// Treat warnings and repairs as rejections
    #[arg(long)]
    strict: bool,
    /// How to print the report
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

pub(crate) fn run(config: &Config, args: &Args) -> anyhow::Result<ExitCode> {
    let (bar, on_progress) = progress_bar("records");
    let claims = config.auth.claim_names();
    let report = validate(args.files.open(), args.strict, &config.sql.gate, &claims, &on_progress);
    bar.finish_and_clear();
    super::output::print(&report::render(&report, args.format, true)?)?;
    let refused = !report.findings.permit_writing();
    Ok(if refused { ExitCode::from(REJECTED) } else { ExitCode::SUCCESS })
}

//! `metricd validate`

use std::process::ExitCode;

use metricd_application::{
    catalog::validate,
    metrics::{MetricCheck, check_metrics},
};
use metricd_core::actor::Actor;
use serde::Serialize;
use uuid::Uuid;

use super::{
    database::with_database,
    exit::REJECTED,
    files::{FileArgs, progress_bar},
    output::OutputFormat,
    report,
};
use crate::config::Config;

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("given").required(true).multiple(true).args(["metrics", "queries", "records", "database"])))]
pub(crate) struct Args {
    #[command(flatten)]
    files: FileArgs,
    /// Check the metrics of the database: whether the query of each still fits its tables
    #[arg(long, conflicts_with_all = ["metrics", "queries", "records", "strict"])]
    database: bool,
    /// Treat warnings and repairs as rejections
    #[arg(long)]
    strict: bool,
    /// How to print the report
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

pub(crate) async fn run(config: &Config, args: &Args) -> anyhow::Result<ExitCode> {
    if args.database {
        return check(config, args.format).await;
    }
    let (bar, on_progress) = progress_bar("records");
    let claims = config.auth.claim_names();
    let report = validate(args.files.open(), args.strict, &config.sql.gate, &claims, &on_progress);
    bar.finish_and_clear();
    super::output::print(&report::render(&report, args.format, true)?)?;
    let refused = !report.findings.permit_writing();
    Ok(if refused { ExitCode::from(REJECTED) } else { ExitCode::SUCCESS })
}

/// A metric whose query no longer fits the database.
#[derive(Serialize)]
struct BrokenBody {
    id: Uuid,
    name: String,
    reason: String,
}

/// What `--format json` prints.
#[derive(Serialize)]
struct CheckBody {
    checked: u64,
    broken: Vec<BrokenBody>,
}

async fn check(config: &Config, format: OutputFormat) -> anyhow::Result<ExitCode> {
    #[expect(clippy::disallowed_methods, reason = "the caller of a command is the operator")]
    let actor = Actor::operator();
    let check = with_database(config, async |context| Ok(check_metrics(&actor, &context).await?));
    let MetricCheck { checked, broken } = check.await?;
    let is_fine = broken.is_empty();
    let broken = broken.into_iter().map(|metric| BrokenBody {
        id: metric.id.0,
        name: metric.name.as_str().to_owned(),
        reason: metric.reason,
    });
    let body = CheckBody { checked, broken: broken.collect() };
    super::output::print(&match format {
        OutputFormat::Json => serde_json::to_string_pretty(&body)? + "\n",
        OutputFormat::Table => text(&body),
    })?;
    Ok(if is_fine { ExitCode::SUCCESS } else { ExitCode::from(REJECTED) })
}

fn text(CheckBody { checked, broken }: &CheckBody) -> String {
    let line =
        |metric: &BrokenBody| format!("broken  {} {}: {}\n", metric.id, metric.name, metric.reason);
    let lines: String = broken.iter().map(line).collect();
    format!("{lines}Checked: {checked} metrics, {} of them broken.\n", broken.len())
}

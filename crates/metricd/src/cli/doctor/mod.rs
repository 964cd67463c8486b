//! `metricd doctor`: what keeps metricd from working, or will, each with its remedy. It changes nothing.

mod checks;
mod diagnosis;

use std::{fmt::Write as _, process::ExitCode};

use serde::Serialize;

use self::diagnosis::{Diagnosis, DiagnosisLevel};
use super::{exit::REJECTED, output::OutputFormat};
use crate::config::{Config, InvalidSettings};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How to print the report
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

/// What `--format json` prints.
#[derive(Serialize)]
struct Report {
    checks: Vec<Diagnosis>,
    warnings: usize,
    faults: usize,
}

/// Checks everything. Where the settings are faulty, nothing else is known.
pub(crate) async fn run(
    config: Result<Config, InvalidSettings>,
    args: &Args,
) -> anyhow::Result<ExitCode> {
    let checks = match config {
        Ok(config) => checks::all(&config).await,
        Err(faults) => checks::settings(faults),
    };
    let count = |status| checks.iter().filter(|finding| finding.status == status).count();
    let (warnings, faults) = (count(DiagnosisLevel::Warning), count(DiagnosisLevel::Fault));
    let report = Report { checks, warnings, faults };
    super::output::print(&match args.format {
        OutputFormat::Json => serde_json::to_string_pretty(&report)? + "\n",
        OutputFormat::Table => text(&report),
    })?;
    Ok(if faults == 0 { ExitCode::SUCCESS } else { ExitCode::from(REJECTED) })
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    for Diagnosis { check, status, message, remedy } in &report.checks {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{:8}{check:10}{message}", status.as_str());
        if let Some(remedy) = remedy {
            let _ = writeln!(text, "{:18}→ {remedy}", "");
        }
    }
    let _ = writeln!(text, "\nChecked: {} faults, {} warnings.", report.faults, report.warnings);
    text
}

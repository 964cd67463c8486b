//! The report of `metricd import` and `metricd validate`, as machines read it.

use anyhow::{Context as _, Result};

use crate::{json::Json, process::Output};

/// The report of an import or a validation.
#[derive(Debug, Clone)]
pub struct PrintedReport(Json);

/// A finding about the files.
#[derive(Debug, Clone)]
pub struct ReportFinding {
    /// `note`, `warning`, `repair` or `rejection`.
    pub severity: String,
    /// The file as it was named on the command line.
    pub file: String,
    /// The line in the file.
    pub line: Option<u64>,
    /// The JSON path in the file.
    pub path: Option<String>,
    /// The message and the advice.
    pub text: String,
}

impl PrintedReport {
    /// Reads the output of `--format json`.
    ///
    /// # Errors
    /// When it is not JSON.
    pub fn read(output: &Output) -> Result<Self> {
        Json::parse(output.stdout.trim())
            .map(Self)
            .with_context(|| format!("no report: {}", output.stderr))
    }

    /// Returns the whole report.
    #[must_use]
    pub fn json(&self) -> &Json {
        &self.0
    }

    /// Returns how many `queries`, `metrics`, `layouts` or `records` were `created`, `updated`,
    /// `unchanged` or `removed`.
    #[must_use]
    pub fn count(&self, what: &str, outcome: &str) -> Option<u64> {
        number(self.0.at("counts")?.at(what)?.at(outcome)?)
    }

    /// Returns all findings, in the order of the report.
    ///
    /// # Errors
    /// When the report does not hold a list of findings.
    pub fn findings(&self) -> Result<Vec<ReportFinding>> {
        let findings = self.0.at("findings").and_then(Json::as_list).context("no findings")?;
        findings
            .iter()
            .map(|finding| {
                let text = |name| finding.at(name).and_then(Json::as_text).map(str::to_owned);
                let message = text("message").context("a finding without a message")?;
                let advice = text("advice").unwrap_or_default();
                Ok(ReportFinding {
                    severity: text("severity").context("a finding without a severity")?,
                    file: text("file").unwrap_or_default(),
                    line: finding.at("line").and_then(number),
                    path: text("path"),
                    text: format!("{message} {advice}"),
                })
            })
            .collect()
    }
}

fn number(json: &Json) -> Option<u64> {
    match json {
        Json::Number(text) => text.parse().ok(),
        _ => None,
    }
}

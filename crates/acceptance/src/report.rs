//! The report of `metricd import` and `metricd validate`, as machines read it.

use anyhow::{Context as _, Result};

use crate::{json::Json, process::Output};

/// What a load did, or would have done.
#[derive(Debug, Clone)]
pub struct Report(Json);

/// One thing that the report says about the files.
#[derive(Debug, Clone)]
pub struct Finding {
    /// `note`, `warning`, `repair` or `rejection`.
    pub severity: String,
    /// The file as it was named on the command line.
    pub file: String,
    /// The line in the file.
    pub line: Option<u64>,
    /// The JSON path in the file.
    pub path: Option<String>,
    /// What it is, and what to do.
    pub text: String,
}

impl Report {
    /// Reads what `--format json` printed.
    ///
    /// # Errors
    /// When it is no JSON.
    pub fn read(output: &Output) -> Result<Self> {
        Json::parse(output.stdout.trim())
            .map(Self)
            .with_context(|| format!("no report; it said: {}", output.stderr))
    }

    /// The whole report.
    #[must_use]
    pub fn json(&self) -> &Json {
        &self.0
    }

    /// How many `queries`, `metrics`, `layouts` or `records` were `created`, `updated`, `unchanged`
    /// or `removed`.
    #[must_use]
    pub fn count(&self, what: &str, outcome: &str) -> Option<u64> {
        number(self.0.at("counts")?.at(what)?.at(outcome)?)
    }

    /// All findings, in the order of the report.
    ///
    /// # Errors
    /// When the report has none of their shape.
    pub fn findings(&self) -> Result<Vec<Finding>> {
        let findings = self.0.at("findings").and_then(Json::as_list).context("no findings")?;
        findings
            .iter()
            .map(|finding| {
                let text = |name| finding.at(name).and_then(Json::as_text).map(str::to_owned);
                let message = text("message").context("a finding without a message")?;
                let advice = text("advice").unwrap_or_default();
                Ok(Finding {
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

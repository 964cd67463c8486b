//! The words that features are written in.
//!
//! In every quoted text and in every document, `{name}` stands for a remembered value: `{folder}`
//! is the scenario's own folder, `{id}` the metric that was made last.

/// Fails the step unless something holds.
macro_rules! ensure {
    ($holds:expr, $($message:tt)+) => {
        if !$holds {
            return Err($crate::steps::Failure::from(anyhow::anyhow!($($message)+)));
        }
    };
}

mod asking;
mod commands;
mod logging;
mod rights;
mod setting;
mod signing_in;
mod writing;

use std::fmt;

use anyhow::{Context as _, Result};
use cucumber::gherkin;
use metricd_acceptance::json::Json;

/// A step's result. A failure is printed with its whole chain of causes.
type Step = std::result::Result<(), Failure>;

#[derive(Debug)]
struct Failure(anyhow::Error);

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.0)
    }
}

/// The document below a step.
fn document(step: &gherkin::Step) -> Result<&str> {
    let text = step.docstring.as_deref().context("the step needs a document")?;
    Ok(text.strip_prefix('\n').unwrap_or(text))
}

/// The document below a step, as JSON.
fn json(step: &gherkin::Step, fill: impl Fn(&str) -> String) -> Result<Json> {
    Json::parse(fill(document(step)?).trim())
}

/// The rows of the table below a step, without its heading.
fn rows(step: &gherkin::Step) -> Result<&[Vec<String>]> {
    let table = step.table.as_ref().context("the step needs a table")?;
    Ok(table.rows.get(1..).unwrap_or_default())
}

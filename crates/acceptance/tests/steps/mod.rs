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
mod audit;
mod caching;
mod commands;
mod exporting;
mod limits;
mod logging;
mod model;
mod policies;
mod rights;
mod row_scope;
mod setting;
mod signing_in;
mod writing;

use std::fmt;

use anyhow::{Context as _, Result};
use cucumber::gherkin;
use metricd_acceptance::{
    TestApp,
    caller::{Caller, Person},
    json::{Json, Match},
};
use reqwest::Method;
use serde_json::{Value, json};

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
fn json_document(step: &gherkin::Step, fill: impl Fn(&str) -> String) -> Result<Json> {
    Json::parse(fill(document(step)?).trim())
}

/// The rows of the table below a step, without its heading.
fn rows(step: &gherkin::Step) -> Result<&[Vec<String>]> {
    let table = step.table.as_ref().context("the step needs a table")?;
    Ok(table.rows.get(1..).unwrap_or_default())
}

fn matches(actual: &Json, expected: &Json, how: Match) -> Result<()> {
    match actual.mismatch(expected, how) {
        None => Ok(()),
        Some(mismatch) => Err(anyhow::anyhow!("{mismatch}\nin {actual}")),
    }
}

/// Somebody whom an earlier step has named, or nobody.
fn known(app: &TestApp, name: &str) -> Result<Caller> {
    match app.callers.get(name) {
        Some(caller) => Ok(caller.clone()),
        None if name == "nobody" => Ok(Caller::Nobody),
        None => anyhow::bail!("nobody has said who {name} is"),
    }
}

fn named(role: &str, name: &str) -> Person {
    Person { name: Some(name.to_owned()), ..Person::new(role) }
}

fn admin() -> Caller {
    Caller::Person(Person::new("admin"))
}

/// Makes a metric of a body that need not say what is the same in all; gives its id.
async fn make(app: &mut TestApp, mut metric: Value) -> Result<String> {
    metric["is_editable"] = true.into();
    metric["layouts"] = json!([]);
    let metric = metric.to_string();
    let answer = app.send_json_as(admin(), Method::POST, "/metrics", &metric).await?;
    anyhow::ensure!(answer.status == 201, "{}: {}", answer.status, answer.text());
    let body = answer.json()?;
    Ok(body.at("id").and_then(Json::as_text).context("no id")?.to_owned())
}

/// All pages of a list whose address has a query, as `caller` sees them, or else as the one who asks
/// anyway.
async fn pages(app: &mut TestApp, caller: Option<Caller>, first: &str) -> Result<Vec<Json>> {
    let mut pages = Vec::new();
    let mut next = first.to_owned();
    loop {
        let answer = match &caller {
            Some(caller) => app.request_as(caller.clone(), Method::GET, &next, None).await?,
            None => app.request(Method::GET, &next, None).await?,
        };
        let count = pages.len();
        anyhow::ensure!(answer.status == 200, "page {count}: {} {}", answer.status, answer.text());
        let page = answer.json()?;
        let cursor = page.at("next_cursor").and_then(Json::as_text).map(str::to_owned);
        pages.push(page);
        let Some(cursor) = cursor else { return Ok(pages) };
        anyhow::ensure!(pages.len() < 1_000, "the pages have no end");
        next = format!("{first}&cursor={cursor}");
    }
}

fn items(page: &Json) -> Result<&[Json]> {
    page.at("items").and_then(Json::as_list).context("no items")
}

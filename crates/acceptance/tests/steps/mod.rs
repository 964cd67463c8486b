//! The steps that features are written in.
//!
//! In every quoted text and in every document, `{name}` stands for a variable: `{folder}` is the
//! scenario's own folder, `{id}` the metric that was created last.

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
mod backup;
mod caching;
mod clients;
mod commands;
mod doctor;
mod engine;
mod exporting;
mod full_disk;
mod guides;
mod limits;
mod logging;
mod model;
mod monitoring;
mod policies;
mod rights;
mod row_scope;
mod servers;
mod setting;
mod signing_in;
mod slow_readers;
mod stopping;
mod writing;

use std::fmt;

use anyhow::{Context as _, Result};
use cucumber::gherkin;
use metricd_acceptance::{
    World,
    caller::{TestCaller, TestUser},
    json::{Json, Match},
};
use reqwest::Method;
use serde_json::{Value, json};

/// What features call a caller without a token.
const ANONYMOUS: &str = "anonymous";

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

/// Returns the caller that an earlier step has named, or an anonymous one.
fn known(world: &World, name: &str) -> Result<TestCaller> {
    match world.callers.get(name) {
        Some(caller) => Ok(caller.clone()),
        None if name == ANONYMOUS => Ok(TestCaller::Anonymous),
        None => anyhow::bail!("no step has said who {name} is"),
    }
}

fn named(role: &str, name: &str) -> TestUser {
    TestUser { name: Some(name.to_owned()), ..TestUser::new(role) }
}

fn admin() -> TestCaller {
    TestCaller::User(TestUser::new("admin"))
}

/// Creates a metric from a body without the members that all of them share, and returns its id.
async fn make(world: &mut World, mut metric: Value) -> Result<String> {
    metric["is_editable"] = true.into();
    metric["layouts"] = json!([]);
    let metric = metric.to_string();
    let answer = world.send_json_as(admin(), Method::POST, "/metrics", &metric).await?;
    anyhow::ensure!(answer.status == 201, "{}: {}", answer.status, answer.text());
    let body = answer.json()?;
    Ok(body.at("id").and_then(Json::as_text).context("no id")?.to_owned())
}

/// Returns all pages of a list whose path has a query, as `caller` sees them, or else the client.
async fn pages(world: &mut World, caller: Option<TestCaller>, first: &str) -> Result<Vec<Json>> {
    let mut pages = Vec::new();
    let mut next = first.to_owned();
    loop {
        let answer = match &caller {
            Some(caller) => world.get_as(caller.clone(), &next).await?,
            None => world.get(&next).await?,
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

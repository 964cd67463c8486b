//! What the audit says.

use anyhow::{Context as _, Result};
use cucumber::{gherkin, then};
use metricd_acceptance::{
    TestApp,
    json::{Json, Match},
};
use reqwest::Method;

use super::{Step, admin, items, known, matches, pages};

/// What an admin finds in the audit of one request: each event of it, and no other.
#[then(expr = "the audit of the request {string} contains")]
async fn audit_contains(app: &mut TestApp, request: String, step: &gherkin::Step) -> Step {
    let expected = super::json_document(step, |text| app.fill(text))?;
    let actual = audit(app, &format!("request_id={request}")).await?;
    Ok(matches(&actual, &Json::List(vec![expected]), Match::Contains)?)
}

#[then(expr = "the audit says nothing of the request {string}")]
async fn audit_silent(app: &mut TestApp, request: String) -> Step {
    let actual = audit(app, &format!("request_id={request}")).await?;
    ensure!(actual == Json::List(Vec::new()), "it says {actual}");
    Ok(())
}

#[then(regex = r#"^the audit of "([^"]*)" has (\d+) events?$"#)]
async fn audit_has(app: &mut TestApp, filter: String, count: usize) -> Step {
    let actual = audit(app, &filter).await?;
    let events = actual.as_list().context("no items")?.len();
    ensure!(events == count, "it has {events}: {actual}");
    Ok(())
}

async fn audit(app: &mut TestApp, filter: &str) -> Result<Json> {
    let path = format!("/audit?{filter}");
    let answer = app.request_as(admin(), Method::GET, &path, None).await?;
    anyhow::ensure!(answer.status == 200, "{}: {}", answer.status, answer.text());
    answer.json()?.at("items").cloned().context("no items")
}

/// Goes through all pages of the audit: no event is there twice or left out, the latest is first.
#[then(expr = "{string} reads {int} events of {string} in pages of {int}")]
async fn audit_pages(
    app: &mut TestApp,
    name: String,
    count: usize,
    filter: String,
    limit: usize,
) -> Step {
    let caller = known(app, &name)?;
    let mut seen: Vec<u64> = Vec::new();
    for page in pages(app, Some(caller), &format!("/audit?limit={limit}&{filter}")).await? {
        let events = items(&page)?;
        ensure!(events.len() <= limit, "a page holds {} events", events.len());
        for event in events {
            let sequence = event.at("sequence").context("no sequence")?.to_string().parse()?;
            ensure!(seen.last().is_none_or(|last| *last > sequence), "{sequence} after {seen:?}");
            seen.push(sequence);
        }
    }
    ensure!(seen.len() == count, "there are {}", seen.len());
    Ok(())
}

/// Past metricd, as the owner of everything.
#[then(expr = "in the database, nobody may run {string}")]
async fn refused_by_database(app: &mut TestApp, statement: String) -> Step {
    let run = app.execute(&statement).await;
    let refusal = run.err().context("the database has run it")?;
    ensure!(format!("{refusal:#}").contains("append-only"), "{refusal:#}");
    Ok(())
}

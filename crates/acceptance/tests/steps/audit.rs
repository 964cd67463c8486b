//! The audit log.

use anyhow::{Context as _, Result};
use cucumber::{gherkin, then};
use metricd_acceptance::{
    World,
    json::{Json, Match},
};

use super::{Step, admin, items, known, matches, pages};

/// All audit events of one request, as an admin reads them.
#[then(expr = "the audit of the request {string} contains")]
async fn audit_contains(world: &mut World, request: String, step: &gherkin::Step) -> Step {
    let expected = super::json_document(step, |text| world.variables.expand(text))?;
    let actual = audit(world, &format!("request_id={request}")).await?;
    Ok(matches(&actual, &Json::List(vec![expected]), Match::Contains)?)
}

#[then(expr = "the audit says nothing of the request {string}")]
async fn audit_silent(world: &mut World, request: String) -> Step {
    let actual = audit(world, &format!("request_id={request}")).await?;
    ensure!(actual == Json::List(Vec::new()), "it says {actual}");
    Ok(())
}

#[then(regex = r#"^the audit of "([^"]*)" has (\d+) events?$"#)]
async fn audit_has(world: &mut World, filter: String, count: usize) -> Step {
    let actual = audit(world, &filter).await?;
    let events = actual.as_list().context("no items")?.len();
    ensure!(events == count, "it has {events}: {actual}");
    Ok(())
}

async fn audit(world: &mut World, filter: &str) -> Result<Json> {
    let path = format!("/audit?{filter}");
    let answer = world.get_as(admin(), &path).await?;
    anyhow::ensure!(answer.status == 200, "{}: {}", answer.status, answer.text());
    answer.json()?.at("items").cloned().context("no items")
}

/// Reads all pages of the audit: no event is repeated or missing, the latest is first.
#[then(expr = "{string} reads {int} events of {string} in pages of {int}")]
async fn audit_pages(
    world: &mut World,
    name: String,
    count: usize,
    filter: String,
    limit: usize,
) -> Step {
    let caller = known(world, &name)?;
    let mut seen: Vec<u64> = Vec::new();
    for page in pages(world, Some(caller), &format!("/audit?limit={limit}&{filter}")).await? {
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

/// Past metricd, as the superuser.
#[then(expr = "the database refuses to run {string}")]
async fn refused_by_database(world: &mut World, statement: String) -> Step {
    let run = world.server.database.execute(&statement).await;
    let refusal = run.err().context("the database has run it")?;
    ensure!(format!("{refusal:#}").contains("append-only"), "{refusal:#}");
    Ok(())
}

//! The age of answers.

use std::ops::ControlFlow::{Break, Continue};

use anyhow::Context as _;
use cucumber::{then, when};
use metricd_acceptance::{
    World,
    json::{Json, Match},
    process,
};

use super::Step;

/// Polls longer than what is promised, which a busy machine may miss, and shorter than the time to live.
#[then(regex = r#"^the metric "([^"]+)" soon has the records (.+)$"#)]
async fn soon_has(world: &mut World, id: String, records: String) -> Step {
    let expected = Json::parse(&world.variables.expand(&records))?;
    let found = process::poll_until(async || {
        let answer = world.get(&format!("/metrics/{id}")).await?;
        // A server whose connections were cut may answer that it is unavailable.
        let body = if answer.status == 200 { Some(answer.json()?) } else { None };
        let records = body.as_ref().and_then(|body| body.at("records"));
        let is_there =
            records.is_some_and(|records| records.mismatch(&expected, Match::Exact).is_none());
        Ok(if is_there { Break(()) } else { Continue(format!("it has {records:?}")) })
    });
    Ok(found.await?)
}

#[when(regex = r#"^I ask for the metric "([^"]+)" until "([^"]+)" (is|contains) "([^"]+)"$"#)]
async fn until_header(
    world: &mut World,
    id: String,
    header: String,
    how: String,
    expected: String,
) -> Step {
    let found = process::poll_until(async || {
        let answer = world.get(&format!("/metrics/{id}")).await?;
        let found = answer.header(&header).unwrap_or_default();
        let fits = if how == "is" { found == expected } else { found.contains(&expected) };
        Ok(if fits { Break(()) } else { Continue(format!("it is {found:?}")) })
    });
    Ok(found.await?)
}

#[then(expr = "the metric {string} is soon gone")]
async fn soon_gone(world: &mut World, id: String) -> Step {
    Ok(world.client.get_until(&mut world.server, &format!("/metrics/{id}"), 404).await?)
}

#[then(regex = r"^its time to live is (at most|more than) (\d+) seconds$")]
fn time_to_live(world: &mut World, side: String, seconds: u64) -> Step {
    let status =
        world.client.answer()?.header("cache-status").context("there is no Cache-Status")?;
    let ttl = status.split("ttl=").nth(1).and_then(|ttl| ttl.parse::<u64>().ok());
    let ttl = ttl.with_context(|| format!("no time to live in {status:?}"))?;
    ensure!((ttl <= seconds) == (side == "at most"), "it is {ttl}");
    Ok(())
}

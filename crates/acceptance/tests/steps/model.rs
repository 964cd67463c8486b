//! The model server that metricd calls, and the requests that it receives.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use cucumber::{gherkin, given, then};
use metricd_acceptance::{
    World,
    model::{API_KEY, Reply, ScriptedModel},
};

use super::{Step, document};

#[given("a model that writes")]
async fn writes(world: &mut World, step: &gherkin::Step) -> Step {
    reply_with(world, Reply::Query(document(step)?.trim().to_owned())).await
}

#[given("then it writes")]
async fn then_writes(world: &mut World, step: &gherkin::Step) -> Step {
    reply_with(world, Reply::Query(document(step)?.trim().to_owned())).await
}

#[given(expr = "a model that understands nothing and says {string}")]
async fn understands_nothing(world: &mut World, explanation: String) -> Step {
    reply_with(world, Reply::NotUnderstood(explanation)).await
}

#[given(expr = "a model whose server answers {int}")]
async fn refuses(world: &mut World, status: u16) -> Step {
    reply_with(world, Reply::Status(status)).await
}

#[given("a model that never answers")]
async fn is_silent(world: &mut World) -> Step {
    reply_with(world, Reply::Silence).await
}

/// Adds a reply to the scenario's model, which is started and configured when there is none yet.
async fn reply_with(world: &mut World, reply: Reply) -> Step {
    if world.model.is_none() {
        let model = Arc::new(ScriptedModel::start().await?);
        for (name, value) in
            [("BASE_URL", model.base_url()), ("MODEL", "tiny".into()), ("API_KEY", API_KEY.into())]
        {
            world.server.settings.insert(format!("METRICD_GENERATION__{name}"), value);
        }
        world.model = Some(model);
    }
    model_of(world)?.add(reply);
    Ok(())
}

fn model_of(world: &World) -> Result<&ScriptedModel> {
    world.model.as_deref().context("the scenario has no model")
}

#[then(expr = "the model was asked {int} time(s)")]
fn asked_times(world: &mut World, times: usize) -> Step {
    let requests = model_of(world)?.requests();
    ensure!(requests.len() == times, "it was asked {} times", requests.len());
    Ok(())
}

#[then(expr = "the model was told {string}")]
fn told(world: &mut World, part: String) -> Step {
    let requests = model_of(world)?.requests();
    let last = requests.last().context("the model was not asked")?;
    ensure!(last.contains(&part), "it was told: {last}");
    Ok(())
}

#[then(expr = "the model was not told {string}")]
fn not_told(world: &mut World, part: String) -> Step {
    let requests = model_of(world)?.requests();
    ensure!(!requests.is_empty(), "the model was not asked");
    let telling = requests.iter().find(|request| request.contains(&part));
    ensure!(telling.is_none(), "it was told: {}", telling.map_or("", String::as_str));
    Ok(())
}

#[then("the model's server was shown the key, and no log line holds it")]
async fn shows_the_key(world: &mut World) -> Step {
    world.server.settle().await?;
    let shown = format!("authorization: Bearer {API_KEY}").to_lowercase();
    let requests = model_of(world)?.requests();
    ensure!(!requests.is_empty(), "the model was not asked");
    ensure!(requests.iter().all(|request| request.to_lowercase().contains(&shown)), "not shown");
    let lines = world.server.logs.lines();
    let leak = lines.iter().find(|line| line.raw.contains(API_KEY));
    ensure!(leak.is_none(), "{}", leak.map(ToString::to_string).unwrap_or_default());
    ensure!(!world.server.printed.text().contains(API_KEY), "it was printed");
    Ok(())
}

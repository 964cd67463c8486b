//! Creating and changing metrics and records.

use anyhow::Context as _;
use cucumber::{gherkin, given, then, when};
use metricd_acceptance::{World, json::Json};
use reqwest::Method;

use super::{Step, document};

/// Creates a metric from the SQL below the step; `{id}` is its id from then on.
#[given("a metric with the query")]
async fn metric_of_query(world: &mut World, step: &gherkin::Step) -> Step {
    let query = serde_json::Value::from(document(step)?.trim());
    let body = format!(r#"{{"is_editable": true, "layouts": [], "query": {query}}}"#);
    make(world, &body).await
}

/// Creates a metric from a request body; `{id}` is its id from then on.
#[given("I have made the metric")]
async fn metric(world: &mut World, step: &gherkin::Step) -> Step {
    make(world, document(step)?).await
}

async fn make(world: &mut World, body: &str) -> Step {
    let answer = world.send_json(Method::POST, "/metrics", body).await?;
    ensure!(answer.status == 201, "it is {}: {}", answer.status, answer.text());
    let body = answer.json()?;
    let id = body.at("id").and_then(Json::as_text).context("no id")?.to_owned();
    world.variables.set("id", id);
    Ok(())
}

#[given("the metric has the record")]
async fn record(world: &mut World, step: &gherkin::Step) -> Step {
    let answer =
        world.send_json(Method::POST, "/metrics/{id}/metric-records", document(step)?).await?;
    ensure!(answer.status == 201, "it is {}: {}", answer.status, answer.text());
    Ok(())
}

#[when(expr = "I add to the metric {string} the record")]
async fn add_record(world: &mut World, id: String, step: &gherkin::Step) -> Step {
    let path = format!("/metrics/{id}/metric-records");
    world.send_json(Method::POST, &path, document(step)?).await?;
    Ok(())
}

#[when(expr = "{int} clients at once add to the metric {string} the record")]
async fn add_at_once(world: &mut World, clients: usize, id: String, step: &gherkin::Step) -> Step {
    let path = format!("/metrics/{id}/metric-records");
    let answers = world
        .client
        .send_at_once(&mut world.server, clients, &Method::POST, &path, document(step)?)
        .await?;
    world.answers = answers;
    Ok(())
}

#[when(expr = "{int} clients at once ask for the metric {string}")]
async fn ask_at_once(world: &mut World, clients: usize, id: String) -> Step {
    let path = format!("/metrics/{id}");
    world.answers =
        world.client.send_at_once(&mut world.server, clients, &Method::GET, &path, "").await?;
    Ok(())
}

#[then(expr = "each of the {int} answers is {int}")]
fn each_answer(world: &mut World, count: usize, status: u16) -> Step {
    let answers: Vec<_> = world.answers.iter().map(|answer| answer.status).collect();
    ensure!(answers == vec![status; count], "they are {answers:?}");
    Ok(())
}

#[when(regex = r#"^I (POST|PUT|PATCH) to "([^"]+)"$"#)]
async fn send(world: &mut World, method: String, path: String, step: &gherkin::Step) -> Step {
    world.send_json(method.parse()?, &path, document(step)?).await?;
    Ok(())
}

#[when(regex = r#"^I (POST|PUT|PATCH) to "([^"]+)" as "([^"]+)"$"#)]
async fn send_as(
    world: &mut World,
    method: String,
    path: String,
    content_type: String,
    step: &gherkin::Step,
) -> Step {
    world.client.headers.push(("Content-Type".into(), content_type));
    let body = world.variables.expand(document(step)?).into_bytes();
    world.send(method.parse()?, &path, Some(body)).await?;
    Ok(())
}

#[when(regex = r#"^I (POST|PUT|PATCH) to "([^"]+)" without a content type$"#)]
async fn send_untyped(
    world: &mut World,
    method: String,
    path: String,
    step: &gherkin::Step,
) -> Step {
    let body = world.variables.expand(document(step)?).into_bytes();
    world.send(method.parse()?, &path, Some(body)).await?;
    Ok(())
}

#[when(expr = "I {word} {int} KiB to {string}")]
async fn send_much(world: &mut World, method: String, size: usize, path: String) -> Step {
    let body = format!(r#"{{"alert_type": "{}"}}"#, "x".repeat(size * 1024));
    // A client that still sends when it is refused, and the connection closed, may miss the answer.
    let mut attempts = 0;
    while let Err(error) = world.send_json(method.parse()?, &path, &body).await {
        attempts += 1;
        ensure!(attempts < 5, "{error:#}");
    }
    Ok(())
}

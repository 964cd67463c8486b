//! Making and changing metrics and records.

use anyhow::Context as _;
use cucumber::{gherkin, given, then, when};
use metricd_acceptance::{TestApp, json::Json};
use reqwest::Method;

use super::{Step, document};

/// Makes a metric of the SQL below the step; `{id}` stands for it from then on.
#[given("a metric with the query")]
async fn metric_of_query(app: &mut TestApp, step: &gherkin::Step) -> Step {
    let query = serde_json::Value::from(document(step)?.trim());
    let body = format!(r#"{{"is_editable": true, "layouts": [], "query": {query}}}"#);
    make(app, &body).await
}

/// Makes a metric of a request body; `{id}` stands for it from then on.
#[given("I have made the metric")]
async fn metric(app: &mut TestApp, step: &gherkin::Step) -> Step {
    make(app, document(step)?).await
}

async fn make(app: &mut TestApp, body: &str) -> Step {
    let answer = app.send_json(Method::POST, "/metrics", body).await?;
    ensure!(answer.status == 201, "it is {}: {}", answer.status, answer.text());
    let body = answer.json()?;
    let id = body.at("id").and_then(Json::as_text).context("no id")?.to_owned();
    app.remember("id", id);
    Ok(())
}

#[given("the metric has the record")]
async fn record(app: &mut TestApp, step: &gherkin::Step) -> Step {
    let answer =
        app.send_json(Method::POST, "/metrics/{id}/metric-records", document(step)?).await?;
    ensure!(answer.status == 201, "it is {}: {}", answer.status, answer.text());
    Ok(())
}

#[when(expr = "I add to the metric {string} the record")]
async fn add_record(app: &mut TestApp, id: String, step: &gherkin::Step) -> Step {
    let path = format!("/metrics/{id}/metric-records");
    app.send_json(Method::POST, &path, document(step)?).await?;
    Ok(())
}

#[when(expr = "{int} clients at once add to the metric {string} the record")]
async fn add_at_once(app: &mut TestApp, clients: usize, id: String, step: &gherkin::Step) -> Step {
    let path = format!("/metrics/{id}/metric-records");
    let answers = app.send_at_once(clients, &Method::POST, &path, document(step)?).await?;
    app.answers = answers;
    Ok(())
}

#[then(expr = "each of the {int} answers is {int}")]
fn each_answer(app: &mut TestApp, count: usize, status: u16) -> Step {
    let answers: Vec<_> = app.answers.iter().map(|answer| answer.status).collect();
    ensure!(answers == vec![status; count], "they are {answers:?}");
    Ok(())
}

#[when(regex = r#"^I (POST|PUT|PATCH) to "([^"]+)"$"#)]
async fn send(app: &mut TestApp, method: String, path: String, step: &gherkin::Step) -> Step {
    app.send_json(method.parse()?, &path, document(step)?).await?;
    Ok(())
}

#[when(regex = r#"^I (POST|PUT|PATCH) to "([^"]+)" as "([^"]+)"$"#)]
async fn send_as(
    app: &mut TestApp,
    method: String,
    path: String,
    content_type: String,
    step: &gherkin::Step,
) -> Step {
    app.headers.push(("Content-Type".into(), content_type));
    let body = app.fill(document(step)?).into_bytes();
    app.request(method.parse()?, &path, Some(body)).await?;
    Ok(())
}

#[when(regex = r#"^I (POST|PUT|PATCH) to "([^"]+)" without a content type$"#)]
async fn send_untyped(
    app: &mut TestApp,
    method: String,
    path: String,
    step: &gherkin::Step,
) -> Step {
    let body = app.fill(document(step)?).into_bytes();
    app.request(method.parse()?, &path, Some(body)).await?;
    Ok(())
}

#[when(expr = "I {word} {int} KiB to {string}")]
async fn send_much(app: &mut TestApp, method: String, size: usize, path: String) -> Step {
    let body = format!(r#"{{"alert_type": "{}"}}"#, "x".repeat(size * 1024));
    // One who is still sending when it is refused, and the connection closed, may miss the answer.
    let mut attempts = 0;
    while let Err(error) = app.send_json(method.parse()?, &path, &body).await {
        attempts += 1;
        ensure!(attempts < 5, "{error:#}");
    }
    Ok(())
}

//! A model that metricd asks, and what it is told.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use cucumber::{gherkin, given, then};
use metricd_acceptance::{
    TestApp,
    model::{API_KEY, Model, Reply},
};

use super::{Step, document};

#[given("a model that writes")]
async fn writes(app: &mut TestApp, step: &gherkin::Step) -> Step {
    will(app, Reply::Query(document(step)?.trim().to_owned())).await
}

#[given("then it writes")]
async fn then_writes(app: &mut TestApp, step: &gherkin::Step) -> Step {
    will(app, Reply::Query(document(step)?.trim().to_owned())).await
}

#[given(expr = "a model that understands nothing and says {string}")]
async fn understands_nothing(app: &mut TestApp, explanation: String) -> Step {
    will(app, Reply::NotUnderstood(explanation)).await
}

#[given(expr = "a model whose server answers {int}")]
async fn refuses(app: &mut TestApp, status: u16) -> Step {
    will(app, Reply::Status(status)).await
}

#[given("a model that never answers")]
async fn is_silent(app: &mut TestApp) -> Step {
    will(app, Reply::Silence).await
}

/// The scenario's model, which metricd is told of when there is none yet.
async fn will(app: &mut TestApp, reply: Reply) -> Step {
    if app.model.is_none() {
        let model = Arc::new(Model::start().await?);
        for (name, value) in
            [("BASE_URL", model.base_url()), ("MODEL", "tiny".into()), ("API_KEY", API_KEY.into())]
        {
            app.settings.insert(format!("METRICD_GENERATION__{name}"), value);
        }
        app.model = Some(model);
    }
    asked(app)?.then(reply);
    Ok(())
}

fn asked(app: &TestApp) -> Result<&Model> {
    app.model.as_deref().context("the scenario has no model")
}

#[then(expr = "the model was asked {int} time(s)")]
fn asked_times(app: &mut TestApp, times: usize) -> Step {
    let requests = asked(app)?.requests();
    ensure!(requests.len() == times, "it was asked {} times", requests.len());
    Ok(())
}

#[then(expr = "the model was told {string}")]
fn told(app: &mut TestApp, part: String) -> Step {
    let requests = asked(app)?.requests();
    let last = requests.last().context("the model was not asked")?;
    ensure!(last.contains(&part), "it was told: {last}");
    Ok(())
}

#[then(expr = "the model was not told {string}")]
fn not_told(app: &mut TestApp, part: String) -> Step {
    let requests = asked(app)?.requests();
    ensure!(!requests.is_empty(), "the model was not asked");
    let telling = requests.iter().find(|request| request.contains(&part));
    ensure!(telling.is_none(), "it was told: {}", telling.map_or("", String::as_str));
    Ok(())
}

#[then("the model's server was shown the key, and no log line holds it")]
async fn shows_the_key(app: &mut TestApp) -> Step {
    app.settle().await?;
    let shown = format!("authorization: Bearer {API_KEY}").to_lowercase();
    let requests = asked(app)?.requests();
    ensure!(!requests.is_empty(), "the model was not asked");
    ensure!(requests.iter().all(|request| request.to_lowercase().contains(&shown)), "not shown");
    let lines = app.logs.lines();
    let leak = lines.iter().find(|line| line.raw.contains(API_KEY));
    ensure!(leak.is_none(), "{}", leak.map(ToString::to_string).unwrap_or_default());
    ensure!(!app.printed.text().contains(API_KEY), "it was printed");
    Ok(())
}

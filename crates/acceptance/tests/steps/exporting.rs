//! Rows as CSV.

use cucumber::{gherkin, then, when};
use metricd_acceptance::TestApp;
use reqwest::Method;

use super::{Step, document};

fn prefer_csv(app: &mut TestApp) {
    app.headers.push(("Accept".into(), "text/csv".into()));
}

#[when(expr = "I ask for the metric {string} as CSV")]
async fn metric(app: &mut TestApp, id: String) -> Step {
    prefer_csv(app);
    app.request(Method::GET, &format!("/metrics/{id}"), None).await?;
    Ok(())
}

#[when(expr = "I ask for the metric {string} as CSV in the background")]
async fn metric_in_background(app: &mut TestApp, id: String) -> Step {
    prefer_csv(app);
    Ok(app.ask_in_background(&format!("/metrics/{id}")).await?)
}

#[when("I hang up")]
fn hang_up(app: &mut TestApp) -> Step {
    Ok(app.leave()?)
}

#[then(expr = "the metric {string} as CSV breaks off")]
async fn breaks_off(app: &mut TestApp, id: String) -> Step {
    prefer_csv(app);
    let is_whole = app.is_answered_whole(&format!("/metrics/{id}")).await?;
    ensure!(!is_whole, "it comes to its end");
    Ok(())
}

/// Lines end in CR and LF; a line break in a value is written as `⏎`.
#[then("the body is the CSV")]
fn body_is(app: &mut TestApp, step: &gherkin::Step) -> Step {
    let lines = document(step)?.trim().lines().map(|line| line.replace('⏎', "\n") + "\r\n");
    let (expected, actual) = (lines.collect::<String>(), app.answer()?.text());
    ensure!(actual == expected, "it is {actual:?}");
    Ok(())
}

#[then(expr = "the body has {int} lines")]
fn body_has_lines(app: &mut TestApp, count: usize) -> Step {
    let lines = app.answer()?.text().lines().count();
    ensure!(lines == count, "it has {lines}");
    Ok(())
}

//! What the server logs.

use anyhow::Context as _;
use cucumber::{gherkin, then};
use metricd_acceptance::{TestApp, logs::LogLine};

use super::{Step, rows};

#[then(regex = r#"^one (DEBUG|INFO|WARN|ERROR) line says "([^"]+)"$"#)]
async fn one_line(app: &mut TestApp, level: String, event: String) -> Step {
    one(app, &level, &event, &[]).await
}

#[then(regex = r#"^one (INFO|WARN|ERROR) line says "([^"]+)" with (\w+) "([^"]*)"$"#)]
async fn one_line_with(
    app: &mut TestApp,
    level: String,
    event: String,
    field: String,
    value: String,
) -> Step {
    one(app, &level, &event, &[vec![field, value]]).await
}

/// Each row is a field and its value; `<something>` stands for any value.
#[then(regex = r#"^one (INFO|WARN|ERROR) line says "([^"]+)" with$"#)]
async fn one_line_with_fields(
    app: &mut TestApp,
    level: String,
    event: String,
    step: &gherkin::Step,
) -> Step {
    one(app, &level, &event, rows(step)?).await
}

#[then(regex = r#"^one (INFO|WARN|ERROR) line mentions "([^"]+)"$"#)]
async fn one_mentions(app: &mut TestApp, level: String, part: String) -> Step {
    app.settle().await?;
    let part = app.fill(&part);
    let lines = app.logs.lines();
    let of_level = |line: &&LogLine| line.field("level").as_deref() == Some(level.as_str());
    let count = lines.iter().filter(of_level).filter(|line| line.raw.contains(&part)).count();
    ensure!(count == 1, "{count} such lines in\n{}", app.logs.text());
    Ok(())
}

#[then(regex = r"^no (INFO|WARN|ERROR) line is logged$")]
async fn none_of_level(app: &mut TestApp, level: String) -> Step {
    app.settle().await?;
    let lines = app.logs.lines();
    let line = lines.iter().find(|line| line.field("level").as_deref() == Some(level.as_str()));
    ensure!(line.is_none(), "{}", line.map(ToString::to_string).unwrap_or_default());
    Ok(())
}

#[then(expr = "no log line contains {string}")]
async fn nowhere(app: &mut TestApp, part: String) -> Step {
    app.settle().await?;
    let part = app.fill(&part);
    let lines = app.logs.lines();
    let line = lines.iter().find(|line| line.raw.contains(&part));
    ensure!(line.is_none(), "{}", line.map(ToString::to_string).unwrap_or_default());
    Ok(())
}

#[then("every log line is JSON with a timestamp, a level and an event")]
async fn all_json(app: &mut TestApp) -> Step {
    app.settle().await?;
    for line in app.logs.lines() {
        for field in ["timestamp", "level", "event"] {
            line.field(field).with_context(|| format!("no {field} in {line}"))?;
        }
    }
    Ok(())
}

async fn one(app: &TestApp, level: &str, event: &str, fields: &[Vec<String>]) -> Step {
    app.settle().await?;
    let lines = app.logs.lines();
    let matching = lines.iter().filter(|line| line.says(level, event)).filter(|line| {
        fields.iter().all(|row| {
            let [field, value] = row.as_slice() else {
                return false;
            };
            match (line.field(field), value.as_str()) {
                (Some(actual), "<something>") => !actual.is_empty() && actual != "null",
                (Some(actual), wanted) => actual == app.fill(wanted),
                (None, _) => false,
            }
        })
    });
    let count = matching.count();
    ensure!(count == 1, "{count} such lines in\n{}", app.logs.text());
    Ok(())
}

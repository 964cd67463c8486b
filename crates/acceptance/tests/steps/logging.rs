//! The server's log lines.

use std::ops::ControlFlow::{Break, Continue};

use anyhow::Context as _;
use cucumber::{gherkin, then};
use metricd_acceptance::{World, logs::LogLine, process};

use super::{Step, rows};

#[then(regex = r#"^one (DEBUG|INFO|WARN|ERROR) line says "([^"]+)"$"#)]
async fn one_line(world: &mut World, level: String, event: String) -> Step {
    one(world, &level, &event, &[]).await
}

#[then(regex = r#"^one (INFO|WARN|ERROR) line says "([^"]+)" with (\w+) "([^"]*)"$"#)]
async fn one_line_with(
    world: &mut World,
    level: String,
    event: String,
    field: String,
    value: String,
) -> Step {
    one(world, &level, &event, &[vec![field, value]]).await
}

/// Each row is a field and its value; `<something>` stands for any value.
#[then(regex = r#"^one (INFO|WARN|ERROR) line says "([^"]+)" with$"#)]
async fn one_line_with_fields(
    world: &mut World,
    level: String,
    event: String,
    step: &gherkin::Step,
) -> Step {
    one(world, &level, &event, rows(step)?).await
}

#[then(regex = r#"^one (INFO|WARN|ERROR) line mentions "([^"]+)"$"#)]
async fn one_mentions(world: &mut World, level: String, part: String) -> Step {
    world.server.settle().await?;
    let part = world.variables.expand(&part);
    let lines = world.server.logs.lines();
    let of_level = |line: &&LogLine| line.field("level").as_deref() == Some(level.as_str());
    let count = lines.iter().filter(of_level).filter(|line| line.raw.contains(&part)).count();
    ensure!(count == 1, "{count} such lines in\n{}", world.server.logs.text());
    Ok(())
}

/// Asks nothing of the server, which may be about to stop.
#[then(regex = r#"^an? (INFO|WARN|ERROR) line soon says "([^"]+)"$"#)]
async fn soon_says(world: &mut World, level: String, event: String) -> Step {
    let logs = &world.server.logs;
    let found = process::poll_until(async || {
        let is_there = logs.lines().iter().any(|line| line.says(&level, &event));
        Ok(if is_there { Break(()) } else { Continue(logs.text()) })
    });
    Ok(found.await?)
}

#[then(regex = r"^no (INFO|WARN|ERROR) line is logged$")]
async fn none_of_level(world: &mut World, level: String) -> Step {
    world.server.settle().await?;
    let lines = world.server.logs.lines();
    let line = lines.iter().find(|line| line.field("level").as_deref() == Some(level.as_str()));
    ensure!(line.is_none(), "{}", line.map(ToString::to_string).unwrap_or_default());
    Ok(())
}

#[then(expr = "no log line contains {string}")]
async fn nowhere(world: &mut World, part: String) -> Step {
    world.server.settle().await?;
    let part = world.variables.expand(&part);
    let lines = world.server.logs.lines();
    let line = lines.iter().find(|line| line.raw.contains(&part));
    ensure!(line.is_none(), "{}", line.map(ToString::to_string).unwrap_or_default());
    Ok(())
}

#[then("every log line is JSON with a timestamp, a level and an event")]
async fn all_json(world: &mut World) -> Step {
    world.server.settle().await?;
    for line in world.server.logs.lines() {
        for field in ["timestamp", "level", "event"] {
            line.field(field).with_context(|| format!("no {field} in {line}"))?;
        }
    }
    Ok(())
}

async fn one(world: &World, level: &str, event: &str, fields: &[Vec<String>]) -> Step {
    world.server.settle().await?;
    let lines = world.server.logs.lines();
    let matching = lines.iter().filter(|line| line.says(level, event)).filter(|line| {
        fields.iter().all(|row| {
            let [field, value] = row.as_slice() else {
                return false;
            };
            match (line.field(field), value.as_str()) {
                (Some(actual), "<something>") => !actual.is_empty() && actual != "null",
                (Some(actual), wanted) => actual == world.variables.expand(wanted),
                (None, _) => false,
            }
        })
    });
    let count = matching.count();
    ensure!(count == 1, "{count} such lines in\n{}", world.server.logs.text());
    Ok(())
}

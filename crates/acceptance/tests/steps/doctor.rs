//! What `metricd doctor` finds.

use anyhow::Context as _;
use cucumber::{gherkin, given, then};
use metricd_acceptance::{World, engine::DatabaseLocation, json::Json};

use super::{Step, rows};

/// Each row is a check, its status and a part of its message. What is not well has a remedy.
#[then("the doctor finds")]
fn finds(world: &mut World, step: &gherkin::Step) -> Step {
    let report = Json::parse(world.output()?.stdout.trim())?;
    let checks = report.at("checks").and_then(Json::as_list).context("no checks")?;
    for row in rows(step)? {
        let [check, status, part] = row.as_slice() else { continue };
        let has = |finding: &Json, name: &str, value: &str| {
            finding.at(name).and_then(Json::as_text) == Some(value)
        };
        let is_found = checks.iter().any(|finding| {
            let message = finding.at("message").and_then(Json::as_text).unwrap_or_default();
            let has_remedy = finding.at("remedy").and_then(Json::as_text).is_some();
            has(finding, "check", check)
                && has(finding, "status", status)
                && message.contains(part.as_str())
                && has_remedy == (status != "ok")
        });
        ensure!(is_found, "no {status} of {check} with {part:?} in {report}");
    }
    Ok(())
}

#[given(expr = "the reader of the database may write {string}")]
async fn reader_may_write(world: &mut World, table: String) -> Step {
    let DatabaseLocation::Native { reader_role: Some(role), .. } =
        world.server.database.location().await?
    else {
        return Err(anyhow::anyhow!("the database has no reader of its own").into());
    };
    let grant = format!("GRANT INSERT ON {table} TO {role}");
    Ok(world.server.database.execute(&grant).await?)
}

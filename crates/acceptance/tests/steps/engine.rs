//! The process of the embedded engine, and what is done to it.

use std::{cell::Cell, collections::BTreeMap, os::unix::fs::PermissionsExt as _};

use anyhow::Context as _;
use cucumber::{given, then, when};
use metricd_acceptance::{World, json::Json, process};
use reqwest::Method;
use tokio::sync::watch;

use super::Step;

#[when("the embedded engine is killed")]
async fn kill(world: &mut World) -> Step {
    Ok(process::signal(world.server.engine().await?, "KILL").await?)
}

/// It is there, and does nothing any more.
#[when("the embedded engine is frozen")]
async fn freeze(world: &mut World) -> Step {
    Ok(process::signal(world.server.engine().await?, "STOP").await?)
}

#[given("I remember the process of the embedded engine")]
async fn remember(world: &mut World) -> Step {
    let pid = world.server.engine().await?;
    world.variables.set("engine", pid.to_string());
    Ok(())
}

#[then("the embedded engine is the same process")]
async fn is_same(world: &mut World) -> Step {
    let (known, pid) = (world.variables.expand("{engine}"), world.server.engine().await?);
    ensure!(known == pid.to_string(), "it was {known} and is {pid}");
    Ok(())
}

#[then("the process of the embedded engine is gone")]
async fn is_gone(world: &mut World) -> Step {
    Ok(process::until_gone(world.variables.expand("{engine}").parse()?).await?)
}

#[given(expr = "its group may write the folder {string}")]
fn open_folder(world: &mut World, name: String) -> Step {
    let path = world.folder().join(name);
    Ok(std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o770))?)
}

/// A record has a number of its own. Each time, one more was added before the engine is killed.
#[when(
    expr = "the embedded engine is killed {int} times while records are added to the metric {string}"
)]
async fn kill_while_adding(world: &mut World, times: usize, id: String) -> Step {
    let server = world.server.pid()?;
    let (added, mut seen) = watch::channel(0_usize);
    let is_over = Cell::new(false);
    let killing = async {
        for _ in 0..times {
            seen.changed().await?;
            process::signal(process::child_of(server).await?, "KILL").await?;
        }
        is_over.set(true);
        anyhow::Ok(())
    };
    let path = format!("/metrics/{id}/metric-records");
    let mut acknowledged = Vec::new();
    let adding = async {
        let mut number = 0;
        while !is_over.get() {
            number += 1;
            let record = format!(r#"{{"parts_flagged": {number}}}"#);
            match world.send_json(Method::POST, &path, &record).await?.status {
                201 => {
                    acknowledged.push(number.to_string());
                    added.send_replace(number);
                }
                503 => {}
                status => anyhow::bail!("the answer is {status}"),
            }
        }
        Ok(())
    };
    tokio::try_join!(killing, adding)?;
    ensure!(acknowledged.len() >= times, "only {acknowledged:?} were added");
    world.variables.set("acknowledged", acknowledged.join(" "));
    Ok(())
}

/// The metric gives each number as `n`, and how many records have it as `times`.
#[then(expr = "the metric {string} has every record that was acknowledged, and none twice")]
async fn has_all(world: &mut World, id: String) -> Step {
    let path = format!("/metrics/{id}");
    world.client.get_until(&mut world.server, &path, 200).await?;
    let body = world.client.answer()?.json()?;
    let records = body.at("records").and_then(Json::as_list).context("no records")?;
    let text = |record: &Json, name: &str| record.at(name).map(ToString::to_string);
    let there: BTreeMap<_, _> = records
        .iter()
        .filter_map(|record| Some((text(record, "n")?, text(record, "times")?)))
        .collect();
    let acknowledged = world.variables.expand("{acknowledged}");
    for number in acknowledged.split(' ') {
        ensure!(there.contains_key(number), "{number} of {acknowledged} is missing");
    }
    let twice: Vec<_> = there.iter().filter(|(_, times)| *times != "1").collect();
    ensure!(twice.is_empty(), "{twice:?}");
    Ok(())
}

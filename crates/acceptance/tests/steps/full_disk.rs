//! A disk that is soon full.

use anyhow::Context as _;
use cucumber::{given, when};
use metricd_acceptance::{World, small_disk::SmallDisk};
use reqwest::Method;

use super::Step;

/// More than the embedded engine is left, and than a fresh PostgreSQL takes.
const DISK_MEBIBYTES: u64 = 400;

#[given(expr = "a small disk in the folder {string}")]
async fn mount(world: &mut World, name: String) -> Step {
    let folder = world.folder().canonicalize()?.join(name);
    world.server.disk = Some(SmallDisk::mount(&folder, DISK_MEBIBYTES).await?);
    Ok(())
}

#[given("a PostgreSQL on the small disk")]
async fn serve(world: &mut World) -> Step {
    let sockets = world.folder().canonicalize()?;
    let disk = world.server.disk.as_mut().context("there is no small disk")?;
    let url = disk.start_postgres(&sockets).await?;
    world.server.settings.insert("DATABASE_URL".into(), url);
    Ok(())
}

#[when(expr = "the small disk is filled but for {int} MiB")]
fn fill(world: &mut World, mebibytes: u64) -> Step {
    Ok(world.server.disk.as_ref().context("there is no small disk")?.fill(mebibytes)?)
}

#[when("there is room on the small disk again")]
fn clear(world: &mut World) -> Step {
    Ok(world.server.disk.as_ref().context("there is no small disk")?.clear()?)
}

/// What was allotted before may still take some.
#[when(expr = "I add records to the metric {string} until the answer is {int}")]
async fn add_until(world: &mut World, id: String, status: u16) -> Step {
    let path = format!("/metrics/{id}/metric-records");
    for _ in 0..10_000 {
        let answer = world.send_json(Method::POST, &path, r#"{"parts_flagged": 1}"#).await?;
        if answer.status == status {
            return Ok(());
        }
    }
    Err(anyhow::anyhow!("the answer is never {status}").into())
}

//! Clients that do not read what they are answered, or read it slowly.

use std::ops::ControlFlow::{Break, Continue};

use anyhow::{Context as _, Result};
use cucumber::{given, then, when};
use metricd_acceptance::{World, caller::TestCaller, process};

use super::{Step, admin};

const MIB: u64 = 1 << 20;

/// The text of a GET request of the client.
async fn request(world: &mut World, path: &str, more: &str) -> Result<String> {
    head(world, "GET", path, more).await
}

/// The head of a request of the client.
pub(super) async fn head(
    world: &mut World,
    method: &str,
    path: &str,
    more: &str,
) -> Result<String> {
    let caller = world.client.caller.clone().unwrap_or_else(admin);
    let TestCaller::User(user) = caller else { anyhow::bail!("the caller has no token") };
    let token = world.server.token_of(&user).await?;
    world.client.protect(&token);
    let path = world.variables.expand(path);
    let first = format!("{method} {path} HTTP/1.1\r\nHost: x\r\n");
    Ok(format!("{first}Authorization: Bearer {token}\r\n{more}\r\n"))
}

pub(super) fn address(world: &World) -> Result<String> {
    let url = world.server.url("")?;
    Ok(url.trim_start_matches("http://").to_owned())
}

/// Each of them has an answer of its own.
#[when(regex = r#"^(\d+) clients? asks? for the metric "([^"]+)" anew and reads? nothing$"#)]
async fn ask_anew(world: &mut World, count: usize, id: String) -> Step {
    let request = request(world, &format!("/metrics/{id}"), "Cache-Control: no-cache\r\n").await?;
    let address = address(world)?;
    for _ in 0..count {
        world.unread.ask(&address, &request, false).await?;
    }
    Ok(world.unread.are_answered().await?)
}

#[when(expr = "{int} clients ask for the metric {string} anew, whatever comes of it")]
async fn ask_in_background(world: &mut World, count: usize, id: String) -> Step {
    let request = request(world, &format!("/metrics/{id}"), "Cache-Control: no-cache\r\n").await?;
    let address = address(world)?;
    for _ in 0..count {
        world.unread.ask(&address, &request, false).await?;
    }
    Ok(())
}

#[when(expr = "a client asks for the metric {string} as CSV and reads nothing")]
async fn ask_as_csv(world: &mut World, id: String) -> Step {
    let request = request(world, &format!("/metrics/{id}"), "Accept: text/csv\r\n").await?;
    let address = address(world)?;
    Ok(world.unread.ask(&address, &request, false).await?)
}

#[when(expr = "a client asks {int} times at once for the metric {string} and reads nothing")]
async fn pipelined(world: &mut World, times: usize, id: String) -> Step {
    let request = request(world, &format!("/metrics/{id}"), "").await?;
    let address = address(world)?;
    Ok(world.unread.ask(&address, &request.repeat(times), false).await?)
}

#[when(expr = "a client asks for the metric {string}, closes its side and reads nothing")]
async fn half_closed(world: &mut World, id: String) -> Step {
    let request = request(world, &format!("/metrics/{id}"), "").await?;
    let address = address(world)?;
    Ok(world.unread.ask(&address, &request, true).await?)
}

#[then(expr = "a client that reads the metric {string} slowly gets at least {int} bytes")]
async fn reads_slowly(world: &mut World, id: String, least: usize) -> Step {
    let request = request(world, &format!("/metrics/{id}"), "Connection: close\r\n").await?;
    let address = address(world)?;
    world.unread.ask(&address, &request, false).await?;
    let bytes = world.unread.read_slowly().await?;
    ensure!(bytes >= least, "it gets {bytes}");
    Ok(())
}

#[then("the server has closed their connections")]
async fn are_closed(world: &mut World) -> Step {
    Ok(world.unread.are_closed().await?)
}

#[given("I remember the memory of the server")]
fn remember_memory(world: &mut World) -> Step {
    world.variables.set("memory", world.server.memory_bytes()?.to_string());
    Ok(())
}

#[then(expr = "the server soon has at most {int} MiB more")]
async fn memory_is_back(world: &mut World, most: u64) -> Step {
    let before: u64 = world.variables.expand("{memory}").parse().context("it is not known")?;
    let is_back = process::poll_until(async || {
        let more = world.server.memory_bytes()?.saturating_sub(before) / MIB;
        Ok(if more <= most { Break(()) } else { Continue(format!("it has {more} MiB more")) })
    });
    Ok(is_back.await?)
}

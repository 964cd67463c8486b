//! Rate limits, limits of requests, and the headers that restrict browsers.

use anyhow::{Context as _, Result};
use cucumber::{gherkin, then, when};
use metricd_acceptance::{World, caller::TestCaller, http::HttpAnswer};
use reqwest::header::HeaderMap;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

use super::{ANONYMOUS, Step, admin, known, rows};

#[then(regex = r#"^"([^"]+)" is answered (\d+) (each|once or more) of (\d+) times by "([^"]+)"$"#)]
async fn each_time(
    world: &mut World,
    name: String,
    status: u16,
    how_often: String,
    times: usize,
    path: String,
) -> Step {
    let caller = known(world, &name)?;
    let mut statuses = Vec::new();
    for _ in 0..times {
        let answer = world.get_as(caller.clone(), &path).await?;
        statuses.push(answer.status);
    }
    let count = statuses.iter().filter(|actual| **actual == status).count();
    let expected = if how_often == "each" { count == times } else { count > 0 };
    ensure!(expected, "they are {statuses:?}");
    Ok(())
}

#[when(expr = "the next request has {int} bytes in the header {string}")]
fn long_header(world: &mut World, bytes: usize, name: String) {
    world.client.headers.push((name, "x".repeat(bytes)));
}

#[when(expr = "the next request has {int} header fields")]
fn many_headers(world: &mut World, count: usize) {
    world
        .client
        .headers
        .extend((0..count).map(|index| (format!("x-filler-{index}"), "x".to_owned())));
}

#[when(expr = "I ask for an address of {int} bytes")]
async fn long_address(world: &mut World, bytes: usize) -> Step {
    let beginning = "/metrics?q=";
    let filler = "x".repeat(bytes.saturating_sub(beginning.len()));
    let address = format!("{beginning}{filler}");
    if bytes <= LONGEST_URL {
        world.get(&address).await?;
    } else {
        let answer = raw_get(world, &address).await?;
        world.client.keep(answer);
    }
    Ok(())
}

/// The HTTP client refuses to send a longer one.
const LONGEST_URL: usize = 60_000;

/// Sends a GET request over TCP, and reads only the status: the connection may be closed early.
async fn raw_get(world: &World, address: &str) -> Result<HttpAnswer> {
    let server = world.server.url("")?;
    let server = server.trim_start_matches("http://");
    let mut stream = TcpStream::connect(server).await?;
    let request = format!("GET {address} HTTP/1.1\r\nhost: {server}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).await?;
    let status = line.split(' ').nth(1).and_then(|word| word.parse().ok());
    let status = status.with_context(|| format!("it is not an answer: {line:?}"))?;
    Ok(HttpAnswer { status, headers: HeaderMap::new(), body: Vec::new() })
}

/// A row is a method, an address, and the status of the answer.
#[then("these answers, too, tell browsers what not to do")]
async fn guarded(world: &mut World, step: &gherkin::Step) -> Step {
    for row in rows(step)? {
        let [caller, method, path, status] = row.as_slice() else {
            return Err(anyhow::anyhow!("a row has a caller, method, path and status").into());
        };
        let caller = if caller == ANONYMOUS { TestCaller::Anonymous } else { admin() };
        let answer = world.send_as(caller, method.parse()?, path, None).await?;
        ensure!(answer.status.to_string() == *status, "{method} {path}: {}", answer.status);
        for (name, part) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("content-security-policy", "frame-ancestors 'none'"),
        ] {
            let value = answer.header(name).unwrap_or_default();
            ensure!(value.contains(part), "{method} {path}: {name} is {value:?}");
        }
        let policy = answer.header("content-security-policy").unwrap_or_default();
        let scripts =
            if path.starts_with("/docs") { "default-src 'self'" } else { "default-src 'none'" };
        ensure!(policy.contains(scripts) && !policy.contains("unsafe-eval"), "{path}: {policy}");
        if !path.starts_with("/docs") {
            let cached = answer.header("cache-control").unwrap_or_default();
            ensure!(cached.contains("private"), "{method} {path}: cache-control is {cached:?}");
        }
    }
    Ok(())
}

//! Requests and their answers.

use std::ops::ControlFlow::{Break, Continue};

use anyhow::Context as _;
use cucumber::{gherkin, given, then, when};
use metricd_acceptance::{
    World,
    caller::TestCaller,
    json::{Json, Match},
    process,
};

use super::{Step, items, json_document, matches, pages, rows};

#[given(expr = "the next request has the header {string} {string}")]
#[when(expr = "the next request has the header {string} {string}")]
fn header(world: &mut World, name: String, value: String) {
    world.client.headers.push((name, value));
}

#[when(expr = "I ask for {string}")]
async fn get(world: &mut World, path: String) -> Step {
    world.get(&path).await?;
    Ok(())
}

#[when(expr = "I ask for the metric {string}")]
async fn metric(world: &mut World, id: String) -> Step {
    world.get(&format!("/metrics/{id}")).await?;
    Ok(())
}

#[when(expr = "I ask for the metric {string} with {string}")]
async fn metric_with(world: &mut World, id: String, parameters: String) -> Step {
    world.get(&format!("/metrics/{id}?{parameters}")).await?;
    Ok(())
}

#[when(expr = "I ask for the metric {string} from {string} to {string}")]
async fn metric_between(world: &mut World, id: String, start: String, end: String) -> Step {
    let path = format!("/metrics/{id}?start_date={start}&end_date={end}");
    world.get(&path).await?;
    Ok(())
}

#[when(expr = "I ask for the metric {string} in the background")]
async fn metric_in_background(world: &mut World, id: String) -> Step {
    Ok(world.client.get_in_background(&mut world.server, &format!("/metrics/{id}")).await?)
}

/// A machine may be busy for a while: one attempt in time is enough. Where nothing ends the query, none
/// is.
const ATTEMPTS: u32 = 10;

#[then(expr = "the query of the metric {string} ends within a second of my disconnecting")]
async fn ends_after_disconnecting(world: &mut World, id: String) -> Step {
    for _ in 0..ATTEMPTS {
        world.client.get_in_background(&mut world.server, &format!("/metrics/{id}")).await?;
        world.server.database.wait_for_query().await?;
        world.client.disconnect()?;
        if world.server.database.is_idle_within_a_second().await? {
            return Ok(());
        }
    }
    ensure!(false, "the query went on for longer than a second each time");
    Ok(())
}

#[then(expr = "the query of the metric {string} ends within a second of the answer {int}")]
async fn ends_after_answer(world: &mut World, id: String, status: u16) -> Step {
    for _ in 0..ATTEMPTS {
        world.get(&format!("/metrics/{id}")).await?;
        let answered = world.client.answer()?.status;
        ensure!(answered == status, "the answer is {answered}");
        if world.server.database.is_idle_within_a_second().await? {
            return Ok(());
        }
    }
    ensure!(false, "the query went on for longer than a second each time");
    Ok(())
}

/// A request that should wait in the queue may overtake the one that it should wait for.
#[when(expr = "I ask for the metric {string} until the answer is {int}")]
async fn metric_until(world: &mut World, id: String, status: u16) -> Step {
    Ok(world.client.get_until(&mut world.server, &format!("/metrics/{id}"), status).await?)
}

#[when(expr = "I ask for {string} until the answer is {int}")]
async fn get_until(world: &mut World, path: String, status: u16) -> Step {
    Ok(world.client.get_until(&mut world.server, &path, status).await?)
}

#[when(expr = "I ask for {string} until the body mentions {string}")]
async fn get_until_mentioned(world: &mut World, path: String, text: String) -> Step {
    let found = process::poll_until(async || {
        let body = world.get(&path).await?.text();
        Ok(if body.contains(&text) { Break(()) } else { Continue(format!("it is {body}")) })
    });
    Ok(found.await?)
}

#[then("what I asked in the background has no answer yet")]
fn no_answer_yet(world: &mut World) -> Step {
    ensure!(world.client.is_waiting()?, "it has one");
    Ok(())
}

#[then(expr = "what I asked in the background is answered {int}")]
async fn answered_in_background(world: &mut World, status: u16) -> Step {
    let answer = world.client.wait_for_background().await?;
    ensure!(answer.status == status, "it is {}: {}", answer.status, answer.text());
    Ok(())
}

#[then("what I asked in the background breaks off")]
async fn breaks_off_in_background(world: &mut World) -> Step {
    let answer = world.client.wait_for_background().await;
    ensure!(answer.is_err(), "it has an answer");
    Ok(())
}

#[when(expr = "I browse to {string}")]
async fn browse(world: &mut World, path: String) -> Step {
    let mut path = path;
    for _ in 0..5 {
        let answer = world.get(&path).await?;
        match answer.header("location") {
            Some(next) if (300..400).contains(&answer.status) => next.clone_into(&mut path),
            _ => return Ok(()),
        }
    }
    Err(anyhow::anyhow!("it redirects endlessly").into())
}

/// The line is ready to be pasted: its address is this server's, and it has the token.
#[when("I run the curl line that it has printed")]
async fn printed_curl(world: &mut World) -> Step {
    let line = world.server.printed_line("curl ").await?;
    let words: Vec<_> = line.split('\'').collect();
    let ["curl -H ", header, " ", address, ""] = words.as_slice() else {
        return Err(anyhow::anyhow!("it is not `curl -H '…' '…'`").into());
    };
    let (name, value) = header.split_once(": ").context("it has no header")?;
    let path = address.strip_prefix(&world.server.url("")?).context("it names another server")?;
    world.client.headers.push((name.to_owned(), value.to_owned()));
    world.get_as(TestCaller::Anonymous, path).await?;
    Ok(())
}

#[when(expr = "I send {word} to {string}")]
async fn send(world: &mut World, method: String, path: String) -> Step {
    world.send(method.parse()?, &path, None).await?;
    Ok(())
}

#[when(expr = "I page through {string}")]
async fn page_through(world: &mut World, path: String) -> Step {
    let pages = pages(world, None, &path).await?;
    let mut seen = Vec::new();
    for page in &pages {
        seen.extend(items(page)?.iter().filter_map(|item| item.at("id")?.as_text()));
    }
    let in_all = seen.len();
    seen.sort_unstable();
    seen.dedup();
    world.variables.set("pages", pages.len().to_string());
    world.variables.set("seen", in_all.to_string());
    world.variables.set("different", seen.len().to_string());
    Ok(())
}

#[then(expr = "I have seen {int} different metrics on {int} pages")]
fn paged(world: &mut World, metrics: usize, pages: usize) -> Step {
    let actual = world.variables.expand("{seen} seen, {different} different, {pages} pages");
    let expected = format!("{metrics} seen, {metrics} different, {pages} pages");
    ensure!(actual == expected, "{actual}");
    Ok(())
}

#[then(expr = "the answer is {int}")]
fn status_is(world: &mut World, status: u16) -> Step {
    let answer = world.client.answer()?;
    ensure!(answer.status == status, "it is {}: {}", answer.status, answer.text());
    Ok(())
}

#[then("the answer is a success")]
fn success(world: &mut World) -> Step {
    let answer = world.client.answer()?;
    ensure!((200..300).contains(&answer.status), "it is {}: {}", answer.status, answer.text());
    Ok(())
}

#[then("the answer is not a success")]
fn no_success(world: &mut World) -> Step {
    let answer = world.client.answer()?;
    ensure!(answer.status >= 400, "it is {}: {}", answer.status, answer.text());
    Ok(())
}

#[then(expr = "the answer's header {string} is {string}")]
fn header_is(world: &mut World, name: String, value: String) -> Step {
    let (actual, value) = (world.client.answer()?.header(&name), world.variables.expand(&value));
    ensure!(actual == Some(value.as_str()), "it is {actual:?}");
    Ok(())
}

#[then(expr = "the answer's header {string} contains {string}")]
fn header_contains(world: &mut World, name: String, part: String) -> Step {
    let (actual, part) = (world.client.answer()?.header(&name), world.variables.expand(&part));
    ensure!(actual.is_some_and(|actual| actual.contains(&part)), "it is {actual:?}");
    Ok(())
}

#[then(expr = "the answer's header {string} is a UUID")]
fn header_is_uuid(world: &mut World, name: String) -> Step {
    let value = world.client.answer()?.header(&name).context("there is no such header")?;
    uuid::Uuid::parse_str(value).with_context(|| value.to_owned())?;
    Ok(())
}

#[then(expr = "the answer has the header {string}")]
fn has_header(world: &mut World, name: String) -> Step {
    let headers = &world.client.answer()?.headers;
    ensure!(headers.contains_key(&name), "it has {headers:?}");
    Ok(())
}

#[then(expr = "the answer has no header {string}")]
fn no_header(world: &mut World, name: String) -> Step {
    let actual = world.client.answer()?.header(&name);
    ensure!(actual.is_none(), "it is {actual:?}");
    Ok(())
}

#[then("the body is empty")]
fn body_is_empty(world: &mut World) -> Step {
    let answer = world.client.answer()?;
    ensure!(answer.body.is_empty(), "it is {}", answer.text());
    Ok(())
}

#[then("the body is")]
fn body_is(world: &mut World, step: &gherkin::Step) -> Step {
    compare(world, "", step, Match::Exact)
}

#[then("the body contains")]
fn body_contains(world: &mut World, step: &gherkin::Step) -> Step {
    compare(world, "", step, Match::Contains)
}

#[then(expr = "the body mentions {string}")]
fn body_mentions(world: &mut World, part: String) -> Step {
    let (text, part) = (world.client.answer()?.text(), world.variables.expand(&part));
    ensure!(text.to_lowercase().contains(&part.to_lowercase()), "it is {text}");
    Ok(())
}

#[then(expr = "the body does not mention {string}")]
fn body_does_not_mention(world: &mut World, part: String) -> Step {
    let (text, part) = (world.client.answer()?.text(), world.variables.expand(&part));
    ensure!(!text.to_lowercase().contains(&part.to_lowercase()), "it is {text}");
    Ok(())
}

#[then(regex = r"^its (\S+) (?:is|are)$")]
fn part_is(world: &mut World, part: String, step: &gherkin::Step) -> Step {
    compare(world, &part, step, Match::Exact)
}

#[then(regex = r"^its (\S+) contains?$")]
fn part_contains(world: &mut World, part: String, step: &gherkin::Step) -> Step {
    compare(world, &part, step, Match::Contains)
}

#[then(regex = r"^its (\S+) (?:is|are) (.+)$")]
fn part_is_value(world: &mut World, part: String, value: String) -> Step {
    let expected = Json::parse(&world.variables.expand(&value))?;
    Ok(matches(&at(world, &part)?, &expected, Match::Exact)?)
}

#[then(regex = r"^its (\S+), in any order, are$")]
fn part_is_unordered(world: &mut World, part: String, step: &gherkin::Step) -> Step {
    let expected = json_document(step, |text| world.variables.expand(text))?.sorted();
    Ok(matches(&at(world, &part)?.sorted(), &expected, Match::Exact)?)
}

#[then(regex = r"^its (\S+) has (\d+) items?$")]
fn part_has(world: &mut World, part: String, count: usize) -> Step {
    let items = at(world, &part)?.as_list().context("it is no list")?.len();
    ensure!(items == count, "it has {items}");
    Ok(())
}

#[given(expr = "I remember its {word} as {string}")]
#[when(expr = "I remember its {word} as {string}")]
#[then(expr = "I remember its {word} as {string}")]
fn remember(world: &mut World, part: String, name: String) -> Step {
    let value = match at(world, &part)? {
        Json::Text(text) => text,
        other => other.to_string(),
    };
    world.variables.set(&name, value);
    Ok(())
}

#[then(regex = r"^its (\S+) has some items$")]
fn part_has_some(world: &mut World, part: String) -> Step {
    let part = at(world, &part)?;
    ensure!(part.as_list().is_some_and(|items| !items.is_empty()), "it is {part}");
    Ok(())
}

#[when(expr = "I remember the header {string} as {string}")]
#[then(expr = "I remember the header {string} as {string}")]
fn remember_header(world: &mut World, header: String, name: String) -> Step {
    let value =
        world.client.answer()?.header(&header).context("there is no such header")?.to_owned();
    world.variables.set(&name, value);
    Ok(())
}

/// The query runs as it was written, and past metricd.
#[then(expr = "the records are what PostgreSQL gives for the query {string} of the file")]
async fn same_as_sql(world: &mut World, query: String) -> Step {
    let sql = world.catalog.query(&query)?;
    let expected = world.server.database.rows(&sql).await?.sorted();
    Ok(matches(&at(world, "records")?.sorted(), &expected, Match::Exact)?)
}

#[then(expr = "it is a problem: {string}")]
fn is_problem(world: &mut World, detail: String) -> Step {
    let answer = world.client.answer()?;
    let media_type = answer.header("content-type").unwrap_or_default();
    ensure!(media_type.starts_with("application/problem+json"), "it is {media_type:?}");
    let body = answer.json()?;
    let status = body.at("status").map(ToString::to_string);
    ensure!(status == Some(answer.status.to_string()), "its status is {status:?}");
    for member in ["type", "title"] {
        ensure!(body.at(member).and_then(Json::as_text).is_some(), "{member} is no string: {body}");
    }
    let actual = body.at("detail").and_then(Json::as_text).context("detail is no string")?;
    ensure!(actual.contains(&detail), "its detail is {actual:?}");
    Ok(())
}

/// Each row is one fault: its place as `body.layouts.0.x`, its type, and a part of its message.
#[then("the faults are")]
fn faults_are(world: &mut World, step: &gherkin::Step) -> Step {
    let answer = world.client.answer()?;
    ensure!(answer.status == 422, "it is {}: {}", answer.status, answer.text());
    let body = answer.json()?;
    let errors = body.at("errors").and_then(Json::as_list).context("there are no errors")?;
    let mut actual = Vec::new();
    for error in errors {
        let place = error.at("loc").and_then(Json::as_list).context("an error without loc")?;
        let place: Vec<_> = place
            .iter()
            .map(|part| part.as_text().map_or_else(|| part.to_string(), str::to_owned))
            .collect();
        let text = |name| error.at(name).and_then(Json::as_text).map(str::to_owned);
        actual.push((
            place.join("."),
            text("type").context("an error without type")?,
            text("msg").context("an error without msg")?,
        ));
    }
    let mut left = actual.clone();
    for row in rows(step)? {
        let [place, kind, message] = row.as_slice() else {
            return Err(anyhow::anyhow!("a fault has a place, a type and a message").into());
        };
        let found = left.iter().position(|(actual_place, actual_kind, actual_message)| {
            actual_place == place
                && actual_kind == kind
                && actual_message.contains(message.as_str())
        });
        match found {
            Some(index) => left.remove(index),
            None => return Err(anyhow::anyhow!("no {kind} at {place} in {actual:?}").into()),
        };
    }
    ensure!(left.is_empty(), "not expected: {left:?}");
    Ok(())
}

fn compare(world: &World, part: &str, step: &gherkin::Step, how: Match) -> Step {
    let expected = json_document(step, |text| world.variables.expand(text))?;
    Ok(matches(&at(world, part)?, &expected, how)?)
}

fn at(world: &World, part: &str) -> anyhow::Result<Json> {
    let body = world.client.answer()?.json()?;
    body.at(part).cloned().with_context(|| format!("there is no {part} in {body}"))
}

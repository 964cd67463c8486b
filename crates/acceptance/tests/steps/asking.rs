//! Requests, and what is in their answers.

use anyhow::Context as _;
use cucumber::{gherkin, given, then, when};
use metricd_acceptance::{
    TestApp,
    caller::Caller,
    json::{Json, Match},
};
use reqwest::Method;

use super::{Step, items, json_document, matches, pages, rows};

#[given(expr = "the next request has the header {string} {string}")]
#[when(expr = "the next request has the header {string} {string}")]
fn header(app: &mut TestApp, name: String, value: String) {
    app.headers.push((name, value));
}

#[when(expr = "I ask for {string}")]
async fn get(app: &mut TestApp, path: String) -> Step {
    app.request(Method::GET, &path, None).await?;
    Ok(())
}

#[when(expr = "I ask for the metric {string}")]
async fn metric(app: &mut TestApp, id: String) -> Step {
    app.request(Method::GET, &format!("/metrics/{id}"), None).await?;
    Ok(())
}

#[when(expr = "I ask for the metric {string} with {string}")]
async fn metric_with(app: &mut TestApp, id: String, parameters: String) -> Step {
    app.request(Method::GET, &format!("/metrics/{id}?{parameters}"), None).await?;
    Ok(())
}

#[when(expr = "I ask for the metric {string} from {string} to {string}")]
async fn metric_between(app: &mut TestApp, id: String, start: String, end: String) -> Step {
    let path = format!("/metrics/{id}?start_date={start}&end_date={end}");
    app.request(Method::GET, &path, None).await?;
    Ok(())
}

#[when(expr = "I ask for the metric {string} in the background")]
async fn metric_in_background(app: &mut TestApp, id: String) -> Step {
    Ok(app.ask_in_background(&format!("/metrics/{id}")).await?)
}

/// A machine may be busy for a while: one attempt in time is enough. Where nothing ends the query, none
/// is.
const ATTEMPTS: u32 = 3;

#[then(expr = "the server is rid of the metric {string} within a second of my hanging up")]
async fn rid_after_hanging_up(app: &mut TestApp, id: String) -> Step {
    for _ in 0..ATTEMPTS {
        app.ask_in_background(&format!("/metrics/{id}")).await?;
        app.until_it_runs().await?;
        app.leave()?;
        if app.is_rid_within_a_second().await? {
            return Ok(());
        }
    }
    ensure!(false, "the query went on for longer than a second each time");
    Ok(())
}

#[then(expr = "the server is rid of the metric {string} within a second of the answer {int}")]
async fn rid_after_answer(app: &mut TestApp, id: String, status: u16) -> Step {
    for _ in 0..ATTEMPTS {
        app.request(Method::GET, &format!("/metrics/{id}"), None).await?;
        let answered = app.answer()?.status;
        ensure!(answered == status, "the answer is {answered}");
        if app.is_rid_within_a_second().await? {
            return Ok(());
        }
    }
    ensure!(false, "the query went on for longer than a second each time");
    Ok(())
}

/// One that waits in a queue may be faster than the one that it should wait for: it asks again.
#[when(expr = "I ask for the metric {string} until the answer is {int}")]
async fn metric_until(app: &mut TestApp, id: String, status: u16) -> Step {
    Ok(app.ask_until(&format!("/metrics/{id}"), status).await?)
}

#[when(expr = "I ask for {string} until the answer is {int}")]
async fn get_until(app: &mut TestApp, path: String, status: u16) -> Step {
    Ok(app.ask_until(&path, status).await?)
}

#[then("what I asked in the background has no answer yet")]
fn no_answer_yet(app: &mut TestApp) -> Step {
    ensure!(app.is_waiting()?, "it has one");
    Ok(())
}

#[when(expr = "I browse to {string}")]
async fn browse(app: &mut TestApp, path: String) -> Step {
    let mut path = path;
    for _ in 0..5 {
        let answer = app.request(Method::GET, &path, None).await?;
        match answer.header("location") {
            Some(next) if (300..400).contains(&answer.status) => next.clone_into(&mut path),
            _ => return Ok(()),
        }
    }
    Err(anyhow::anyhow!("it redirects without an end").into())
}

/// The line is ready to be pasted: its address is this server's, and it carries what is needed.
#[when("I run the curl line that it has printed")]
async fn printed_curl(app: &mut TestApp) -> Step {
    let line = app.printed_line("curl ").await?;
    let words: Vec<_> = line.split('\'').collect();
    let ["curl -H ", header, " ", address, ""] = words.as_slice() else {
        return Err(anyhow::anyhow!("it is not `curl -H '…' '…'`").into());
    };
    let (name, value) = header.split_once(": ").context("it has no header")?;
    let path = address.strip_prefix(&app.url("")?).context("it asks another server")?;
    app.headers.push((name.to_owned(), value.to_owned()));
    app.request_as(Caller::Nobody, Method::GET, path, None).await?;
    Ok(())
}

#[when(expr = "I send {word} to {string}")]
async fn send(app: &mut TestApp, method: String, path: String) -> Step {
    app.request(method.parse()?, &path, None).await?;
    Ok(())
}

#[when(expr = "I page through {string}")]
async fn page_through(app: &mut TestApp, path: String) -> Step {
    let pages = pages(app, None, &path).await?;
    let mut seen = Vec::new();
    for page in &pages {
        seen.extend(items(page)?.iter().filter_map(|item| item.at("id")?.as_text()));
    }
    let in_all = seen.len();
    seen.sort_unstable();
    seen.dedup();
    app.remember("pages", pages.len().to_string());
    app.remember("seen", in_all.to_string());
    app.remember("different", seen.len().to_string());
    Ok(())
}

#[then(expr = "I have seen {int} different metrics on {int} pages")]
fn paged(app: &mut TestApp, metrics: usize, pages: usize) -> Step {
    let actual = app.fill("{seen} seen, {different} different, {pages} pages");
    let expected = format!("{metrics} seen, {metrics} different, {pages} pages");
    ensure!(actual == expected, "{actual}");
    Ok(())
}

#[then(expr = "the answer is {int}")]
fn status_is(app: &mut TestApp, status: u16) -> Step {
    let answer = app.answer()?;
    ensure!(answer.status == status, "it is {}: {}", answer.status, answer.text());
    Ok(())
}

#[then("the answer is a success")]
fn success(app: &mut TestApp) -> Step {
    let answer = app.answer()?;
    ensure!((200..300).contains(&answer.status), "it is {}: {}", answer.status, answer.text());
    Ok(())
}

#[then("the answer is not a success")]
fn no_success(app: &mut TestApp) -> Step {
    let answer = app.answer()?;
    ensure!(answer.status >= 400, "it is {}: {}", answer.status, answer.text());
    Ok(())
}

#[then(expr = "the answer's header {string} is {string}")]
fn header_is(app: &mut TestApp, name: String, value: String) -> Step {
    let (actual, value) = (app.answer()?.header(&name), app.fill(&value));
    ensure!(actual == Some(value.as_str()), "it is {actual:?}");
    Ok(())
}

#[then(expr = "the answer's header {string} contains {string}")]
fn header_contains(app: &mut TestApp, name: String, part: String) -> Step {
    let (actual, part) = (app.answer()?.header(&name), app.fill(&part));
    ensure!(actual.is_some_and(|actual| actual.contains(&part)), "it is {actual:?}");
    Ok(())
}

#[then(expr = "the answer's header {string} is a UUID")]
fn header_is_uuid(app: &mut TestApp, name: String) -> Step {
    let value = app.answer()?.header(&name).context("there is no such header")?;
    uuid::Uuid::parse_str(value).with_context(|| value.to_owned())?;
    Ok(())
}

#[then(expr = "the answer has the header {string}")]
fn has_header(app: &mut TestApp, name: String) -> Step {
    let headers = &app.answer()?.headers;
    ensure!(headers.contains_key(&name), "it has {headers:?}");
    Ok(())
}

#[then(expr = "the answer has no header {string}")]
fn no_header(app: &mut TestApp, name: String) -> Step {
    let actual = app.answer()?.header(&name);
    ensure!(actual.is_none(), "it is {actual:?}");
    Ok(())
}

#[then("the body is empty")]
fn body_is_empty(app: &mut TestApp) -> Step {
    let answer = app.answer()?;
    ensure!(answer.body.is_empty(), "it is {}", answer.text());
    Ok(())
}

#[then("the body is")]
fn body_is(app: &mut TestApp, step: &gherkin::Step) -> Step {
    compare(app, "", step, Match::Exact)
}

#[then("the body contains")]
fn body_contains(app: &mut TestApp, step: &gherkin::Step) -> Step {
    compare(app, "", step, Match::Contains)
}

#[then(expr = "the body mentions {string}")]
fn body_mentions(app: &mut TestApp, part: String) -> Step {
    let (text, part) = (app.answer()?.text(), app.fill(&part));
    ensure!(text.to_lowercase().contains(&part.to_lowercase()), "it is {text}");
    Ok(())
}

#[then(expr = "the body does not mention {string}")]
fn body_does_not_mention(app: &mut TestApp, part: String) -> Step {
    let (text, part) = (app.answer()?.text(), app.fill(&part));
    ensure!(!text.to_lowercase().contains(&part.to_lowercase()), "it is {text}");
    Ok(())
}

#[then(regex = r"^its (\S+) (?:is|are)$")]
fn part_is(app: &mut TestApp, part: String, step: &gherkin::Step) -> Step {
    compare(app, &part, step, Match::Exact)
}

#[then(regex = r"^its (\S+) contains?$")]
fn part_contains(app: &mut TestApp, part: String, step: &gherkin::Step) -> Step {
    compare(app, &part, step, Match::Contains)
}

#[then(regex = r"^its (\S+) (?:is|are) (.+)$")]
fn part_is_value(app: &mut TestApp, part: String, value: String) -> Step {
    let expected = Json::parse(&app.fill(&value))?;
    Ok(matches(&at(app, &part)?, &expected, Match::Exact)?)
}

#[then(regex = r"^its (\S+), in any order, are$")]
fn part_is_unordered(app: &mut TestApp, part: String, step: &gherkin::Step) -> Step {
    let expected = json_document(step, |text| app.fill(text))?.sorted();
    Ok(matches(&at(app, &part)?.sorted(), &expected, Match::Exact)?)
}

#[then(regex = r"^its (\S+) has (\d+) items?$")]
fn part_has(app: &mut TestApp, part: String, count: usize) -> Step {
    let items = at(app, &part)?.as_list().context("it is no list")?.len();
    ensure!(items == count, "it has {items}");
    Ok(())
}

#[given(expr = "I remember its {word} as {string}")]
#[when(expr = "I remember its {word} as {string}")]
#[then(expr = "I remember its {word} as {string}")]
fn remember(app: &mut TestApp, part: String, name: String) -> Step {
    let value = match at(app, &part)? {
        Json::Text(text) => text,
        other => other.to_string(),
    };
    app.remember(&name, value);
    Ok(())
}

#[then(regex = r"^its (\S+) has some items$")]
fn part_has_some(app: &mut TestApp, part: String) -> Step {
    let part = at(app, &part)?;
    ensure!(part.as_list().is_some_and(|items| !items.is_empty()), "it is {part}");
    Ok(())
}

#[when(expr = "I remember the header {string} as {string}")]
#[then(expr = "I remember the header {string} as {string}")]
fn remember_header(app: &mut TestApp, header: String, name: String) -> Step {
    let value = app.answer()?.header(&header).context("there is no such header")?.to_owned();
    app.remember(&name, value);
    Ok(())
}

/// The query runs as it was written, past metricd.
#[then(expr = "the records are what PostgreSQL gives for the query {string} of the file")]
async fn same_as_sql(app: &mut TestApp, query: String) -> Step {
    let sql = app.catalog.query(&query)?;
    let expected = app.sql(&sql).await?.sorted();
    Ok(matches(&at(app, "records")?.sorted(), &expected, Match::Exact)?)
}

#[then(expr = "it is a problem: {string}")]
fn is_problem(app: &mut TestApp, detail: String) -> Step {
    let answer = app.answer()?;
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
fn faults_are(app: &mut TestApp, step: &gherkin::Step) -> Step {
    let answer = app.answer()?;
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

fn compare(app: &TestApp, part: &str, step: &gherkin::Step, how: Match) -> Step {
    let expected = json_document(step, |text| app.fill(text))?;
    Ok(matches(&at(app, part)?, &expected, how)?)
}

fn at(app: &TestApp, part: &str) -> anyhow::Result<Json> {
    let body = app.answer()?.json()?;
    body.at(part).cloned().with_context(|| format!("there is no {part} in {body}"))
}

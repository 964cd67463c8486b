//! Who may do what, what the audit says of it, and how often one may ask.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use anyhow::{Context as _, Result, bail};
use cucumber::{gherkin, given, then, when};
use metricd_acceptance::{
    TestApp,
    answer::Answer,
    api::{self, Operation},
    caller::{Caller, Person},
    dice::Dice,
    hangup,
    json::{Json, Match},
};
use reqwest::{Method, header::HeaderMap};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    sync::Semaphore,
    task::JoinSet,
};
use uuid::Uuid;

use super::{Step, document, rows};

const POLICIES: &str = "rights.cedar";

#[given(regex = r"^(the policies are|beside the usual policies there is)$")]
async fn policies(app: &mut TestApp, which: String, step: &gherkin::Step) -> Step {
    write_policies(app, which != "the policies are", document(step)?).await?;
    app.settings.insert("METRICD_POLICY__FILE".into(), format!("{{folder}}/{POLICIES}"));
    Ok(())
}

/// Waits until the server has taken the new policies or said that it does not.
#[when(regex = r"^the policies become( the usual ones and)?$")]
async fn policies_become(app: &mut TestApp, usual: String, step: &gherkin::Step) -> Step {
    write_policies(app, !usual.is_empty(), document(step)?).await?;
    read_again(app).await
}

#[when("the file of policies is gone")]
async fn policies_gone(app: &mut TestApp) -> Step {
    std::fs::remove_file(app.folder().join(POLICIES))?;
    read_again(app).await
}

async fn write_policies(app: &mut TestApp, with_usual: bool, more: &str) -> Result<()> {
    let mut text = String::new();
    if with_usual {
        let set = app.settings.remove("METRICD_POLICY__FILE");
        let output = app.run(&["policy", "show"]).await?;
        anyhow::ensure!(output.status.success(), "policy show: {}", output.text());
        text.clone_from(&output.stdout);
        app.settings.extend(set.map(|file| ("METRICD_POLICY__FILE".to_owned(), file)));
    }
    text.push_str(more);
    Ok(std::fs::write(app.folder().join(POLICIES), text)?)
}

async fn read_again(app: &TestApp) -> Step {
    let answers = |app: &TestApp| {
        let lines = app.logs.lines();
        let is_answer = |event: &str| {
            event.starts_with("Policies reloaded") || event.starts_with("Policies refused")
        };
        lines.iter().filter_map(|line| line.field("event")).filter(|event| is_answer(event)).count()
    };
    let before = answers(app);
    hangup::hang_up(app.folder()).await?;
    for _ in 0..6_000 {
        if answers(app) > before {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    Err(anyhow::anyhow!("it does not say what it thinks of them:\n{}", app.logs.text()).into())
}

/// A row names an operation, a body that it takes, and the statuses that callers get: one, or three
/// for a metric that the caller may read, one that is there for somebody else, and one that is not
/// there. Whoever has no right to the operation is told so whatever the request's faults.
#[then("every operation of the API answers as follows, and names its security")]
async fn matrix(app: &mut TestApp, step: &gherkin::Step) -> Step {
    app.request_as(Caller::Nobody, Method::GET, "/openapi.json", None).await?;
    let operations = api::operations(&app.answer()?.json()?)?;
    let table = step.table.as_ref().context("the step needs a table")?;
    let heading = table.rows.first().context("the table has no heading")?;
    let callers = heading.get(2..).context("the table names no callers")?;
    let rows = rows(step)?;

    let told: BTreeSet<_> = rows.iter().map(|row| row[0].as_str()).collect();
    ensure!(told.len() == rows.len(), "an operation has two rows");
    let known: BTreeSet<_> = operations.iter().map(|operation| operation.id.as_str()).collect();
    let alone: Vec<_> = known.symmetric_difference(&told).collect();
    ensure!(alone.is_empty(), "{alone:?} have no row or no route");

    let mut wrong = Vec::new();
    for operation in &operations {
        let row = rows.iter().find(|row| row[0] == operation.id).context("no row")?;
        let needs_token = row.iter().skip(2).any(|cell| cell == "401");
        let expected: &[&str] = if needs_token { &["bearer"] } else { &[] };
        let named = operation.security.as_ref();
        if named.is_none_or(|named| named != expected) {
            wrong.push(format!("{}: its security is {named:?}", operation.id));
        }
        for (caller, cell) in callers.iter().zip(&row[2..]) {
            let statuses = cell.split(' ').map(str::parse).collect::<Result<Vec<u16>, _>>()?;
            let cell = Cell { operation, body: &row[1], caller, statuses: &statuses };
            cell.check(app, &mut wrong).await.with_context(|| cell.name())?;
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

struct Cell<'a> {
    operation: &'a Operation,
    body: &'a str,
    caller: &'a str,
    statuses: &'a [u16],
}

/// Owns what is nobody else's.
const SOMEBODY_ELSE: &str = "somebody-else";
const PLACES: [&str; 3] = ["own", "foreign", "unknown"];

impl Cell<'_> {
    fn name(&self) -> String {
        format!("{} by {}", self.operation.id, self.caller)
    }

    fn caller(&self) -> Caller {
        match self.caller {
            "nobody" => Caller::Nobody,
            role => Caller::Person(named(role, role)),
        }
    }

    async fn check(&self, app: &mut TestApp, wrong: &mut Vec<String>) -> Result<()> {
        if self.operation.path.contains("{id}") {
            self.check_places(app, wrong).await?;
        } else {
            let [status] = self.statuses else { bail!("it has no id: one status is enough") };
            let answer = self.ask(app, "").await?;
            self.compare("", &answer, *status, wrong);
        }
        self.check_faults(app, wrong).await
    }

    async fn check_places(&self, app: &mut TestApp, wrong: &mut Vec<String>) -> Result<()> {
        let mut answers = Vec::new();
        for (index, place) in PLACES.into_iter().enumerate() {
            let status = self.statuses.get(index).or(self.statuses.first());
            let status = *status.context("the cell is empty")?;
            let (id, owner) = self.target(app, place).await?;
            let before = look(app, owner.as_deref(), &id).await?;
            let answer = self.ask(app, &id).await?;
            self.compare(place, &answer, status, wrong);
            if status >= 400 && look(app, owner.as_deref(), &id).await? != before {
                wrong.push(format!("{} {place}: the metric has changed", self.name()));
            }
            answers.push(shown(&answer));
        }
        let [_, foreign, unknown] = answers.as_slice() else { bail!("not three answers") };
        let (status, ..) = foreign;
        if *status >= 400 && foreign != unknown {
            let name = self.name();
            wrong.push(format!("{name}: what is hidden shows: {foreign:?} is not {unknown:?}"));
        }
        Ok(())
    }

    /// Faults are for those who have the right.
    async fn check_faults(&self, app: &mut TestApp, wrong: &mut Vec<String>) -> Result<()> {
        let refusals = BTreeSet::from([401, 403]);
        let all: BTreeSet<_> = self.statuses.iter().copied().collect();
        let path = self.operation.path.replace("{id}", "no-uuid");
        let query = "limit=x&start_date=x&cursor=x&timezone=x&claim_x=y";
        let faulty = format!("{path}?{query}");
        let json = Some("application/json");
        let bodies =
            [(json, "{"), (json, "[]"), (json, "\0"), (Some("text/plain"), ""), (None, "{")];
        if let (1, Some(status)) = (all.len(), all.intersection(&refusals).next()) {
            for (content_type, body) in bodies {
                let content_type = content_type.map(|content_type| ("Content-Type", content_type));
                for (name, value) in content_type.into_iter().chain([("If-Match", "x")]) {
                    app.headers.push((name.into(), value.into()));
                }
                let sent = (!self.body.is_empty()).then(|| body.as_bytes().to_vec());
                let method = self.operation.method.clone();
                let answer = app.request_as(self.caller(), method, &faulty, sent).await?.clone();
                self.compare(&format!("with the body {body:?}"), &answer, *status, wrong);
            }
        } else if self.operation.path.contains("{id}") {
            let answer = self.ask(app, "no-uuid").await?;
            self.compare("with a faulty id", &answer, 422, wrong);
        }
        Ok(())
    }

    async fn ask(&self, app: &mut TestApp, id: &str) -> Result<Answer> {
        let path = self.operation.path.replace("{id}", id);
        let body = (!self.body.is_empty()).then(|| self.body.as_bytes().to_vec());
        if body.is_some() {
            app.headers.push(("Content-Type".into(), "application/json".into()));
        }
        let method = self.operation.method.clone();
        Ok(app.request_as(self.caller(), method, &path, body).await?.clone())
    }

    fn compare(&self, place: &str, answer: &Answer, status: u16, wrong: &mut Vec<String>) {
        let name = self.name();
        if answer.status != status {
            let Answer { status: actual, .. } = answer;
            wrong.push(format!("{name} {place}: {actual}, not {status}: {}", answer.text()));
        }
        if !self.operation.statuses.contains(&answer.status) {
            wrong.push(format!("{name} {place}: the document does not know {}", answer.status));
        }
    }

    /// A fresh metric, or the id of none, and who may read it.
    async fn target(&self, app: &mut TestApp, place: &str) -> Result<(String, Option<String>)> {
        let owner = match (place, self.caller) {
            ("unknown", _) => return Ok((Uuid::new_v4().to_string(), None)),
            ("own", "nobody") | ("foreign", _) => SOMEBODY_ELSE,
            _ => self.caller,
        };
        // What policies go by is given last: before, it is everybody's.
        let id = make(app, json!({"query": "SELECT count(*) AS n FROM metrics"})).await?;
        app.headers.push(("Content-Type".into(), "application/json".into()));
        let body = json!({"owner": owner, "tags": ["secret"]}).to_string().into_bytes();
        let path = format!("/metrics/{id}");
        let answer = app.request_as(admin(), Method::PATCH, &path, Some(body)).await?;
        anyhow::ensure!(answer.status == 200, "{}: {}", answer.status, answer.text());
        Ok((id, Some(owner.to_owned())))
    }
}

/// The metric as its owner sees it, with the number of records that there are.
async fn look(app: &mut TestApp, owner: Option<&str>, id: &str) -> Result<Option<String>> {
    let Some(owner) = owner else { return Ok(None) };
    let role = if owner == SOMEBODY_ELSE { "viewer" } else { owner };
    let caller = Caller::Person(named(role, owner));
    let answer = app.request_as(caller, Method::GET, &format!("/metrics/{id}"), None).await?;
    Ok(Some(format!("{} {}", answer.status, answer.text())))
}

/// All of an answer that could tell one thing from another.
fn shown(answer: &Answer) -> (u16, String, Vec<String>) {
    let names = answer.headers.keys().map(ToString::to_string).collect();
    (answer.status, answer.text(), names)
}

fn named(role: &str, name: &str) -> Person {
    Person { name: Some(name.to_owned()), ..Person::new(role) }
}

fn admin() -> Caller {
    Caller::Person(Person::new("admin"))
}

async fn make(app: &mut TestApp, mut metric: Value) -> Result<String> {
    metric["is_editable"] = true.into();
    metric["layouts"] = json!([]);
    app.headers.push(("Content-Type".into(), "application/json".into()));
    let body = metric.to_string().into_bytes();
    let answer = app.request_as(admin(), Method::POST, "/metrics", Some(body)).await?;
    anyhow::ensure!(answer.status == 201, "{}: {}", answer.status, answer.text());
    let body = answer.json()?;
    Ok(body.at("id").and_then(Json::as_text).context("no id")?.to_owned())
}

/// Made in turns, so that neither kind stands together.
#[given(expr = "{int} metrics tagged {string} and {int} tagged {string}")]
async fn tagged(
    app: &mut TestApp,
    many: usize,
    tag: String,
    few: usize,
    other_tag: String,
) -> Step {
    let every = many.checked_div(few).unwrap_or(usize::MAX).max(1);
    let mut left = few;
    for index in 0..many {
        let metric = json!({
            "query": "SELECT 1 AS x", "name": format!("{tag} {index}"), "tags": [tag],
            "description": "One of them",
        });
        make(app, metric).await?;
        if left > 0 && index % every == 0 {
            left -= 1;
            let metric = json!({
                "query": "SELECT 1 AS x", "name": format!("{other_tag} {left}"),
                "tags": [other_tag], "description": "One of them",
            });
            make(app, metric).await?;
        }
    }
    ensure!(left == 0, "{left} were not made");
    Ok(())
}

/// Goes through all pages: nothing is there twice, and no page holds a word of anything else.
#[then(
    regex = r#"^"([^"]+)" sees exactly the (\d+) metrics tagged "([^"]+)" in pages of (\d+)(?: of the search for "([^"]+)")?$"#
)]
async fn sees_exactly(
    app: &mut TestApp,
    name: String,
    count: usize,
    tag: String,
    limit: usize,
    search: String,
) -> Step {
    let caller = app.callers.get(&name).cloned().context("nobody has said who it is")?;
    let all = pages(app, admin(), 200, "").await?;
    let hidden: Vec<_> =
        items(&all)?.into_iter().filter(|(_, tags)| !tags.contains(&tag)).collect();
    let pages = pages(app, caller, limit, &search).await?;
    let mut seen = BTreeSet::new();
    for page in &pages {
        let items = items(std::slice::from_ref(page))?;
        ensure!(items.len() <= limit, "a page holds {} metrics", items.len());
        for (id, tags) in items {
            ensure!(tags.contains(&tag), "{id} has the tags {tags:?}");
            ensure!(seen.insert(id.clone()), "{id} is there twice");
        }
        let text = page.to_string();
        let leaked = hidden.iter().find(|(id, _)| text.contains(id.as_str()));
        ensure!(leaked.is_none(), "a page names {leaked:?}: {text}");
    }
    ensure!(seen.len() == count, "there are {}", seen.len());
    Ok(())
}

async fn pages(app: &mut TestApp, caller: Caller, limit: usize, search: &str) -> Result<Vec<Json>> {
    let first = format!("/metrics?limit={limit}&q={search}");
    let mut pages = Vec::new();
    let mut next = first.clone();
    loop {
        let answer = app.request_as(caller.clone(), Method::GET, &next, None).await?;
        anyhow::ensure!(answer.status == 200, "{}: {}", answer.status, answer.text());
        let page = answer.json()?;
        let cursor = page.at("next_cursor").and_then(Json::as_text).map(str::to_owned);
        pages.push(page);
        let Some(cursor) = cursor else { return Ok(pages) };
        anyhow::ensure!(pages.len() < 1_000, "the pages have no end");
        next = format!("{first}&cursor={cursor}");
    }
}

fn items(pages: &[Json]) -> Result<Vec<(String, Vec<String>)>> {
    let mut all = Vec::new();
    for page in pages {
        for item in page.at("items").and_then(Json::as_list).context("no items")? {
            let id = item.at("id").and_then(Json::as_text).context("no id")?;
            let tags = item.at("tags").and_then(Json::as_list).context("no tags")?;
            let tags = tags.iter().filter_map(Json::as_text).map(str::to_owned).collect();
            all.push((id.to_owned(), tags));
        }
    }
    Ok(all)
}

/// What an admin finds in the audit of one request: each event of it, and no other.
#[then(expr = "the audit of the request {string} contains")]
async fn audit_contains(app: &mut TestApp, request: String, step: &gherkin::Step) -> Step {
    let expected = super::json(step, |text| app.fill(text))?;
    let actual = audit(app, &format!("request_id={request}")).await?;
    match actual.mismatch(&Json::List(vec![expected]), Match::Contains) {
        None => Ok(()),
        Some(mismatch) => Err(anyhow::anyhow!("{mismatch}\nin {actual}").into()),
    }
}

#[then(expr = "the audit says nothing of the request {string}")]
async fn audit_silent(app: &mut TestApp, request: String) -> Step {
    let actual = audit(app, &format!("request_id={request}")).await?;
    ensure!(actual == Json::List(Vec::new()), "it says {actual}");
    Ok(())
}

#[then(regex = r#"^the audit of "([^"]*)" has (\d+) events?$"#)]
async fn audit_has(app: &mut TestApp, filter: String, count: usize) -> Step {
    let actual = audit(app, &filter).await?;
    let events = actual.as_list().context("no items")?.len();
    ensure!(events == count, "it has {events}: {actual}");
    Ok(())
}

async fn audit(app: &mut TestApp, filter: &str) -> Result<Json> {
    let path = app.fill(&format!("/audit?{filter}"));
    let answer = app.request_as(admin(), Method::GET, &path, None).await?;
    anyhow::ensure!(answer.status == 200, "{}: {}", answer.status, answer.text());
    answer.json()?.at("items").cloned().context("no items")
}

/// Goes through all pages of the audit: no event is there twice or left out, the latest is first.
#[then(expr = "{string} reads {int} events of {string} in pages of {int}")]
async fn audit_pages(
    app: &mut TestApp,
    name: String,
    count: usize,
    filter: String,
    limit: usize,
) -> Step {
    let caller = app.callers.get(&name).cloned().context("nobody has said who it is")?;
    let first = app.fill(&format!("/audit?limit={limit}&{filter}"));
    let mut next = first.clone();
    let mut seen: Vec<u64> = Vec::new();
    loop {
        let answer = app.request_as(caller.clone(), Method::GET, &next, None).await?;
        ensure!(answer.status == 200, "{}: {}", answer.status, answer.text());
        let page = answer.json()?;
        let events = page.at("items").and_then(Json::as_list).context("no items")?;
        ensure!(events.len() <= limit, "a page holds {} events", events.len());
        for event in events {
            let sequence = event.at("sequence").context("no sequence")?.to_string().parse()?;
            ensure!(seen.last().is_none_or(|last| *last > sequence), "{sequence} after {seen:?}");
            seen.push(sequence);
        }
        let Some(cursor) = page.at("next_cursor").and_then(Json::as_text) else { break };
        next = format!("{first}&cursor={cursor}");
    }
    ensure!(seen.len() == count, "there are {}", seen.len());
    Ok(())
}

/// Past metricd, as the owner of everything.
#[then(expr = "in the database, nobody may run {string}")]
async fn refused_by_database(app: &mut TestApp, statement: String) -> Step {
    let run = app.execute(&statement).await;
    let refusal = run.err().context("the database has run it")?;
    ensure!(format!("{refusal:#}").contains("append-only"), "{refusal:#}");
    Ok(())
}

#[then(regex = r#"^"([^"]+)" is answered (\d+) (each|once or more) of (\d+) times by "([^"]+)"$"#)]
async fn each_time(
    app: &mut TestApp,
    name: String,
    status: u16,
    how_often: String,
    times: usize,
    path: String,
) -> Step {
    let caller = match app.callers.get(&name) {
        Some(caller) => caller.clone(),
        None if name == "nobody" => Caller::Nobody,
        None => return Err(anyhow::anyhow!("nobody has said who {name} is").into()),
    };
    let mut statuses = Vec::new();
    for _ in 0..times {
        let answer = app.request_as(caller.clone(), Method::GET, &path, None).await?;
        statuses.push(answer.status);
    }
    let count = statuses.iter().filter(|actual| **actual == status).count();
    let expected = if how_often == "each" { count == times } else { count > 0 };
    ensure!(expected, "they are {statuses:?}");
    Ok(())
}

#[when(expr = "the next request has {int} bytes in the header {string}")]
fn long_header(app: &mut TestApp, bytes: usize, name: String) {
    app.headers.push((name, "x".repeat(bytes)));
}

#[when(expr = "the next request has {int} header fields")]
fn many_headers(app: &mut TestApp, count: usize) {
    app.headers.extend((0..count).map(|index| (format!("x-filler-{index}"), "x".to_owned())));
}

#[when(expr = "I ask for an address of {int} bytes")]
async fn long_address(app: &mut TestApp, bytes: usize) -> Step {
    let beginning = "/metrics?q=";
    let filler = "x".repeat(bytes.saturating_sub(beginning.len()));
    let address = format!("{beginning}{filler}");
    if bytes <= LONGEST_URL {
        app.request(Method::GET, &address, None).await?;
    } else {
        let answer = by_hand(app, &address).await?;
        app.keep(answer);
    }
    Ok(())
}

/// Our own client refuses to send a longer one.
const LONGEST_URL: usize = 60_000;

/// Only the status of the answer: whoever sends such a thing may find the connection closed soon.
async fn by_hand(app: &TestApp, address: &str) -> Result<Answer> {
    let server = app.url("")?;
    let server = server.trim_start_matches("http://");
    let mut stream = TcpStream::connect(server).await?;
    let request = format!("GET {address} HTTP/1.1\r\nhost: {server}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).await?;
    let status = line.split(' ').nth(1).and_then(|word| word.parse().ok());
    let status = status.with_context(|| format!("it is no answer: {line:?}"))?;
    Ok(Answer { status, headers: HeaderMap::new(), body: Vec::new() })
}

/// A row is a method, an address, and the status of the answer.
#[then("these answers, too, tell browsers what not to do")]
async fn guarded(app: &mut TestApp, step: &gherkin::Step) -> Step {
    for row in rows(step)? {
        let [caller, method, path, status] = row.as_slice() else {
            return Err(anyhow::anyhow!("a row has a caller, method, path and status").into());
        };
        let caller = if caller == "nobody" { Caller::Nobody } else { admin() };
        let answer = app.request_as(caller, method.parse()?, path, None).await?;
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

/// Somebody whose token names a tenant and a region, or does not.
struct Asker {
    token: String,
    tenant: Option<usize>,
    region: Option<String>,
}

/// How many records each tenant has, one a day from the first of June.
const RECORDS: usize = 6;
const SEED: u64 = 20_250_601;
/// More than the server has connections.
const AT_ONCE: usize = 24;

const OWN_ROWS: &str = "SELECT alert_category AS marker FROM metrics \
                        WHERE alert_type = :claim_tenant_id ORDER BY date";
const OWN_WINDOW: &str = "SELECT alert_category AS marker FROM metrics \
                          WHERE alert_type = :claim_tenant_id AND date >= :start_date ORDER BY date";
const OWN_REGION: &str = "SELECT :claim_region || ' ' || alert_category AS marker FROM metrics \
                          WHERE alert_type = :claim_tenant_id AND date >= :start_date ORDER BY date";
const OF_ALL: &str = "SELECT count(*) AS marker FROM metrics";

/// Names of tenants that are nearly alike, or would be more than a name if they were not bound.
const NEARLY_ALIKE: [&str; 10] = [
    "acme",
    "acme ",
    "ACME",
    "acme%",
    "acme' OR '1'='1",
    "acme'--",
    "$1",
    ":claim_region",
    "acme\\",
    "ácme",
];

/// Callers of many tenants and regions, some of whom have no claim, ask for metrics with windows, as
/// the dice fall. Everything that others may see of a tenant has a text in it that is found nowhere
/// else.
#[then(
    expr = "callers of {int} tenants who ask {int} times at once get their own rows and nobody else's"
)]
async fn own_rows(app: &mut TestApp, tenants: usize, times: usize) -> Step {
    let mut dice = Dice::new(SEED);
    let tenants: Vec<String> = (0..tenants)
        .map(|index| {
            let alike = NEARLY_ALIKE.get(index).map(|name| (*name).to_owned());
            alike.unwrap_or_else(|| format!("tenant-{}", dice.below(1 << 40)))
        })
        .collect();
    let marker = |tenant: usize, day: usize| format!("row-of-{tenant}-{day}-{SEED:x}");
    let mut metrics = Vec::new();
    for query in [OWN_ROWS, OWN_WINDOW, OWN_REGION, OF_ALL] {
        metrics.push((query, make(app, json!({ "query": query })).await?));
    }
    for (index, tenant) in tenants.iter().enumerate() {
        for day in 1..=RECORDS {
            let record = json!({
                "alert_type": tenant, "alert_category": marker(index, day),
                "date": format!("2025-06-{day:02}T12:00:00"),
            });
            let path = format!("/metrics/{}/metric-records", metrics[0].1);
            app.headers.push(("Content-Type".into(), "application/json".into()));
            let body = Some(record.to_string().into_bytes());
            let answer = app.request_as(admin(), Method::POST, &path, body).await?;
            ensure!(answer.status == 201, "{}: {}", answer.status, answer.text());
        }
    }
    let askers = askers(app, &tenants).await?;

    let client = reqwest::Client::builder().no_proxy().build()?;
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut asked = JoinSet::new();
    for _ in 0..times {
        let who = dice.below(askers.len());
        let (query, id) = dice.one_of(&metrics).clone();
        let first = 1 + dice.below(RECORDS + 1);
        let url = app.url(&format!("/metrics/{id}?start_date=2025-06-{first:02}"))?;
        let request = client.get(url).bearer_auth(&askers[who].token);
        let turns = Arc::clone(&turns);
        asked.spawn(async move {
            let _turn = turns.acquire().await?;
            let answer = Answer::read(request.send().await?).await?;
            anyhow::Ok((who, query, first, answer))
        });
    }
    let count = tenants.len() * RECORDS;
    for asked in asked.join_all().await {
        let (who, query, first, answer) = asked?;
        let Asker { tenant, region, .. } = &askers[who];
        let place = format!("seed {SEED}: {tenant:?} {region:?} {query} from {first}");
        let text = answer.text();
        let own = |day: usize| {
            let row = marker((*tenant)?, day);
            if query == OWN_REGION {
                Some(format!("{} {row}", region.as_ref()?))
            } else {
                Some(row)
            }
        };
        let days = if query == OWN_ROWS { 1..=RECORDS } else { first..=RECORDS };
        let rows: Option<Vec<_>> = match query {
            OF_ALL => Some(vec![json!({ "marker": count })]),
            _ if tenant.is_none() || (query == OWN_REGION && region.is_none()) => None,
            _ => days.map(|day| own(day).map(|row| json!({ "marker": row }))).collect(),
        };
        match rows {
            None => ensure!(answer.status == 403, "{place}: {} {text}", answer.status),
            Some(rows) => {
                ensure!(answer.status == 200, "{place}: {} {text}", answer.status);
                let body: Value = serde_json::from_str(&text)?;
                ensure!(body["records"] == Value::from(rows), "{place}: {text}");
            }
        }
        let others = (0..tenants.len()).filter(|other| Some(*other) != *tenant);
        let leaked = others.map(|other| format!("row-of-{other}-")).find(|row| text.contains(row));
        ensure!(leaked.is_none(), "{place}: it holds {leaked:?}: {text}");
    }
    Ok(())
}

/// Two for each tenant, of different regions, and some whose claims fill no slot.
async fn askers(app: &mut TestApp, tenants: &[String]) -> Result<Vec<Asker>> {
    let mut askers = Vec::new();
    let mut add =
        async |tenant: Option<usize>, region: Option<String>, claims: Vec<(&str, String)>| {
            let claims: BTreeMap<_, _> =
                claims.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            let name = format!("asker-{}", askers.len());
            let person = Person { claims, ..named("viewer", &name) };
            let token = app.token_of(&person).await?;
            app.keep_out_of_logs(&token);
            askers.push(Asker { token, tenant, region });
            anyhow::Ok(())
        };
    for (index, tenant) in tenants.iter().enumerate() {
        for region in ["north", "south"] {
            let claims = vec![("tenant", tenant.clone()), ("region", region.to_owned())];
            add(Some(index), Some(region.to_owned()), claims).await?;
        }
    }
    let listed = serde_json::to_string(&tenants[..2.min(tenants.len())])?;
    add(Some(0), None, vec![("tenant", tenants[0].clone())]).await?;
    add(None, Some("north".into()), vec![("tenant", listed), ("region", "north".into())]).await?;
    add(None, None, Vec::new()).await?;
    Ok(askers)
}

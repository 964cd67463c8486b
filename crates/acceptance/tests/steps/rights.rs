//! Permissions: which operations a caller may use, and which metrics it sees.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail};
use cucumber::{gherkin, given, then};
use metricd_acceptance::{
    World,
    api::{self, Operation},
    caller::TestCaller,
    http::HttpAnswer,
    json::Json,
};
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use super::{ANONYMOUS, Step, admin, items, known, make, named, pages, rows};

/// A row names an operation, a body that it takes, and the statuses that callers get: one, or three
/// for a metric that the caller may read, one that only another caller may read, and one that does
/// not exist. A caller without the permission is refused whatever the request's faults.
#[then("every operation of the API answers as follows, and names its security")]
async fn matrix(world: &mut World, step: &gherkin::Step) -> Step {
    world.get_as(TestCaller::Anonymous, "/openapi.json").await?;
    let operations = api::operations(&world.client.answer()?.json()?)?;
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
            cell.check(world, &mut wrong).await.with_context(|| cell.name())?;
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

/// Owns the metrics that no caller of the matrix owns.
const OTHER_OWNER: &str = "other-owner";
const PLACES: [&str; 3] = ["own", "foreign", "unknown"];

impl Cell<'_> {
    fn name(&self) -> String {
        format!("{} by {}", self.operation.id, self.caller)
    }

    fn caller(&self) -> TestCaller {
        match self.caller {
            ANONYMOUS => TestCaller::Anonymous,
            role => TestCaller::User(named(role, role)),
        }
    }

    async fn check(&self, world: &mut World, wrong: &mut Vec<String>) -> Result<()> {
        if self.operation.path.contains("{id}") {
            self.check_places(world, wrong).await?;
        } else {
            let [status] = self.statuses else { bail!("it has no id: one status is enough") };
            let answer = self.ask(world, "").await?;
            self.compare("", &answer, *status, wrong);
        }
        self.check_faults(world, wrong).await
    }

    async fn check_places(&self, world: &mut World, wrong: &mut Vec<String>) -> Result<()> {
        let mut answers = Vec::new();
        for (index, place) in PLACES.into_iter().enumerate() {
            let status = self.statuses.get(index).or(self.statuses.first());
            let status = *status.context("the cell is empty")?;
            let (id, owner) = self.target(world, place).await?;
            let before = look(world, owner.as_deref(), &id).await?;
            let answer = self.ask(world, &id).await?;
            self.compare(place, &answer, status, wrong);
            if status >= 400 && look(world, owner.as_deref(), &id).await? != before {
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

    /// Faults are reported to callers with the permission only.
    async fn check_faults(&self, world: &mut World, wrong: &mut Vec<String>) -> Result<()> {
        match self.statuses {
            [status @ (401 | 403)] => self.check_refusal(world, *status, wrong).await,
            _ if self.operation.path.contains("{id}") => {
                let answer = self.ask(world, "no-uuid").await?;
                self.compare("with a faulty id", &answer, 422, wrong);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn check_refusal(
        &self,
        world: &mut World,
        status: u16,
        wrong: &mut Vec<String>,
    ) -> Result<()> {
        let path = self.operation.path.replace("{id}", "no-uuid").replace("{name}", "a.b.c");
        let query = "limit=x&start_date=x&cursor=x&timezone=x&claim_x=y";
        let faulty = format!("{path}?{query}");
        let json = Some("application/json");
        for (content_type, body) in
            [(json, "{"), (json, "[]"), (json, "\0"), (Some("text/plain"), ""), (None, "{")]
        {
            world.client.headers.extend(content_type.map(|it| ("Content-Type".into(), it.into())));
            world.client.headers.push(("If-Match".into(), "x".into()));
            let sent = (!self.body.is_empty()).then(|| body.as_bytes().to_vec());
            let method = self.operation.method.clone();
            let answer = world.send_as(self.caller(), method, &faulty, sent).await?.clone();
            self.compare(&format!("with the body {body:?}"), &answer, status, wrong);
        }
        Ok(())
    }

    async fn ask(&self, world: &mut World, id: &str) -> Result<HttpAnswer> {
        let path = self.operation.path.replace("{id}", id).replace("{name}", "metrics");
        let body = (!self.body.is_empty()).then(|| self.body.as_bytes().to_vec());
        if body.is_some() {
            world.client.headers.push(("Content-Type".into(), "application/json".into()));
        }
        let method = self.operation.method.clone();
        Ok(world.send_as(self.caller(), method, &path, body).await?.clone())
    }

    fn compare(&self, place: &str, answer: &HttpAnswer, status: u16, wrong: &mut Vec<String>) {
        let name = self.name();
        if answer.status != status {
            let actual = answer.status;
            wrong.push(format!("{name} {place}: {actual}, not {status}: {}", answer.text()));
        }
        if !self.operation.statuses.contains(&answer.status) {
            wrong.push(format!("{name} {place}: the document does not know {}", answer.status));
        }
    }

    /// Creates a metric, or only an id, and returns it with the owner.
    async fn target(&self, world: &mut World, place: &str) -> Result<(String, Option<String>)> {
        let owner = match (place, self.caller) {
            ("unknown", _) => return Ok((Uuid::new_v4().to_string(), None)),
            ("own", ANONYMOUS) | ("foreign", _) => OTHER_OWNER,
            _ => self.caller,
        };
        // The owner and tags that policies look at are set last: before, every caller may read it.
        let id = make(world, json!({"query": "SELECT count(*) AS n FROM metrics"})).await?;
        let body = json!({"owner": owner, "tags": ["secret"]}).to_string();
        let path = format!("/metrics/{id}");
        let answer = world.send_json_as(admin(), Method::PATCH, &path, &body).await?;
        anyhow::ensure!(answer.status == 200, "{}: {}", answer.status, answer.text());
        Ok((id, Some(owner.to_owned())))
    }
}

/// Returns the metric as an admin of its owner's name sees it, with the number of records.
async fn look(world: &mut World, owner: Option<&str>, id: &str) -> Result<Option<String>> {
    let Some(owner) = owner else { return Ok(None) };
    let caller = TestCaller::User(named("admin", owner));
    let answer = world.get_as(caller, &format!("/metrics/{id}")).await?;
    anyhow::ensure!(answer.status == 200, "{}: {}", answer.status, answer.text());
    Ok(Some(answer.text()))
}

/// Returns everything of an answer that could reveal a difference.
fn shown(answer: &HttpAnswer) -> (u16, String, Vec<String>) {
    let names = answer.headers.keys().map(ToString::to_string).collect();
    (answer.status, answer.text(), names)
}

/// Creates them alternately, so that a page holds both kinds.
#[given(expr = "{int} metrics tagged {string} and {int} tagged {string}")]
async fn tagged(
    world: &mut World,
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
        make(world, metric).await?;
        if left > 0 && index % every == 0 {
            left -= 1;
            let metric = json!({
                "query": "SELECT 1 AS x", "name": format!("{other_tag} {left}"),
                "tags": [other_tag], "description": "One of them",
            });
            make(world, metric).await?;
        }
    }
    ensure!(left == 0, "{left} were not made");
    Ok(())
}

/// Reads all pages: no metric is repeated, and no page mentions another one.
#[then(
    regex = r#"^"([^"]+)" sees exactly the (\d+) metrics tagged "([^"]+)" in pages of (\d+)(?: of the search for "([^"]+)")?$"#
)]
async fn sees_exactly(
    world: &mut World,
    name: String,
    count: usize,
    tag: String,
    limit: usize,
    search: String,
) -> Step {
    let caller = known(world, &name)?;
    let mut hidden = Vec::new();
    for page in pages(world, Some(admin()), "/metrics?limit=200").await? {
        hidden.extend(tagged_items(&page)?.into_iter().filter(|(_, tags)| !tags.contains(&tag)));
    }
    let mut seen = BTreeSet::new();
    for page in pages(world, Some(caller), &format!("/metrics?limit={limit}&q={search}")).await? {
        let items = tagged_items(&page)?;
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

/// Returns the ids and tags of a page's metrics.
fn tagged_items(page: &Json) -> Result<Vec<(String, Vec<String>)>> {
    let mut all = Vec::new();
    for item in items(page)? {
        let id = item.at("id").and_then(Json::as_text).context("no id")?;
        let tags = item.at("tags").and_then(Json::as_list).context("no tags")?;
        let tags = tags.iter().filter_map(Json::as_text).map(str::to_owned).collect();
        all.push((id.to_owned(), tags));
    }
    Ok(all)
}

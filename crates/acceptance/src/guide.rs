//! Following a page of the documentation: what it shows is run, or looked up, as it stands there.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail, ensure};
use reqwest::Method;
use serde_json::json;

use crate::{
    World,
    caller::{TestCaller, TestUser},
    engine::DatabaseLocation,
    json::Json,
    page::{Block, DocPage, Example, InlineCode, Shown},
};

/// This repository.
pub const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// A block that no test runs.
#[derive(Debug)]
pub struct NotRun {
    /// The page that it is on.
    pub page: &'static str,
    /// A part of it.
    pub text: &'static str,
    /// Why it is not run.
    pub reason: &'static str,
}

/// All of them. One that is on its page no more fails the page.
pub const NOT_RUN: [NotRun; 1] = [NotRun {
    page: "docs/guide/sentences.md",
    text: "cargo nextest run",
    reason: "it builds and runs the tests of this repository",
}];

/// Stands for the id of a metric where a page is followed without one.
const SOME_ID: &str = "421d0584-0156-4737-91d0-1daba5eae531";

/// Names of the form of a setting's that are parts of an answer.
const PARTS_OF_ANSWERS: [&str; 2] = ["generation.grounded", "generation.source"];

/// Follows a page from top to bottom, as it stands there but for the server's address, the token, the metric's id and
/// the place of the examples.
///
/// # Errors
/// When something that the page shows is not so; the text says where.
pub async fn follow(world: &mut World, page: &DocPage) -> Result<()> {
    let claims = [("custom:tenant_id".to_owned(), "acme".to_owned())].into();
    let reader = TestUser { claims, ..TestUser::new("admin") };
    let token = world.server.token_of(&reader).await?;
    world.client.protect(&token);
    let mut follower = Follower { token, reader, left_out: BTreeSet::new(), started: false };
    for block in &page.blocks {
        let place = || format!("{}, line {}", page.name, block.line);
        follower.block(world, page, block).await.with_context(place)?;
    }
    for NotRun { page: name, text, reason } in NOT_RUN {
        let is_there = name != page.name || follower.left_out.contains(text);
        ensure!(is_there, "{name} has no block with {text:?}, which is not run because {reason}");
    }
    let mut facts = Facts::default();
    let shown = page.inline.iter().filter_map(|code| Some((code, code.shown()?)));
    // Commands come last: on the embedded engine they need the server's place.
    let (commands, others): (Vec<_>, Vec<_>) =
        shown.partition(|(_, shown)| matches!(shown, Shown::Command(_)));
    for (code, shown) in others.into_iter().chain(commands) {
        let place = || format!("{}, line {}: {}", page.name, code.line, code.text);
        match shown {
            Shown::Curl(script) => {
                let example = Example { script: script.to_owned(), printed: Vec::new() };
                follower.shell(world, &example).await.with_context(place)?;
            }
            Shown::Command(command) => command_of(world, command).await.with_context(place)?,
            shown => facts.check(world, &shown).await.with_context(place)?,
        }
    }
    Ok(())
}

/// Runs the statements that stand in sentences of a page.
///
/// # Errors
/// When there is none, or the database refuses one.
pub async fn run_statements(world: &mut World, page: &DocPage) -> Result<()> {
    let shown = page.inline.iter().filter_map(InlineCode::shown);
    let statements = shown.filter_map(|shown| match shown {
        Shown::Statement(statement) => Some(statement),
        _ => None,
    });
    let statements: Vec<_> = statements.collect();
    ensure!(!statements.is_empty(), "{} shows no statement", page.name);
    for statement in statements {
        world.server.database.execute(statement).await.with_context(|| statement.to_owned())?;
    }
    Ok(())
}

/// Runs a command that stands in a sentence. Without the arguments that it must have it is only named, and has a help.
async fn command_of(world: &mut World, command: &str) -> Result<()> {
    let id = world.variables.expand("{id}");
    let id = if id.starts_with('{') { SOME_ID } else { &id };
    let stand_for = |name: &str| match name {
        "ID" => id.to_owned(),
        "FILE" => "records.json".to_owned(),
        "TABLE" => "orders".to_owned(),
        other => other.to_owned(),
    };
    let words: Vec<_> = command.split(' ').map(stand_for).collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let is_embedded =
        matches!(world.server.database.location().await?, DatabaseLocation::Embedded { .. });
    if world.server.is_running() && (is_embedded || words[0] == "serve") {
        world.server.stop().await?;
    }
    if words[0] == "serve" {
        world.server.start(&words[1..]).await?;
        return world.server.stop().await;
    }
    // The doctor compares the clock with the database's, which does not stand still.
    let clock = world.server.settings.get("METRICD_CLOCK").cloned();
    if words[0] == "doctor" {
        world.server.settings.remove("METRICD_CLOCK");
    }
    let output = world.server.run(&words).await?;
    world.server.settings.extend(clock.map(|clock| ("METRICD_CLOCK".to_owned(), clock)));
    if output.status.success() {
        return Ok(());
    }
    let is_named = output.text().contains("required arguments were not provided");
    ensure!(is_named, "{}: {}", output.status, output.text());
    succeed(world, &format!("{command} --help")).await.map(|_| ())
}

/// The state of following one page.
struct Follower {
    reader: TestUser,
    token: String,
    /// The texts of the blocks that were left out.
    left_out: BTreeSet<&'static str>,
    /// Whether the page has started the server just now.
    started: bool,
}

impl Follower {
    async fn block(&mut self, world: &mut World, page: &DocPage, block: &Block) -> Result<()> {
        let is_this = |left: &&NotRun| left.page == page.name && block.text.contains(left.text);
        if let Some(left) = NOT_RUN.iter().find(is_this) {
            self.left_out.insert(left.text);
            return Ok(());
        }
        let has_started = std::mem::take(&mut self.started);
        match block.language.as_str() {
            "sh" if block.text.trim() == "make run" => self.make_run(world).await,
            "sh" | "console" => self.shell(world, &block.example()).await,
            "sql" => {
                for statement in block.text.split(';').map(str::trim).filter(|sql| !sql.is_empty())
                {
                    self.sql(world, statement).await.with_context(|| statement.to_owned())?;
                }
                Ok(())
            }
            "toml" => check_settings(world, &block.text).await,
            "cedar" => add_policy(world, &block.text).await,
            "json" if !block.text.contains('…') => Json::parse(&block.text).map(|_| ()),
            "" if has_started => self.welcome(world, block),
            "" | "json" => Ok(()),
            other => bail!("a block of {other}"),
        }
    }

    /// Starts metricd with the arguments of the Makefile's recipe.
    async fn make_run(&mut self, world: &mut World) -> Result<()> {
        let makefile = tokio::fs::read_to_string(format!("{ROOT}/Makefile")).await?;
        let recipe = makefile.split("\nrun:").nth(1).context("no target `run`")?;
        let recipe = recipe.lines().skip(1).take_while(|line| line.starts_with('\t'));
        let start = recipe.filter_map(|line| line.trim().strip_prefix("cargo run --release -- "));
        let start: Vec<_> = start.flat_map(str::split_whitespace).collect();
        let ["serve", arguments @ .., "$(ARGS)"] = start.as_slice() else {
            bail!("`make run` runs {start:?}");
        };
        world.server.start(arguments).await?;
        world.server.printed_line("Press Ctrl-C").await?;
        let line = world.server.printed_line("curl ").await?;
        let token = line.split("Bearer ").nth(1).and_then(|rest| rest.split('\'').next());
        token.context("no token was printed")?.clone_into(&mut self.token);
        world.client.protect(&self.token);
        self.started = true;
        Ok(())
    }

    /// Compares what the server has printed.
    fn welcome(&self, world: &World, block: &Block) -> Result<()> {
        let address = world.server.url("")?;
        let printed = world.server.printed.text().replace(&address, "http://127.0.0.1:8000");
        let lines = block.text.lines().map(str::to_owned).collect();
        let shown = Example { script: String::new(), printed: lines };
        let missing = shown.missing_in(&printed);
        ensure!(missing.is_none(), "{missing:?} is not in {}", printed.replace(&self.token, "…"));
        Ok(())
    }

    async fn shell(&self, world: &mut World, example: &Example) -> Result<()> {
        let address = world.server.url("").unwrap_or_default();
        let script = ["http://127.0.0.1:8000", "http://localhost:8000"]
            .iter()
            .fold(example.script.clone(), |script, usual| script.replace(usual, &address))
            .replace("/metrics/ID", &world.variables.expand("/metrics/{id}"))
            .replace("eyJ0eXAiOiJKV1Q…", &self.token)
            .replace(" examples/", &format!(" {ROOT}/examples/"));
        let output = world.server.shell(&script, &[("TOKEN", &self.token)]).await?;
        let (text, script) = (output.text(), &example.script);
        ensure!(output.status.success() != example.fails(), "{script}{}: {text}", output.status);
        let missing = example.missing_in(&text);
        ensure!(missing.is_none(), "{script}does not print {missing:?} but {text}");
        Ok(())
    }

    /// A query becomes a metric without a warning; other statements are the database's.
    async fn sql(&self, world: &mut World, statement: &str) -> Result<()> {
        if !statement.starts_with("SELECT") && !statement.starts_with("WITH") {
            return world.server.database.execute(statement).await;
        }
        let caller = TestCaller::User(self.reader.clone());
        let body = json!({"query": statement}).to_string();
        let answer = world.send_json_as(caller, Method::POST, "/metrics/preview", &body).await?;
        ensure!(answer.status == 200, "{}: {}", answer.status, answer.text());
        ensure!(!answer.text().contains(r#""severity":"warning""#), "{}", answer.text());
        Ok(())
    }
}

/// A command that does nothing but read the settings, and the policies that they name.
const READ_SETTINGS: &str = "policy check --action read --role viewer --config page.toml";

async fn check_settings(world: &mut World, settings: &str) -> Result<()> {
    tokio::fs::write(world.folder().join("page.toml"), settings).await?;
    succeed(world, READ_SETTINGS).await.map(|_| ())
}

/// Puts a policy into the file that the page has made, or else beside the default ones.
async fn add_policy(world: &mut World, policy: &str) -> Result<()> {
    let path = world.folder().join("rights.cedar");
    let before = match tokio::fs::read_to_string(&path).await {
        Ok(text) => text,
        Err(_) => succeed(world, "policy show").await?,
    };
    tokio::fs::write(&path, format!("{before}\n{policy}")).await?;
    succeed(world, "policy check --policy rights.cedar").await.map(|_| ())
}

async fn succeed(world: &mut World, command: &str) -> Result<String> {
    let words: Vec<_> = command.split(' ').collect();
    let output = world.server.run(&words).await?;
    ensure!(output.status.success(), "metricd {command}: {}", output.text());
    Ok(output.stdout)
}

/// What commands, settings and operations there are, by metricd itself; read when a page first needs it.
#[derive(Default)]
struct Facts {
    flags: Option<BTreeSet<String>>,
    settings: Option<String>,
    document: Option<Json>,
}

impl Facts {
    async fn check(&mut self, world: &mut World, shown: &Shown<'_>) -> Result<()> {
        match *shown {
            Shown::Flag(flag) => {
                if self.flags.is_none() {
                    self.flags = Some(flags(world).await?);
                }
                let is_there = self.flags.iter().any(|flags| flags.contains(flag));
                ensure!(is_there, "no command has the flag {flag}");
                Ok(())
            }
            Shown::Target(target) => {
                let makefile = tokio::fs::read_to_string(format!("{ROOT}/Makefile")).await?;
                ensure!(makefile.contains(&format!("\n{target}: ##")), "no target {target}");
                Ok(())
            }
            Shown::Request(method, path) => {
                if self.document.is_none() {
                    self.document = Some(Json::parse(&succeed(world, "openapi").await?)?);
                }
                let document = self.document.as_ref().context("no document")?;
                check_request(document, method, path)
            }
            Shown::Variable(name) => self.check_setting(world, name).await,
            Shown::Dotted(name) if self.is_of_settings(world, name).await? => {
                self.check_setting(world, name).await
            }
            Shown::Assignment(text) if self.is_of_settings(world, text).await? => {
                check_settings(world, text).await
            }
            Shown::Dotted(_) | Shown::Assignment(_) => Ok(()),
            // The embedded engine has no roles, and the pages say so.
            Shown::Statement(statement) => match world.server.database.location().await? {
                DatabaseLocation::Native { .. } => world.server.database.execute(statement).await,
                DatabaseLocation::Embedded { .. } => Ok(()),
            },
            Shown::Curl(_) | Shown::Command(_) => bail!("it is run, and no fact"),
        }
    }

    async fn settings(&mut self, world: &mut World) -> Result<&str> {
        if self.settings.is_none() {
            self.settings = Some(succeed(world, "settings").await?);
        }
        Ok(self.settings.as_deref().unwrap_or_default())
    }

    /// Whether a dotted name begins with a section of the settings.
    async fn is_of_settings(&mut self, world: &mut World, name: &str) -> Result<bool> {
        let section = name.split('.').next().unwrap_or_default();
        let heading = format!("## `[{section}]`");
        Ok(self.settings(world).await?.contains(&heading) && !PARTS_OF_ANSWERS.contains(&name))
    }

    async fn check_setting(&mut self, world: &mut World, name: &str) -> Result<()> {
        let is_there = self.settings(world).await?.contains(&format!("`{name}`"));
        ensure!(is_there, "there is no setting {name}");
        Ok(())
    }
}

/// The flags of all commands, from their help.
async fn flags(world: &mut World) -> Result<BTreeSet<String>> {
    let mut flags = BTreeSet::new();
    let mut commands = vec![String::new()];
    while let Some(command) = commands.pop() {
        let help = succeed(world, format!("{command} --help").trim_start()).await?;
        let words = help.split(|c: char| !(c.is_ascii_lowercase() || c == '-'));
        flags.extend(words.filter(|word| word.starts_with("--")).map(str::to_owned));
        let list = help.split("Commands:\n").nth(1).unwrap_or_default();
        let names = list.lines().take_while(|line| line.starts_with("  "));
        let names = names.filter_map(|line| line.split_whitespace().next());
        let names = names.filter(|name| *name != "help");
        commands.extend(names.map(|name| format!("{command} {name}").trim().to_owned()));
    }
    Ok(flags)
}

/// Whether the API has the operation, with the parameters that its query names.
fn check_request(document: &Json, method: &str, path: &str) -> Result<()> {
    if method == "GET" && path == "/docs" || path == "/openapi.json" {
        return Ok(());
    }
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let document: serde_json::Value = serde_json::from_str(&document.to_string())?;
    let paths = document["paths"].as_object().context("no paths")?;
    let is_like = |template: &str| {
        let parts = template.split('/').zip(path.split('/'));
        template.split('/').count() == path.split('/').count()
            && parts.into_iter().all(|(part, given)| part.starts_with('{') || part == given)
    };
    let exact = paths.get(path);
    let operations = exact.or_else(|| paths.iter().find(|(name, _)| is_like(name)).map(|(_, v)| v));
    let operations = operations.with_context(|| format!("no path {path}"))?;
    let operation = operations.get(method.to_lowercase()).context("no such method")?;
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let name = parameter.split('=').next().unwrap_or_default();
        let all = [&operation["parameters"], &operations["parameters"]];
        let mut all = all.into_iter().filter_map(|list| list.as_array()).flatten();
        ensure!(all.any(|known| known["name"] == name), "no parameter {name}");
    }
    Ok(())
}

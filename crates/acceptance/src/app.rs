//! One scenario's metricd: its database, its files, its server and what it said last.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    ops::ControlFlow::{Break, Continue},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use cucumber::World;
use reqwest::{Method, RequestBuilder, redirect::Policy};
use sqlx::{AssertSqlSafe, PgConnection};
use tempfile::TempDir;
use tokio::{
    process::Child,
    task::{JoinHandle, JoinSet},
};

use crate::{
    Stage,
    answer::Answer,
    caller::{self, Caller, Person, Secrets},
    catalog::Catalog,
    engine::{Content, Database},
    idp::{Cognito, OpenId},
    json::Json,
    logs::{LogLine, Logs},
    model::Model,
    process::{self, Output},
    report::Report,
};

/// How many queries of authors run.
const RUNNING: &str = "SELECT count(*) AS running FROM pg_stat_activity \
                       WHERE application_name = 'metricd reader' AND state = 'active' \
                       AND datname = current_database() AND query LIKE 'SELECT string_agg(%'";

/// The instant that every scenario takes for the present unless it says otherwise.
pub const USUAL_CLOCK: &str = "2025-08-05T12:00:00Z";

/// One scenario's metricd. Nothing runs and no database exists until a step asks for it.
#[derive(Debug, World)]
#[world(init = Self::new)]
pub struct TestApp {
    /// Who asks. Unless a step says, an admin of metricd's own, or nobody where metricd trusts
    /// somebody else's tokens.
    pub caller: Option<Caller>,
    /// Who else asks, by name.
    pub callers: BTreeMap<String, Caller>,
    /// The header fields that the next request carries, and no later one.
    pub headers: Vec<(String, String)>,
    /// Settings from the environment.
    pub settings: BTreeMap<String, String>,
    /// What the database holds when it is first used.
    pub content: Content,
    /// The catalog files that imports and seeding read.
    pub catalog: Catalog,
    /// What the server has logged since the scenario began.
    pub logs: Logs,
    /// What the server has printed since the scenario began.
    pub printed: Logs,
    /// The model that metricd asks, if it does.
    pub model: Option<Arc<Model>>,
    /// What many clients were answered at once.
    pub answers: Vec<Answer>,
    names: BTreeMap<String, String>,
    tokens: BTreeMap<Signature, String>,
    secrets: Secrets,
    cognito: Option<Arc<Cognito>>,
    openid: Option<Arc<OpenId>>,
    owns_openid: bool,
    answer: Option<Answer>,
    in_background: Option<JoinHandle<Result<Answer>>>,
    output: Option<Output>,
    server: Option<Server>,
    other_server: Option<Server>,
    writing: Option<PgConnection>,
    database: Option<Database>,
    client: reqwest::Client,
    name: String,
    folder: TempDir,
    stage: Arc<Stage>,
}

/// What every scenario sets. Nothing here is about speed: a busy machine is no fault of metricd's.
pub(crate) fn usual_settings() -> BTreeMap<String, String> {
    [
        ("METRICD_CLOCK", USUAL_CLOCK),
        ("METRICD_DATABASE__ACQUIRE_TIMEOUT", "60s"),
        ("METRICD_LIMITS__QUERY_TIMEOUT", "60s"),
        ("METRICD_LIMITS__REQUEST_TIMEOUT", "90s"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// What a token of the development issuer depends on: the command line, which names the data folder,
/// and the clock.
type Signature = (Vec<String>, Option<String>);

#[derive(Debug)]
struct Server {
    process: Child,
    pid: u32,
    address: String,
    data_dir: Vec<String>,
    readers: Vec<JoinHandle<()>>,
}

impl TestApp {
    /// An app on the current run's engine.
    ///
    /// # Errors
    /// When no run is set up.
    pub fn new() -> Result<Self> {
        let stage = Stage::current()?;
        let (folder, name) = stage.scenario()?;
        let catalog = Catalog::sample(folder.path())?;
        let client = reqwest::Client::builder()
            .no_proxy()
            .gzip(false)
            .redirect(Policy::none())
            .timeout(process::PATIENCE)
            .build()?;
        let folder_name = folder.path().canonicalize()?.display().to_string();
        Ok(Self {
            caller: None,
            callers: BTreeMap::new(),
            headers: Vec::new(),
            settings: usual_settings(),
            content: Content::default(),
            catalog,
            logs: Logs::default(),
            printed: Logs::default(),
            model: None,
            answers: Vec::new(),
            names: BTreeMap::from([("folder".into(), folder_name)]),
            tokens: BTreeMap::new(),
            secrets: Secrets::default(),
            cognito: None,
            openid: None,
            owns_openid: false,
            answer: None,
            in_background: None,
            output: None,
            server: None,
            other_server: None,
            writing: None,
            database: None,
            client,
            name,
            folder,
            stage,
        })
    }

    /// The scenario's own folder, in which its files lie and its programs run.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Remembers a value: `{name}` stands for it in later steps.
    pub fn remember(&mut self, name: &str, value: impl Into<String>) {
        self.names.insert(name.to_owned(), value.into());
    }

    /// Puts the remembered values in place of their names.
    #[must_use]
    pub fn fill(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, (name, value)| {
            text.replace(&format!("{{{name}}}"), value)
        })
    }

    /// The scenario's database, made on first use.
    ///
    /// # Errors
    /// When metricd cannot prepare it.
    pub async fn database(&mut self) -> Result<Database> {
        if let Some(database) = &self.database {
            return Ok(database.clone());
        }
        let database = self.stage.database(self.content, self.folder.path(), &self.name).await?;
        Ok(self.database.insert(database).clone())
    }

    async fn command(&mut self, arguments: &[&str]) -> Result<tokio::process::Command> {
        let database = self.database().await?;
        let mut settings = database.settings();
        settings.extend(self.settings.iter().map(|(k, v)| (k.clone(), self.fill(v))));
        let mut command = process::command(self.stage.binary(), self.folder(), &settings);
        command.args(arguments);
        if data_dir_in(arguments).is_empty() {
            command.args(database.arguments());
        }
        Ok(command)
    }

    /// Runs one of metricd's commands to its end.
    ///
    /// # Errors
    /// When it hangs; a refusal is no error but an [`Output`].
    pub async fn run(&mut self, arguments: &[&str]) -> Result<&Output> {
        let output = process::run(self.command(arguments).await?).await?;
        Ok(self.output.insert(output))
    }

    /// What the last command said.
    ///
    /// # Errors
    /// When none has run.
    pub fn output(&self) -> Result<&Output> {
        self.output.as_ref().context("no command has run")
    }

    /// The report that the last command printed.
    ///
    /// # Errors
    /// When it printed none.
    pub fn report(&self) -> Result<Report> {
        Report::read(self.output()?)
    }

    /// Starts the server with more arguments, if any, and waits until it listens.
    ///
    /// # Errors
    /// When it ends instead; the text is what it said.
    pub async fn start(&mut self, options: &[&str]) -> Result<()> {
        ensure!(self.server.is_none(), "metricd is running already");
        let listen = ["--listen", "127.0.0.1:0"].as_slice();
        let listen = if options.contains(&"--listen") { &[] } else { listen };
        let arguments = [&["serve"], listen, options].concat();
        let mut command = self.command(&arguments).await?;
        let mut process = command.spawn().context("cannot start metricd")?;
        let pid = process.id().context("metricd has ended")?;
        self.stage.watchdog().watch(pid);

        let seen = self.logs.lines().len();
        let readers = vec![
            self.logs.follow(process.stderr.take().context("no standard error")?),
            self.printed.follow(process.stdout.take().context("no standard output")?),
        ];
        let data_dir = data_dir_in(options);
        let mut server = Server { process, pid, address: String::new(), data_dir, readers };
        let started = process::until(async || {
            let lines = self.logs.lines();
            let started =
                lines.iter().skip(seen).find(|line| line.says("INFO", "Starting service"));
            if let Some(started) = started {
                let address = started.field("listen").context("the line has no `listen`")?;
                return Ok(Break(Ok(address)));
            }
            Ok(match server.process.try_wait()? {
                Some(status) => Break(Err(status)),
                None => Continue(format!("metricd does not start:\n{}", self.logs.text())),
            })
        });
        match started.await? {
            Ok(address) => {
                server.address = address;
                self.server = Some(server);
                Ok(())
            }
            Err(status) => {
                self.forget(server).await;
                bail!("metricd ended ({status}):\n{}{}", self.printed.text(), self.logs.text());
            }
        }
    }

    /// Lets the server that is asked be the other one of two on one database.
    pub fn turn(&mut self) {
        std::mem::swap(&mut self.server, &mut self.other_server);
    }

    /// Tells the server to read its files again.
    ///
    /// # Errors
    /// When it is not running.
    pub async fn hang_up(&self) -> Result<()> {
        let server = self.server.as_ref().context("metricd is not running")?;
        process::signal(server.pid, "HUP").await
    }

    /// Asks the server to stop, and waits for it.
    ///
    /// # Errors
    /// When it hangs or ends with a failure.
    pub async fn stop(&mut self) -> Result<()> {
        let mut server = self.server.take().context("metricd is not running")?;
        process::signal(server.pid, "TERM").await?;
        let status = tokio::time::timeout(process::PATIENCE, server.process.wait());
        let status = status.await.context("metricd does not stop")??;
        self.forget(server).await;
        ensure!(status.success(), "metricd ended with {status}");
        Ok(())
    }

    /// Ends the server at once, as a crash would.
    ///
    /// # Errors
    /// When it is not running.
    pub async fn kill(&mut self) -> Result<()> {
        let mut server = self.server.take().context("metricd is not running")?;
        server.process.kill().await?;
        self.forget(server).await;
        Ok(())
    }

    async fn forget(&self, server: Server) {
        self.stage.watchdog().leave(server.pid);
        for reader in server.readers {
            let _ = reader.await;
        }
    }

    /// The URL of a path on the server.
    ///
    /// # Errors
    /// When the server is not running.
    pub fn url(&self, path: &str) -> Result<String> {
        let server = self.server.as_ref().context("metricd is not running")?;
        Ok(format!("http://{}{}", server.address, self.fill(path)))
    }

    /// Sends a request of the caller's with the headers that earlier steps have set, and keeps the
    /// answer. An `Authorization` among them takes the place of the caller's token. A body is taken as it is; it has no content type unless a header gives one.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn request(
        &mut self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<&Answer> {
        let request = self.prepared(method, path, body).await?;
        let answer = Answer::read(request.send().await?).await?;
        Ok(self.keep(answer))
    }

    /// The same as somebody else.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn request_as(
        &mut self,
        caller: Caller,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<&Answer> {
        let usual = self.caller.replace(caller);
        let sent = self.prepared(method, path, body).await;
        self.caller = usual;
        let answer = Answer::read(sent?.send().await?).await?;
        Ok(self.keep(answer))
    }

    /// Makes this the last answer.
    pub fn keep(&mut self, answer: Answer) -> &Answer {
        self.answer.insert(answer)
    }

    async fn prepared(
        &mut self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<RequestBuilder> {
        let mut request = self.client.request(method, self.url(path)?);
        let headers = std::mem::take(&mut self.headers);
        let has_token = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        for (name, value) in headers {
            let value = self.fill(&value);
            if name.eq_ignore_ascii_case("authorization") {
                self.keep_out_of_logs(&value);
            }
            request = request.header(name, value);
        }
        if !has_token && let Some(token) = self.token(path).await? {
            request = request.bearer_auth(&token);
            self.keep_out_of_logs(&token);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        Ok(request)
    }

    /// The token that the caller shows for a path.
    async fn token(&mut self, path: &str) -> Result<Option<String>> {
        let caller = match &self.caller {
            Some(caller) => caller.clone(),
            // Nobody needs a token here, and making one takes a process.
            None if caller::is_open(path) || self.trusts_others() => Caller::Nobody,
            None => Caller::Person(Person::new("admin")),
        };
        match caller {
            Caller::Nobody => Ok(None),
            Caller::Bearer(token) => Ok(Some(token)),
            Caller::Person(person) => self.token_of(&person).await.map(Some),
        }
    }

    fn trusts_others(&self) -> bool {
        ["USER_POOL_ID", "METRICD_AUTH__ISSUERS"]
            .iter()
            .any(|name| self.settings.contains_key(*name))
    }

    /// A token that metricd itself prints for somebody, at the running server's clock and from its
    /// data folder.
    ///
    /// # Errors
    /// When metricd refuses; the text is what it said.
    pub async fn token_of(&mut self, person: &Person) -> Result<String> {
        let mut arguments = person.arguments();
        arguments.extend(self.server.iter().flat_map(|server| server.data_dir.iter().cloned()));
        let clock = self.settings.get("METRICD_CLOCK").cloned();
        let signature = (arguments, clock);
        if let Some(token) = self.tokens.get(&signature) {
            return Ok(token.clone());
        }
        let arguments: Vec<_> = signature.0.iter().map(String::as_str).collect();
        let output = process::run(self.command(&arguments).await?).await?;
        ensure!(output.status.success(), "metricd gives no token: {}", output.stderr);
        let token = output.stdout.trim().to_owned();
        self.tokens.insert(signature, token.clone());
        Ok(token)
    }

    /// Has the scenario fail if this token is ever logged.
    pub fn keep_out_of_logs(&mut self, token: &str) {
        self.secrets.keep(token);
    }

    /// The log line that holds a part of a token, if there is one.
    #[must_use]
    pub fn leak(&self) -> Option<LogLine> {
        self.logs.lines().into_iter().find(|line| self.secrets.are_told_in(&line.raw))
    }

    /// The run's Cognito.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn cognito(&mut self) -> Result<Arc<Cognito>> {
        let cognito = self.stage.cognito().await?;
        self.cognito = Some(Arc::clone(&cognito));
        Ok(cognito)
    }

    /// The generic provider: the scenario's own if it has one, else the run's.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn openid(&mut self) -> Result<Arc<OpenId>> {
        if let Some(openid) = &self.openid {
            return Ok(Arc::clone(openid));
        }
        let openid = self.stage.openid().await?;
        Ok(Arc::clone(self.openid.insert(openid)))
    }

    /// Gives the scenario a generic provider of its own, which it may stop.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start_own_openid(&mut self) -> Result<()> {
        ensure!(self.openid.is_none(), "the scenario has a provider already");
        self.openid = Some(self.stage.own_openid(self.folder.path()).await?);
        self.owns_openid = true;
        Ok(())
    }

    /// Stops the scenario's own provider.
    ///
    /// # Errors
    /// When it is not the scenario's.
    pub async fn stop_own_openid(&mut self) -> Result<()> {
        ensure!(self.owns_openid, "the provider belongs to all scenarios");
        self.openid().await?.stop().await
    }

    /// Asks for a path, and does not wait for the answer.
    ///
    /// # Errors
    /// When the server is not running.
    pub async fn ask_in_background(&mut self, path: &str) -> Result<()> {
        let request = self.prepared(Method::GET, path, None).await?;
        let asked = tokio::spawn(async move { Answer::read(request.send().await?).await });
        self.in_background = Some(asked);
        Ok(())
    }

    /// Asks for a path, and tells whether a good answer comes to its end. One that breaks off at once may
    /// not even have begun.
    ///
    /// # Errors
    /// When the server is not there, or refuses.
    pub async fn is_answered_whole(&mut self, path: &str) -> Result<bool> {
        match self.prepared(Method::GET, path, None).await?.send().await {
            Ok(response) => {
                let status = response.status();
                ensure!(status.is_success(), "it is {status}");
                Ok(Answer::read(response).await.is_ok())
            }
            Err(error) if error.is_connect() => Err(error.into()),
            Err(_) => Ok(false),
        }
    }

    /// Whether what was asked in the background has no answer yet.
    ///
    /// # Errors
    /// When nothing was.
    pub fn is_waiting(&self) -> Result<bool> {
        let asked = self.in_background.as_ref().context("nothing was asked in the background")?;
        Ok(!asked.is_finished())
    }

    /// Closes the connection on which something was asked in the background.
    ///
    /// # Errors
    /// When nothing was.
    pub fn leave(&mut self) -> Result<()> {
        let asked = self.in_background.take().context("nothing was asked in the background")?;
        asked.abort();
        Ok(())
    }

    /// Asks for a path again and again until the answer has this status.
    ///
    /// # Errors
    /// When it does not come.
    pub async fn ask_until(&mut self, path: &str, status: u16) -> Result<()> {
        process::until(async || {
            let answer = self.request(Method::GET, path, None).await?;
            Ok(if answer.status == status {
                Break(())
            } else {
                Continue(format!("the answer is never {status}"))
            })
        })
        .await
    }

    /// Sends the same JSON body from many clients at once.
    ///
    /// # Errors
    /// When one has no answer.
    pub async fn send_at_once(
        &mut self,
        clients: usize,
        method: &Method,
        path: &str,
        body: &str,
    ) -> Result<Vec<Answer>> {
        let body = self.fill(body).into_bytes();
        let mut sent = JoinSet::new();
        for _ in 0..clients {
            let request = self.prepared(method.clone(), path, Some(body.clone())).await?;
            sent.spawn(async move { Answer::read(request.send().await?).await });
        }
        sent.join_all().await.into_iter().collect()
    }

    /// Sends a JSON body.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn send_json(&mut self, method: Method, path: &str, body: &str) -> Result<&Answer> {
        let body = self.json_body(body);
        self.request(method, path, Some(body)).await
    }

    /// The same as somebody else.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn send_json_as(
        &mut self,
        caller: Caller,
        method: Method,
        path: &str,
        body: &str,
    ) -> Result<&Answer> {
        let body = self.json_body(body);
        self.request_as(caller, method, path, Some(body)).await
    }

    fn json_body(&mut self, body: &str) -> Vec<u8> {
        self.headers.push(("Content-Type".into(), "application/json".into()));
        self.fill(body).into_bytes()
    }

    /// The last answer.
    ///
    /// # Errors
    /// When nothing was asked.
    pub fn answer(&self) -> Result<&Answer> {
        self.answer.as_ref().context("nothing was asked")
    }

    /// Waits until all that was done so far is in the log: the server writes lines in order, so one
    /// more request marks the place.
    ///
    /// # Errors
    /// When that request is not logged.
    pub async fn settle(&self) -> Result<()> {
        if self.server.is_none() {
            return Ok(());
        }
        let mark = uuid::Uuid::new_v4().to_string();
        self.client.get(self.url("/health")?).header("X-Request-Id", &mark).send().await?;
        let is_mark = |line: &LogLine| {
            line.says("INFO", "Endpoint called") && line.field("request_id").as_ref() == Some(&mark)
        };
        process::until(async || {
            Ok(if self.logs.lines().iter().any(is_mark) {
                Break(())
            } else {
                Continue(format!("request {mark} is not logged:\n{}", self.logs.text()))
            })
        })
        .await?;
        self.logs.forget_request(&mark);
        Ok(())
    }

    /// The line that the server prints with this beginning, as soon as it is there.
    ///
    /// # Errors
    /// When it does not come.
    pub async fn printed_line(&self, beginning: &str) -> Result<String> {
        process::until(async || {
            let lines = self.printed.lines();
            let line = lines.iter().find(|line| line.raw.trim().starts_with(beginning));
            Ok(match line {
                Some(line) => Break(line.raw.trim().to_owned()),
                None => Continue(format!("it has printed:\n{}", self.printed.text())),
            })
        })
        .await
    }

    /// The rows of a statement run past metricd, as JSON. Native engine only.
    ///
    /// # Errors
    /// When PostgreSQL refuses it.
    pub async fn sql(&mut self, statement: &str) -> Result<Json> {
        let database = self.database().await?;
        let mut connection = self.stage.connect(&database).await?;
        let statement = statement.trim().trim_end_matches(';');
        let rows =
            format!("SELECT coalesce(json_agg(row_to_json(t)), '[]')::text FROM ({statement}) t");
        let rows: String =
            sqlx::query_scalar(AssertSqlSafe(rows)).fetch_one(&mut connection).await?;
        Json::parse(&rows)
    }

    /// Waits until a statement run past metricd gives these rows. Native engine only.
    ///
    /// # Errors
    /// When it never does.
    pub async fn sql_until(&mut self, statement: &str, expected: &Json) -> Result<()> {
        process::until(async || {
            let actual = self.sql(statement).await?;
            Ok(if actual == *expected { Break(()) } else { Continue(format!("it gives {actual}")) })
        })
        .await
    }

    /// Waits until nothing of an author's runs any more, and says whether that took less than a second.
    /// Native engine only.
    ///
    /// # Errors
    /// When it goes on.
    pub async fn is_rid_within_a_second(&mut self) -> Result<bool> {
        let since = Instant::now();
        self.sql_until(RUNNING, &Json::parse(r#"[{"running": 0}]"#)?).await?;
        Ok(since.elapsed() < Duration::from_secs(1))
    }

    /// Waits until an author's query runs. Native engine only.
    ///
    /// # Errors
    /// When none ever does.
    pub async fn until_it_runs(&mut self) -> Result<()> {
        self.sql_until(RUNNING, &Json::parse(r#"[{"running": 1}]"#)?).await
    }

    /// Runs statements past metricd. Native engine only.
    ///
    /// # Errors
    /// When PostgreSQL refuses them.
    pub async fn execute(&mut self, statements: &str) -> Result<()> {
        let database = self.database().await?;
        let mut connection = self.stage.connect(&database).await?;
        sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut connection).await?;
        Ok(())
    }

    /// Runs statements past metricd in a transaction that stays open. Native engine only.
    ///
    /// # Errors
    /// When PostgreSQL refuses them.
    pub async fn begin(&mut self, statements: &str) -> Result<()> {
        let database = self.database().await?;
        let mut connection = self.stage.connect(&database).await?;
        let statements = format!("BEGIN; {statements}");
        sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut connection).await?;
        self.writing = Some(connection);
        Ok(())
    }

    /// Commits what was begun.
    ///
    /// # Errors
    /// When nothing was, or PostgreSQL refuses.
    pub async fn commit(&mut self) -> Result<()> {
        let mut connection = self.writing.take().context("nothing was begun")?;
        sqlx::raw_sql("COMMIT").execute(&mut connection).await?;
        Ok(())
    }

    /// What a failed scenario leaves to look at.
    #[must_use]
    pub fn evidence(&self) -> String {
        let mut text = String::new();
        if let Some(answer) = &self.answer {
            let _ = writeln!(text, "last answer: {} {}", answer.status, answer.text());
        }
        if let Some(output) = &self.output {
            let _ = writeln!(text, "last command: {}\n{}", output.status, output.text());
        }
        for line in self.logs.lines().iter().rev().take(20).rev() {
            let _ = writeln!(text, "log: {line}");
        }
        let cognito = self.cognito.iter().map(|cognito| ("Cognito", cognito.log()));
        let openid = self.openid.iter().map(|openid| ("provider", openid.log()));
        for (name, log) in cognito.chain(openid) {
            let lines: Vec<_> = log.lines().collect();
            for line in &lines[lines.len().saturating_sub(20)..] {
                let _ = writeln!(text, "{name}: {line}");
            }
        }
        text
    }

    /// Ends what still runs of the scenario's own, and removes the database.
    ///
    /// # Errors
    /// When either is refused, or a token is in the logs: whatever the scenario is about.
    pub async fn close(&mut self) -> Result<()> {
        if let Some(asked) = self.in_background.take() {
            asked.abort();
        }
        for _ in 0..2 {
            if self.server.is_some() {
                self.kill().await?;
            }
            self.turn();
        }
        if self.owns_openid {
            self.stop_own_openid().await?;
        }
        self.discard_database().await?;
        ensure!(self.leak().is_none(), "a token is in the logs: {:?}", self.leak());
        Ok(())
    }

    /// Removes the database, whether or not the server still uses it.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn discard_database(&mut self) -> Result<()> {
        match self.database.take() {
            Some(database) => self.stage.discard(&database).await,
            None => Ok(()),
        }
    }
}

/// The arguments that name a data folder.
fn data_dir_in(arguments: &[&str]) -> Vec<String> {
    let Some(at) = arguments.iter().position(|argument| argument.starts_with("--data-dir")) else {
        return Vec::new();
    };
    let words = if arguments[at].contains('=') { 1 } else { 2 };
    arguments[at..].iter().take(words).map(|&word| word.to_owned()).collect()
}

//! Cucumber's world: one scenario's server and client, and what its steps share.
//!
//! What a step does to one of them belongs there; here is what needs several.

use std::{collections::BTreeMap, fmt::Write as _, path::Path, sync::Arc};

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use tempfile::TempDir;

use crate::{
    Client, Server, TestRun,
    caller::TestCaller,
    catalog::TestCatalog,
    collector::TraceCollector,
    http::HttpAnswer,
    idp::{Cognito, OpenId},
    logs::LogLine,
    model::ScriptedModel,
    own_servers::OwnServers,
    process::Output,
    report::PrintedReport,
    unread::UnreadClients,
    variables::Variables,
};

/// One scenario. Nothing runs and no database exists until a step needs it.
#[derive(Debug, cucumber::World)]
#[world(init = Self::new)]
pub struct World {
    /// metricd.
    pub server: Server,
    /// The client that a feature calls "I".
    pub client: Client,
    /// Further callers, by name.
    pub callers: BTreeMap<String, TestCaller>,
    /// The catalog files that imports and seeding read.
    pub catalog: TestCatalog,
    /// The model that metricd calls, if any.
    pub model: Option<Arc<ScriptedModel>>,
    /// Where metricd sends traces, if anywhere.
    pub collector: Option<Arc<TraceCollector>>,
    /// What Prometheus has collected.
    pub collected: String,
    /// The answers to requests that were sent at once.
    pub answers: Vec<HttpAnswer>,
    /// Further servers of the scenario's own.
    pub servers: OwnServers,
    /// Clients that do not read what they are answered.
    pub unread: UnreadClients,
    /// The values that later steps refer to.
    pub variables: Variables,
    output: Option<Output>,
    cognito: Option<Arc<Cognito>>,
    openid: Option<Arc<OpenId>>,
    owns_openid: bool,
    folder: TempDir,
    run: Arc<TestRun>,
}

impl World {
    /// Creates a world on the current run's engine.
    ///
    /// # Errors
    /// When no run is set up.
    pub fn new() -> Result<Self> {
        let run = TestRun::current()?;
        let (folder, name) = run.scenario()?;
        let variables = Variables::default();
        variables.set("folder", folder.path().canonicalize()?.display().to_string());
        Ok(Self {
            server: Server::new(Arc::clone(&run), folder.path(), name, variables.clone()),
            client: Client::new(variables.clone())?,
            callers: BTreeMap::new(),
            catalog: TestCatalog::sample(folder.path())?,
            model: None,
            collector: None,
            collected: String::new(),
            answers: Vec::new(),
            servers: OwnServers::new(folder.path(), Arc::clone(&run)),
            unread: UnreadClients::default(),
            variables,
            output: None,
            cognito: None,
            openid: None,
            owns_openid: false,
            folder,
            run,
        })
    }

    /// Returns the scenario's own folder, in which its files lie and its programs run.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Sends a GET request, and keeps the answer.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn get(&mut self, path: &str) -> Result<&HttpAnswer> {
        self.send(Method::GET, path, None).await
    }

    /// Sends one GET request as another caller.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn get_as(&mut self, caller: TestCaller, path: &str) -> Result<&HttpAnswer> {
        self.send_as(caller, Method::GET, path, None).await
    }

    /// Sends a request: see [`Client::send`].
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<&HttpAnswer> {
        self.client.send(&mut self.server, method, path, body).await
    }

    /// Sends one request as another caller.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn send_as(
        &mut self,
        caller: TestCaller,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<&HttpAnswer> {
        self.client.send_as(caller, &mut self.server, method, path, body).await
    }

    /// Sends a JSON body.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn send_json(
        &mut self,
        method: Method,
        path: &str,
        body: &str,
    ) -> Result<&HttpAnswer> {
        let body = self.client.json_body(body);
        self.send(method, path, Some(body)).await
    }

    /// Sends one JSON body as another caller.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn send_json_as(
        &mut self,
        caller: TestCaller,
        method: Method,
        path: &str,
        body: &str,
    ) -> Result<&HttpAnswer> {
        let body = self.client.json_body(body);
        self.send_as(caller, method, path, Some(body)).await
    }

    /// Runs one of metricd's commands to its end, and keeps its output.
    ///
    /// # Errors
    /// When it hangs; a refusal is no error but an [`Output`].
    pub async fn run(&mut self, arguments: &[&str]) -> Result<&Output> {
        let output = self.server.run(arguments).await?;
        Ok(self.output.insert(output))
    }

    /// Keeps the output of a program other than metricd.
    pub fn keep_output(&mut self, output: Output) {
        self.output = Some(output);
    }

    /// Returns the last command's output.
    ///
    /// # Errors
    /// When none has run.
    pub fn output(&self) -> Result<&Output> {
        self.output.as_ref().context("no command has run")
    }

    /// Returns the report that the last command printed.
    ///
    /// # Errors
    /// When it printed none.
    pub fn report(&self) -> Result<PrintedReport> {
        PrintedReport::read(self.output()?)
    }

    /// Returns the log line that holds a part of a token, if there is one.
    #[must_use]
    pub fn leak(&self) -> Option<LogLine> {
        self.client.leak_in(&self.server.logs)
    }

    /// Returns the run's Cognito.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn cognito(&mut self) -> Result<Arc<Cognito>> {
        let cognito = self.run.cognito().await?;
        self.cognito = Some(Arc::clone(&cognito));
        Ok(cognito)
    }

    /// Returns the generic provider: the scenario's own if it has one, else the run's.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn openid(&mut self) -> Result<Arc<OpenId>> {
        if let Some(openid) = &self.openid {
            return Ok(Arc::clone(openid));
        }
        let openid = self.run.openid().await?;
        Ok(Arc::clone(self.openid.insert(openid)))
    }

    /// Starts a generic provider of the scenario's own, which it may stop.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start_own_openid(&mut self) -> Result<()> {
        ensure!(self.openid.is_none(), "the scenario has a provider already");
        self.openid = Some(self.run.own_openid(self.folder.path()).await?);
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

    /// Returns what helps to find out why the scenario has failed.
    #[must_use]
    pub fn evidence(&self) -> String {
        let mut text = String::new();
        if let Ok(answer) = self.client.answer() {
            let _ = writeln!(text, "last answer: {} {}", answer.status, answer.text());
        }
        if let Some(output) = &self.output {
            let _ = writeln!(text, "last command: {}\n{}", output.status, output.text());
        }
        for line in self.server.logs.lines().iter().rev().take(20).rev() {
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
    /// When either is refused, or a token is in the logs, whatever the scenario is about.
    pub async fn close(&mut self) -> Result<()> {
        // Usually none is left.
        let _ = self.client.disconnect();
        self.unread = UnreadClients::default();
        self.server.close().await?;
        self.servers.stop().await?;
        if self.owns_openid {
            self.stop_own_openid().await?;
        }
        ensure!(self.leak().is_none(), "a token is in the logs: {:?}", self.leak());
        Ok(())
    }
}

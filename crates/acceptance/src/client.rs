//! Requests as a caller sends them: with a token and headers, and with the last answer at hand.
//!
//! A client sees what goes over HTTP, and nothing else of a server.

use std::ops::ControlFlow::{Break, Continue};

use anyhow::{Context as _, Result, ensure};
use reqwest::{Method, RequestBuilder};
use tokio::task::{JoinHandle, JoinSet};

use crate::{
    Server,
    caller::{self, Secrets, TestCaller, TestUser},
    http::{self, HttpAnswer},
    logs::{LogLine, Logs},
    process,
    variables::Variables,
};

/// A client of a scenario's server.
#[derive(Debug)]
pub struct Client {
    /// The caller. Unless a step sets one, an admin of the development issuer, or an anonymous
    /// caller where metricd trusts other issuers.
    pub caller: Option<TestCaller>,
    /// The header fields of the next request, and of no later one.
    pub headers: Vec<(String, String)>,
    http: reqwest::Client,
    variables: Variables,
    secrets: Secrets,
    answer: Option<HttpAnswer>,
    pending: Option<JoinHandle<Result<HttpAnswer>>>,
}

impl Client {
    pub(crate) fn new(variables: Variables) -> Result<Self> {
        Ok(Self {
            caller: None,
            headers: Vec::new(),
            http: http::client()?,
            variables,
            secrets: Secrets::default(),
            answer: None,
            pending: None,
        })
    }

    /// Sends a request with the caller's token and the next request's headers, and keeps the answer. An
    /// `Authorization` among the headers replaces the token. A body is sent as it is, without a content
    /// type unless a header gives one.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn send(
        &mut self,
        server: &mut Server,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<&HttpAnswer> {
        let request = self.prepare(server, method, path, body).await?;
        let answer = HttpAnswer::read(request.send().await?).await?;
        Ok(self.keep(answer))
    }

    /// Sends one request as another caller.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn send_as(
        &mut self,
        caller: TestCaller,
        server: &mut Server,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<&HttpAnswer> {
        let usual = self.caller.replace(caller);
        let request = self.prepare(server, method, path, body).await;
        self.caller = usual;
        let answer = HttpAnswer::read(request?.send().await?).await?;
        Ok(self.keep(answer))
    }

    async fn prepare(
        &mut self,
        server: &mut Server,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<RequestBuilder> {
        let mut request = self.http.request(method, server.url(path)?);
        let headers = std::mem::take(&mut self.headers);
        let has_token = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        for (name, value) in headers {
            let value = self.variables.expand(&value);
            if name.eq_ignore_ascii_case("authorization") {
                self.protect(&value);
            }
            request = request.header(name, value);
        }
        if !has_token && let Some(token) = self.token(server, path).await? {
            request = request.bearer_auth(&token);
            self.protect(&token);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        Ok(request)
    }

    /// Returns the token that the caller shows for a path.
    async fn token(&self, server: &mut Server, path: &str) -> Result<Option<String>> {
        let caller = match &self.caller {
            Some(caller) => caller.clone(),
            // An open path needs no token, and making one takes a process.
            None if caller::is_open(path) || server.trusts_other_issuers() => TestCaller::Anonymous,
            None => TestCaller::User(TestUser::new("admin")),
        };
        match caller {
            TestCaller::Anonymous => Ok(None),
            TestCaller::Bearer(token) => Ok(Some(token)),
            TestCaller::User(user) => server.token_of(&user).await.map(Some),
        }
    }

    /// Sets the content type of the next request to JSON, and returns its body.
    pub(crate) fn json_body(&mut self, body: &str) -> Vec<u8> {
        self.headers.push(("Content-Type".into(), "application/json".into()));
        self.variables.expand(body).into_bytes()
    }

    /// Sends the same JSON body many times at once.
    ///
    /// # Errors
    /// When one request has no answer.
    pub async fn send_at_once(
        &mut self,
        server: &mut Server,
        times: usize,
        method: &Method,
        path: &str,
        body: &str,
    ) -> Result<Vec<HttpAnswer>> {
        let body = self.variables.expand(body).into_bytes();
        let mut sent = JoinSet::new();
        for _ in 0..times {
            let request = self.prepare(server, method.clone(), path, Some(body.clone())).await?;
            sent.spawn(async move { HttpAnswer::read(request.send().await?).await });
        }
        sent.join_all().await.into_iter().collect()
    }

    /// Sends GET requests until the answer has this status.
    ///
    /// # Errors
    /// When it does not come.
    pub async fn get_until(&mut self, server: &mut Server, path: &str, status: u16) -> Result<()> {
        process::poll_until(async || {
            let answer = self.send(server, Method::GET, path, None).await?;
            Ok(if answer.status == status {
                Break(())
            } else {
                Continue(format!("the answer is never {status}"))
            })
        })
        .await
    }

    /// Sends a GET request in the background.
    ///
    /// # Errors
    /// When the server is not running.
    pub async fn get_in_background(&mut self, server: &mut Server, path: &str) -> Result<()> {
        let request = self.prepare(server, Method::GET, path, None).await?;
        let sent = tokio::spawn(async move { HttpAnswer::read(request.send().await?).await });
        self.pending = Some(sent);
        Ok(())
    }

    /// Whether the request in the background has no answer yet.
    ///
    /// # Errors
    /// When there is none.
    pub fn is_waiting(&self) -> Result<bool> {
        let sent = self.pending.as_ref().context("no request was sent in the background")?;
        Ok(!sent.is_finished())
    }

    /// Waits for the answer of the request in the background, and makes it the last one.
    ///
    /// # Errors
    /// When there is no such request, or no answer of it.
    pub async fn wait_for_background(&mut self) -> Result<&HttpAnswer> {
        let sent = self.pending.take().context("no request was sent in the background")?;
        Ok(self.keep(sent.await??))
    }

    /// Closes the connection of the request in the background.
    ///
    /// # Errors
    /// When there is none.
    pub fn disconnect(&mut self) -> Result<()> {
        let sent = self.pending.take().context("no request was sent in the background")?;
        sent.abort();
        Ok(())
    }

    /// Sends a GET request, and returns whether all of a successful answer comes. One that breaks off
    /// at once may not even have begun.
    ///
    /// # Errors
    /// When the server is not there, or refuses.
    pub async fn is_answered_in_full(&mut self, server: &mut Server, path: &str) -> Result<bool> {
        match self.prepare(server, Method::GET, path, None).await?.send().await {
            Ok(response) => {
                let status = response.status();
                ensure!(status.is_success(), "it is {status}");
                Ok(HttpAnswer::read(response).await.is_ok())
            }
            Err(error) if error.is_connect() => Err(error.into()),
            Err(_) => Ok(false),
        }
    }

    /// Makes this the last answer.
    pub fn keep(&mut self, answer: HttpAnswer) -> &HttpAnswer {
        self.answer.insert(answer)
    }

    /// Returns the last answer.
    ///
    /// # Errors
    /// When no request was sent.
    pub fn answer(&self) -> Result<&HttpAnswer> {
        self.answer.as_ref().context("no request was sent")
    }

    /// Fails the scenario if this token is ever logged.
    pub fn protect(&mut self, token: &str) {
        self.secrets.add(token);
    }

    /// Returns the log line that holds a part of a token, if there is one.
    #[must_use]
    pub fn leak_in(&self, logs: &Logs) -> Option<LogLine> {
        logs.lines().into_iter().find(|line| self.secrets.are_in(&line.raw))
    }
}

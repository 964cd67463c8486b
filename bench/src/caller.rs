//! A caller of a server under test: a token, and an address of this machine's own.
//!
//! Must never connect to another machine.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::{Context as _, Result, ensure};
use metricd_acceptance::process;
use reqwest::{Client, RequestBuilder, header};
use serde_json::{Value, json};

/// A caller.
#[derive(Clone)]
pub(crate) struct Caller {
    /// Where the server listens.
    pub(crate) server: SocketAddr,
    /// The address that it calls from.
    pub(crate) from: Ipv4Addr,
    /// Its token.
    pub(crate) token: String,
    client: Client,
}

/// A response to one request.
pub(crate) struct Reply {
    /// Its status.
    pub(crate) status: u16,
    /// Its body.
    pub(crate) body: String,
}

impl Caller {
    /// Creates a caller of `server`.
    pub(crate) fn new(server: SocketAddr, from: Ipv4Addr, token: String) -> Result<Self> {
        ensure!(server.ip().is_loopback() && from.is_loopback(), "{server} is not this machine");
        let client = Client::builder().no_proxy().timeout(process::TIMEOUT);
        let client = client.local_address(IpAddr::from(from));
        Ok(Self { server, from, token, client: client.build()? })
    }

    /// Returns the same caller with another token.
    pub(crate) fn with_token(&self, token: impl Into<String>) -> Self {
        Self { token: token.into(), ..self.clone() }
    }

    /// Asks for an answer, a new one if it must not come from the cache.
    pub(crate) async fn get(&self, target: &str, is_anew: bool) -> Result<Reply> {
        let mut request = self.client.get(self.url(target));
        if is_anew {
            request = request.header(header::CACHE_CONTROL, "no-cache");
        }
        self.send(request).await
    }

    /// Sends a body.
    pub(crate) async fn post(&self, target: &str, body: &Value) -> Result<Reply> {
        self.send(self.client.post(self.url(target)).json(body)).await
    }

    /// Has a query tried.
    pub(crate) async fn preview(&self, sql: &str) -> Result<Reply> {
        self.post("/metrics/preview", &json!({ "query": sql })).await
    }

    /// Makes a metric, and returns its path.
    pub(crate) async fn create(&self, sql: &str) -> Result<String> {
        let metric = json!({ "is_editable": true, "layouts": [], "query": sql });
        let reply = self.post("/metrics", &metric).await?;
        ensure!(reply.status == 201, "no metric of {sql}: {} {}", reply.status, reply.body);
        let body: Value = serde_json::from_str(&reply.body)?;
        Ok(format!("/metrics/{}", body["id"].as_str().context("a metric has no id")?))
    }

    /// Deletes a metric.
    pub(crate) async fn delete(&self, path: &str) -> Result<Reply> {
        self.send(self.client.delete(self.url(path))).await
    }

    fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.server)
    }

    async fn send(&self, request: RequestBuilder) -> Result<Reply> {
        let response = request.bearer_auth(&self.token).send().await?;
        Ok(Reply { status: response.status().as_u16(), body: response.text().await? })
    }
}

impl Reply {
    /// The rows.
    pub(crate) fn records(&self) -> Result<Value> {
        let mut body: Value = serde_json::from_str(&self.body)?;
        Ok(body["records"].take())
    }
}

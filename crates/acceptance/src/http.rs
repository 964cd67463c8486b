//! HTTP as the harness speaks it: a client without conveniences, and answers as they came.

use anyhow::{Context as _, Result};
use reqwest::{header::HeaderMap, redirect::Policy};

use crate::{edge, json::Json, process};

/// Creates a client that follows no redirects, decompresses nothing and uses no proxy.
///
/// # Errors
/// When there is no TLS on this machine.
pub fn client() -> Result<reqwest::Client> {
    let mut client = reqwest::Client::builder()
        .no_proxy()
        .gzip(false)
        .redirect(Policy::none())
        .timeout(process::TIMEOUT);
    if let Some(certificate) = edge::trusted()? {
        client = client.tls_certs_only([certificate]);
    }
    Ok(client.build()?)
}

/// An answer to one request: status, headers and the whole body.
#[derive(Debug, Clone)]
pub struct HttpAnswer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; compressed bodies stay compressed.
    pub body: Vec<u8>,
}

impl HttpAnswer {
    /// Reads a response to its end.
    ///
    /// # Errors
    /// When the connection breaks before that.
    pub async fn read(response: reqwest::Response) -> Result<Self> {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = response.bytes().await.context("the answer breaks off")?.to_vec();
        Ok(Self { status, headers, body })
    }

    /// Returns the first header of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Returns the body as JSON.
    ///
    /// # Errors
    /// When it is not JSON.
    pub fn json(&self) -> Result<Json> {
        Json::parse(&self.text())
    }
}

//! One call of a model's server, by the chat-completions protocol. Neither request nor response may be
//! logged or become part of an error: both may hold confidential data.
//!
//! Implemented here rather than by a client library: existing ones read responses without a limit, log
//! malformed ones, retry by themselves, and reject responses without one vendor's fields.

use std::time::Duration;

use reqwest::{StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use thiserror::Error;
use tokio::time::Instant;
use tracing::{Instrument as _, Span, debug, info};

use super::{ModelConfig, answer, prompt::Message};
use crate::{
    http::{self, Http},
    spans,
};

/// The maximum size of one response, decompressed, in bytes.
const MAX_BYTES: usize = 256 * 1024;

/// The ways to request the shape of an answer, strictest first. Servers support different ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResponseFormat {
    Schema,
    Object,
    Text,
}

impl ResponseFormat {
    pub(super) const ALL: [Self; 3] = [Self::Schema, Self::Object, Self::Text];

    fn parameter(self) -> Option<Value> {
        match self {
            Self::Schema => Some(json!({
                "type": "json_schema",
                "json_schema": { "name": "metric", "strict": true, "schema": answer::schema() },
            })),
            Self::Object => Some(json!({ "type": "json_object" })),
            Self::Text => None,
        }
    }
}

/// The reason why a call failed.
#[derive(Debug, Error)]
pub(super) enum CallError {
    #[error("the model's server cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    #[error("the model's server answered with status {status}")]
    Status {
        status: StatusCode,
        /// Its `Retry-After`.
        rest: Option<Duration>,
    },
    #[error("the answer of the model's server is larger than {} KiB", MAX_BYTES / 1024)]
    TooLarge,
    #[error("the answer of the model's server is not a chat completion")]
    NoCompletion,
    #[error("the model refuses to answer")]
    Refused,
    #[error("the model's answer was cut off")]
    CutOff,
}

impl CallError {
    /// Whether the server may accept the request in a less strict format.
    pub(super) fn is_of_the_format(&self) -> bool {
        matches!(self, Self::Status { status, .. }
            if [StatusCode::BAD_REQUEST, StatusCode::UNPROCESSABLE_ENTITY].contains(status))
    }

    fn outcome(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::Status { .. } => "status",
            Self::TooLarge => "too large",
            Self::NoCompletion => "no completion",
            Self::Refused => "refused",
            Self::CutOff => "cut off",
        }
    }
}

#[derive(Debug, Serialize)]
struct Request<'a> {
    model: &'a str,
    messages: &'a [Message],
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<Value>,
}

/// The used part of a response. Servers differ in the rest.
#[derive(Debug, Deserialize)]
struct Completion {
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Value,
}

#[derive(Debug, Deserialize)]
struct Choice {
    message: Reply,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Reply {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    refusal: Option<String>,
}

/// Sends one request, and returns the model's text.
pub(super) async fn call(
    http: &Http,
    config: &ModelConfig,
    messages: &[Message],
    format: ResponseFormat,
) -> Result<String, CallError> {
    let mut log = CallLog::begin(&config.model);
    let span = spans::of_model(&config.model);
    let written = ask(http, config, messages, format, &mut log).instrument(span).await;
    log.outcome = match &written {
        Ok(_) => "answered",
        Err(error) => error.outcome(),
    };
    written
}

async fn ask(
    http: &Http,
    config: &ModelConfig,
    messages: &[Message],
    format: ResponseFormat,
    log: &mut CallLog<'_>,
) -> Result<String, CallError> {
    let url = config.endpoint.url();
    let body = Request { model: &config.model, messages, response_format: format.parameter() };
    let traced = spans::propagated(&Span::current());
    let mut request = http.client(url).post(url.clone()).headers(traced).json(&body);
    request = request.header(header::ACCEPT, "application/json");
    if let Some(key) = &config.api_key {
        request = request.header(header::AUTHORIZATION, key.header());
    }
    let mut response = request.send().await.map_err(CallError::Unreachable)?;
    let status = response.status();
    log.status = Some(status.as_u16());
    if status != StatusCode::OK {
        return Err(CallError::Status { status, rest: rest(response.headers()) });
    }
    let body = http::body(&mut response, MAX_BYTES).await.map_err(CallError::Unreachable)?;
    let body = body.ok_or(CallError::TooLarge)?;
    debug!(bytes = body.len(), ?format, messages = messages.len(), "Model answered");
    // The parser's error would quote a part of the answer.
    let completion: Completion =
        serde_json::from_slice(&body).map_err(|_| CallError::NoCompletion)?;
    log.prompt_tokens = completion.usage["prompt_tokens"].as_u64();
    log.completion_tokens = completion.usage["completion_tokens"].as_u64();
    let choice = completion.choices.into_iter().next().ok_or(CallError::NoCompletion)?;
    let Reply { content, refusal } = choice.message;
    match (choice.finish_reason.as_deref(), content) {
        (Some("content_filter"), _) => Err(CallError::Refused),
        _ if refusal.is_some_and(|refusal| !refusal.is_empty()) => Err(CallError::Refused),
        (Some("length"), _) => Err(CallError::CutOff),
        (_, Some(content)) => Ok(content),
        (_, None) => Err(CallError::NoCompletion),
    }
}

/// Parses `Retry-After` in seconds. A date is ignored.
fn rest(headers: &header::HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

/// Logs one call when it is dropped, even if the caller is dropped before it ends.
struct CallLog<'a> {
    model: &'a str,
    began: Instant,
    outcome: &'static str,
    status: Option<u16>,
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
}

impl<'a> CallLog<'a> {
    fn begin(model: &'a str) -> Self {
        Self {
            model,
            began: Instant::now(),
            outcome: "abandoned",
            status: None,
            prompt_tokens: None,
            completion_tokens: None,
        }
    }
}

impl Drop for CallLog<'_> {
    fn drop(&mut self) {
        info!(
            model = self.model,
            outcome = self.outcome,
            status = self.status,
            prompt_tokens = self.prompt_tokens,
            completion_tokens = self.completion_tokens,
            duration_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            "Model called"
        );
    }
}

//! A language model as query generator, behind any server that speaks the chat-completions protocol,
//! hosted or local.
//!
//! Must neither store nor run what the model writes. Every failure is an error after which the next
//! generator is called.

mod answer;
mod call;
mod config;
mod prompt;

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use metricd_application::ports::{
    GenerateError, GenerationSource, QueryGenerator, Suggestion, SuggestionRequest,
};
use thiserror::Error;
use tokio::{sync::Semaphore, time::Instant};

use self::{
    call::{CallError, ResponseFormat, call},
    prompt::{Message, conversation},
};
use crate::http::Http;

pub use config::{ApiKey, Endpoint, InvalidApiKey, InvalidEndpoint, ModelConfig};

/// The number of concurrent requests to the model; others are queued, within their own time-out.
const AT_ONCE: usize = 4;
/// The longest pause after a `Retry-After`.
const MAX_REST: Duration = Duration::from_mins(5);

/// Generates queries by a language model.
#[derive(Debug)]
pub struct ModelGenerator {
    config: ModelConfig,
    http: Http,
    permits: Semaphore,
    /// The strictest of [`ResponseFormat::ALL`] that the server may accept.
    format: AtomicUsize,
    /// The end of the pause that the server requested by `Retry-After`.
    resting: Mutex<Option<Instant>>,
}

/// The HTTP client could not be built.
#[derive(Debug, Error)]
#[error("no HTTP client can be made for the model")]
pub struct NoHttpClient(#[source] reqwest::Error);

/// The server requested a pause.
#[derive(Debug, Error)]
#[error("the model's server asked for a pause (Retry-After)")]
struct Resting;

impl ModelGenerator {
    /// Creates a generator. Sends no request yet.
    ///
    /// # Errors
    /// When the HTTP client cannot be built.
    pub fn new(config: ModelConfig) -> Result<Self, NoHttpClient> {
        Ok(Self {
            config,
            http: Http::new().map_err(NoHttpClient)?,
            permits: Semaphore::new(AT_ONCE),
            format: AtomicUsize::new(0),
            resting: Mutex::new(None),
        })
    }

    /// Returns the model's text, in the strictest format that the server accepts. A rejected format is
    /// not tried again.
    async fn written(&self, messages: &[Message]) -> Result<String, CallError> {
        let mut index = self.format.load(Ordering::Relaxed);
        loop {
            let written =
                call(&self.http, &self.config, messages, ResponseFormat::ALL[index]).await;
            match written {
                Err(error) if error.is_of_the_format() && index + 1 < ResponseFormat::ALL.len() => {
                    index += 1;
                }
                Err(error) => return Err(error),
                Ok(text) => {
                    // A concurrent request may have advanced the format further.
                    self.format.fetch_max(index, Ordering::Relaxed);
                    return Ok(text);
                }
            }
        }
    }

    fn is_resting(&self) -> bool {
        let until = *self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    fn rest(&self, time: Duration) {
        let until = Instant::now() + time.min(MAX_REST);
        *self.resting.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }
}

#[async_trait]
impl QueryGenerator for ModelGenerator {
    fn source(&self) -> GenerationSource {
        GenerationSource::Model
    }

    fn attempts(&self) -> u32 {
        self.config.attempts
    }

    fn patience(&self) -> Duration {
        self.config.timeout
    }

    async fn suggest(&self, request: &SuggestionRequest<'_>) -> Result<Suggestion, GenerateError> {
        let unavailable = |error: Box<dyn std::error::Error + Send + Sync>| {
            Err(GenerateError::Unavailable(error))
        };
        let _permit = match self.permits.acquire().await {
            Ok(permit) => permit,
            Err(closed) => return unavailable(closed.into()),
        };
        if self.is_resting() {
            return unavailable(Resting.into());
        }
        let messages = conversation(request, self.config.send_samples);
        match self.written(&messages).await {
            Ok(text) => answer::read(&text),
            Err(CallError::CutOff) => Err(GenerateError::Unreadable(
                "it was cut off before its end; write a shorter one".to_owned(),
            )),
            Err(error) => {
                if let CallError::Status { rest: Some(time), .. } = &error {
                    self.rest(*time);
                }
                unavailable(error.into())
            }
        }
    }
}

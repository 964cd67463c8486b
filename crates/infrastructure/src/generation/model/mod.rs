//! A language model as query generator, behind any server that speaks the chat-completions protocol,
//! hosted or local.
//!
//! It only suggests: nothing that it writes is stored or run here. Whatever goes wrong ends in an
//! error that lets the next generator answer.

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

/// How many sentences are sent to the model at once; others wait, within their own time-out.
const AT_ONCE: usize = 4;
/// The longest pause after a `Retry-After`.
const MAX_REST: Duration = Duration::from_mins(5);

/// Asks a model for queries.
#[derive(Debug)]
pub struct ModelGenerator {
    config: ModelConfig,
    http: Http,
    permits: Semaphore,
    /// The strictest of [`ResponseFormat::ALL`] that the server is known to take.
    format: AtomicUsize,
    /// Until when no request is sent, because the server asked for a pause.
    resting: Mutex<Option<Instant>>,
}

/// No connection out of this machine can be made at all.
#[derive(Debug, Error)]
#[error("no HTTP client can be made for the model")]
pub struct NoHttpClient(#[source] reqwest::Error);

/// The server asked for a pause.
#[derive(Debug, Error)]
#[error("the model's server asked for a pause (Retry-After)")]
struct Resting;

impl ModelGenerator {
    /// Asks as `config` says. Nothing is asked yet.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(config: ModelConfig) -> Result<Self, NoHttpClient> {
        Ok(Self {
            config,
            http: Http::new().map_err(NoHttpClient)?,
            permits: Semaphore::new(AT_ONCE),
            format: AtomicUsize::new(0),
            resting: Mutex::new(None),
        })
    }

    /// What the model wrote, in the strictest format that the server takes. One that turned out not to
    /// be known is not tried again.
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
                    // Another sentence may have found out more meanwhile.
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

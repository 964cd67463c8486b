//! Where a model is asked, and with which key. Shows the key only to the server.

use std::time::Duration;

use reqwest::{Url, header::HeaderValue};
use thiserror::Error;

use crate::http;

/// How a model is asked.
#[derive(Debug, Clone)]
pub struct ModelConfig {
    /// Where.
    pub endpoint: Endpoint,
    /// The model's name there.
    pub model: String,
    /// What the server wants to see, if anything.
    pub api_key: Option<ApiKey>,
    /// How many suggestions one sentence is worth.
    pub attempts: u32,
    /// How long one sentence may take, all attempts together.
    pub timeout: Duration,
    /// Whether values of rows are sent to the server.
    pub send_samples: bool,
}

/// The address that chat completions are asked of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint(Url);

/// Why a text is no [`Endpoint`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidEndpoint {
    /// It is no address of HTTP.
    #[error("must be an address such as https://models.example.com/v1")]
    NotHttp,
    /// It holds a user or a password, which would reach the logs.
    #[error("must hold neither user nor password: the key is a setting of its own")]
    Credentials,
    /// Something stands behind its path.
    #[error("must end with its path")]
    Tail,
    /// It names one call, not the place of all.
    #[error("must be the address before `/chat/completions`")]
    Call,
}

impl Endpoint {
    /// The chat completions below a base URL such as `http://127.0.0.1:11434/v1`.
    ///
    /// # Errors
    /// See [`InvalidEndpoint`].
    pub fn parse(base_url: &str) -> Result<Self, InvalidEndpoint> {
        let mut url = Url::parse(base_url.trim()).map_err(|_| InvalidEndpoint::NotHttp)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(InvalidEndpoint::NotHttp);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidEndpoint::Credentials);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidEndpoint::Tail);
        }
        if url.path().trim_end_matches('/').ends_with("/chat/completions") {
            return Err(InvalidEndpoint::Call);
        }
        url.path_segments_mut()
            .map_err(|()| InvalidEndpoint::NotHttp)?
            .pop_if_empty()
            .extend(["chat", "completions"]);
        Ok(Self(url))
    }

    /// Whether no host on the way can read the traffic: then a key may be sent.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        http::is_safe(&self.0)
    }

    pub(super) fn url(&self) -> &Url {
        &self.0
    }
}

/// An API key, as the header that carries it. The header is marked as sensitive, which redacts it in `Debug`
/// output.
#[derive(Debug, Clone)]
pub struct ApiKey(HeaderValue);

/// A key that no header can carry. It is not repeated here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be visible ASCII characters")]
pub struct InvalidApiKey;

impl ApiKey {
    /// Reads a key.
    ///
    /// # Errors
    /// When it is empty or holds what no header can.
    pub fn parse(text: &str) -> Result<Self, InvalidApiKey> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidApiKey);
        }
        let value = HeaderValue::try_from(format!("Bearer {text}"));
        let mut value = value.map_err(|_| InvalidApiKey)?;
        value.set_sensitive(true);
        Ok(Self(value))
    }

    pub(super) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn completions_are_below_the_base() {
        for (base, asked) in [
            ("http://127.0.0.1:11434/v1", "http://127.0.0.1:11434/v1/chat/completions"),
            ("https://models.example/v1/", "https://models.example/v1/chat/completions"),
            ("https://models.example", "https://models.example/chat/completions"),
            ("https://models.example/a/b/v1", "https://models.example/a/b/v1/chat/completions"),
        ] {
            assert_eq!(Endpoint::parse(base).unwrap().url().as_str(), asked);
        }
    }

    #[test]
    fn what_is_no_base_is_told_why() {
        for (base, fault) in [
            ("", InvalidEndpoint::NotHttp),
            ("models.example/v1", InvalidEndpoint::NotHttp),
            ("file:///v1", InvalidEndpoint::NotHttp),
            ("unix:/run/model.sock", InvalidEndpoint::NotHttp),
            ("https://ann:secret@models.example/v1", InvalidEndpoint::Credentials),
            ("https://models.example/v1?key=secret", InvalidEndpoint::Tail),
            ("https://models.example/v1#x", InvalidEndpoint::Tail),
            ("https://models.example/v1/chat/completions", InvalidEndpoint::Call),
            ("https://models.example/v1/chat/completions/", InvalidEndpoint::Call),
        ] {
            assert_eq!(Endpoint::parse(base), Err(fault), "{base}");
        }
    }

    #[test]
    fn a_key_is_never_shown() {
        let key = ApiKey::parse("sk-hunter2").unwrap();
        assert!(!format!("{key:?} {:?}", key.header()).contains("hunter2"));
        for text in ["", " ", "a b", "a\nb", "ключ"] {
            assert_eq!(ApiKey::parse(text).unwrap_err(), InvalidApiKey, "{text:?}");
        }
    }
}

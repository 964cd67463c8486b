//! The configuration of a model: its server and key. Must never reveal the key to anything but the server.

use std::time::Duration;

use reqwest::{Url, header::HeaderValue};
use thiserror::Error;

use crate::http;

/// The configuration of a model.
#[derive(Debug, Clone)]
pub struct ModelConfig {
    /// The server.
    pub endpoint: Endpoint,
    /// The model's name.
    pub model: String,
    /// The API key, if the server needs one.
    pub api_key: Option<ApiKey>,
    /// The maximum number of suggestions for one prompt.
    pub attempts: u32,
    /// The time limit of one prompt, all attempts together.
    pub timeout: Duration,
    /// Whether values of rows are sent to the server.
    pub send_samples: bool,
}

/// The URL of chat completions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint(Url);

/// The reason why a text is no [`Endpoint`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidEndpoint {
    /// It is no HTTP URL.
    #[error("must be an address such as https://models.example.com/v1")]
    NotHttp,
    /// It holds a user or a password, which would reach the logs.
    #[error("must hold neither user nor password: the key is a setting of its own")]
    Credentials,
    /// It has a query or a fragment.
    #[error("must end with its path")]
    Tail,
    /// It is the URL of a single call, not the base URL.
    #[error("must be the address before `/chat/completions`")]
    Call,
}

impl Endpoint {
    /// Returns the chat completions below a base URL such as `http://127.0.0.1:11434/v1`.
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

    /// Whether the traffic is protected, so that a key may be sent.
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

/// The error of a key that cannot be a header. Does not quote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be visible ASCII characters")]
pub struct InvalidApiKey;

impl ApiKey {
    /// Parses a key.
    ///
    /// # Errors
    /// When it is empty or cannot be a header.
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
    fn an_invalid_base_url_is_explained() {
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

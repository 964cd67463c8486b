//! The log lines of a server, read while it runs.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader},
    task::JoinHandle,
};

use crate::json::Json;

/// One line that a server wrote.
#[derive(Debug, Clone)]
pub struct LogLine {
    /// As written.
    pub raw: String,
    /// As JSON, if it is a JSON object.
    pub json: Option<Json>,
}

impl LogLine {
    fn new(raw: String) -> Self {
        let json = Json::parse(&raw).ok().filter(|json| matches!(json, Json::Object(_)));
        Self { raw, json }
    }

    /// Returns a field as plain text: a string without its quotes, anything else as written.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<String> {
        match self.json.as_ref()?.at(name)? {
            Json::Text(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }

    /// Whether the line has this level and this event.
    #[must_use]
    pub fn says(&self, level: &str, event: &str) -> bool {
        self.field("level").as_deref() == Some(level)
            && self.field("event").as_deref() == Some(event)
    }
}

impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.raw)
    }
}

/// The lines so far; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Logs(Arc<Mutex<Vec<LogLine>>>);

impl Logs {
    /// Reads `source` to its end in the background.
    pub fn follow(&self, source: impl AsyncRead + Send + Unpin + 'static) -> JoinHandle<()> {
        let lines = self.clone();
        tokio::spawn(async move {
            let mut source = BufReader::new(source).lines();
            while let Ok(Some(line)) = source.next_line().await {
                lines.0.lock().unwrap_or_else(PoisonError::into_inner).push(LogLine::new(line));
            }
        })
    }

    /// Returns the lines so far.
    #[must_use]
    pub fn lines(&self) -> Vec<LogLine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Removes the lines of one request.
    pub fn forget_request(&self, id: &str) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.retain(|line| line.field("request_id").as_deref() != Some(id));
    }

    /// Returns all lines as one text.
    #[must_use]
    pub fn text(&self) -> String {
        let lines: Vec<_> = self.lines().into_iter().map(|line| line.raw).collect();
        lines.join("\n")
    }
}

//! A server on loopback that speaks the chat-completions protocol in place of a model, with replies
//! that a scenario scripts.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// The API key that metricd sends.
pub const API_KEY: &str = "sk-0123456789abcdef-of-the-model";

/// A reply of the model to one request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// It writes this query.
    Query(String),
    /// It does not understand, for this reason.
    NotUnderstood(String),
    /// Its server refuses with this status.
    Status(u16),
    /// It never replies.
    Silence,
}

/// A server with scripted replies. It ends when it is dropped.
#[derive(Debug)]
pub struct ScriptedModel {
    address: SocketAddr,
    state: Arc<State>,
    serving: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct State {
    /// The last one is repeated.
    replies: Mutex<VecDeque<Reply>>,
    requests: Mutex<Vec<String>>,
}

impl ScriptedModel {
    /// Starts a server on a free port.
    ///
    /// # Errors
    /// When there is none.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no port for the model")?;
        let address = listener.local_addr()?;
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Ok(Self { address, state, serving })
    }

    /// Returns the base URL of its API.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Adds a reply. The last one is repeated.
    pub fn add(&self, reply: Reply) {
        self.state.replies.lock().unwrap_or_else(PoisonError::into_inner).push_back(reply);
    }

    /// Returns the requests so far, header and body.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.state.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for ScriptedModel {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Answers one request. The client may disconnect at any time.
async fn serve(mut stream: TcpStream, state: Arc<State>) {
    let Some(request) = read(&mut stream).await else { return };
    state.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request);
    let reply = {
        let mut replies = state.replies.lock().unwrap_or_else(PoisonError::into_inner);
        if replies.len() > 1 { replies.pop_front() } else { replies.front().cloned() }
    };
    let (status, body) = match reply {
        Some(Reply::Query(sql)) => {
            let written = json!({
                "understood": true, "sql": sql, "explanation": "As the model understands it.",
            });
            (200, completion(&written))
        }
        Some(Reply::NotUnderstood(explanation)) => {
            (200, completion(&json!({ "understood": false, "explanation": explanation })))
        }
        Some(Reply::Status(status)) => (status, json!({ "error": { "message": "no" } })),
        Some(Reply::Silence) | None => {
            let _ = stream.read_u8().await;
            return;
        }
    };
    let body = body.to_string();
    let text = format!(
        "HTTP/1.1 {status} Reply\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
}

fn completion(written: &Value) -> Value {
    let message = json!({ "role": "assistant", "content": written.to_string() });
    json!({ "choices": [{ "index": 0, "message": message, "finish_reason": "stop" }] })
}

async fn read(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let lower = head.to_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length: "))?;
    let mut body = vec![0; length.parse().ok()?];
    stream.read_exact(&mut body).await.ok()?;
    Some(head + &String::from_utf8(body).ok()?)
}

//! A model's server on this machine that answers as a test says, well or badly.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use metricd_infrastructure::generation::model::{ApiKey, Endpoint, ModelConfig, ModelGenerator};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

pub(crate) const KEY: &str = "sk-hunter2";

/// What the server does with a request.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// The model writes this.
    Says(String),
    /// 200 with this JSON.
    Body(Value),
    /// This status, with these header lines.
    Status(u16, &'static str),
    /// These bytes, and no more.
    Raw(Vec<u8>),
    /// A body that never ends.
    Endless,
    /// A body of which one byte comes now and then.
    Drips,
    /// Nothing at all.
    Silent,
    /// What `Says` does, once the test lets it.
    Held(String),
}

impl Act {
    pub(crate) fn query(sql: &str) -> Self {
        Self::Says(written(sql))
    }
}

/// A model's answer that holds this query.
pub(crate) fn written(sql: &str) -> String {
    json!({ "understood": true, "sql": sql, "explanation": "What was asked for." }).to_string()
}

/// A completion of which a part may be replaced.
pub(crate) fn completion(content: &str) -> Value {
    json!({
        "id": "c1",
        "object": "chat.completion",
        "created": 1_754_000_000,
        "model": "tiny",
        "choices": [{
            "index": 0,
            "message": { "role": "assistant", "content": content },
            "finish_reason": "stop",
        }],
        "usage": { "prompt_tokens": 321, "completion_tokens": 45, "total_tokens": 366 },
    })
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Its first line and its header, in lower case.
    pub(crate) head: String,
    /// Its body.
    pub(crate) body: Value,
}

impl Request {
    /// The kind of answer that was asked for.
    pub(crate) fn format(&self) -> Option<&str> {
        self.body["response_format"]["type"].as_str()
    }

    /// What was said in each turn.
    pub(crate) fn turns(&self) -> Vec<(&str, &str)> {
        let turns = self.body["messages"].as_array().unwrap();
        turns
            .iter()
            .map(|turn| (turn["role"].as_str().unwrap(), turn["content"].as_str().unwrap()))
            .collect()
    }
}

pub(crate) struct ModelServer {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    /// The last one is repeated.
    acts: Mutex<VecDeque<Act>>,
    requests: Mutex<Vec<Request>>,
    /// Requests whose client went away before its answer was whole.
    left: AtomicUsize,
    release: Semaphore,
}

impl ModelServer {
    pub(crate) async fn that(acts: impl IntoIterator<Item = Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            acts: Mutex::new(acts.into_iter().collect()),
            requests: Mutex::default(),
            left: AtomicUsize::new(0),
            release: Semaphore::new(0),
        });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self { address, state }
    }

    /// How it is asked, with a time that no test reaches.
    pub(crate) fn config(&self) -> ModelConfig {
        ModelConfig {
            endpoint: Endpoint::parse(&format!("http://{}/v1", self.address)).unwrap(),
            model: "tiny".into(),
            api_key: Some(ApiKey::parse(KEY).unwrap()),
            attempts: 3,
            timeout: Duration::from_mins(5),
            send_samples: false,
        }
    }

    pub(crate) fn generator(&self) -> ModelGenerator {
        ModelGenerator::new(self.config()).unwrap()
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.state.requests.lock().unwrap().clone()
    }

    /// How many clients left before their answer was whole.
    pub(crate) fn left(&self) -> usize {
        self.state.left.load(Ordering::SeqCst)
    }

    /// Lets answers go that are held.
    pub(crate) fn release(&self, answers: usize) {
        self.state.release.add_permits(answers);
    }
}

async fn serve(mut stream: TcpStream, state: Arc<State>) {
    let Some(request) = read(&mut stream).await else { return };
    state.requests.lock().unwrap().push(request);
    let act = {
        let mut acts = state.acts.lock().unwrap();
        if acts.len() > 1 { acts.pop_front() } else { acts.front().cloned() }
    };
    match act.expect("the server has something to do") {
        Act::Says(text) => answer(stream, &completion(&text)).await,
        Act::Body(body) => answer(stream, &body).await,
        Act::Held(text) => {
            state.release.acquire().await.unwrap().forget();
            answer(stream, &completion(&text)).await;
        }
        Act::Status(status, lines) => {
            let error = json!({ "error": { "message": format!("no: {KEY}") } }).to_string();
            let length = error.len();
            let head = format!("HTTP/1.1 {status} No\r\n{lines}content-length: {length}\r\n\r\n");
            end(stream, (head + &error).as_bytes()).await;
        }
        Act::Raw(bytes) => end(stream, &bytes).await,
        Act::Endless => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"choices\": [").await;
            while stream.write_all(&[b' '; 4096]).await.is_ok() {}
            state.left.fetch_add(1, Ordering::SeqCst);
        }
        Act::Drips => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n{").await;
            while stream.write_all(b" ").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            state.left.fetch_add(1, Ordering::SeqCst);
        }
        Act::Silent => {
            let _ = stream.read_u8().await;
            state.left.fetch_add(1, Ordering::SeqCst);
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length?.parse().unwrap()];
    stream.read_exact(&mut body).await.ok()?;
    Some(Request { head, body: serde_json::from_slice(&body).unwrap() })
}

async fn answer(stream: TcpStream, body: &Value) {
    let body = body.to_string();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    let text = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    end(stream, text.as_bytes()).await;
}

async fn end(mut stream: TcpStream, bytes: &[u8]) {
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
}

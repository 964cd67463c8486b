use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use metricd_infrastructure::auth::{KeySource, Url};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

/// What an issuer's server answers.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Json(Value),
    /// A whole HTTP response.
    Raw(String),
    /// Bytes without an end.
    Endless,
    /// This, once the test lets it.
    Held(Value),
}

/// An issuer's server on this machine, which counts who asks for what.
pub(crate) struct Server {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    answers: Mutex<HashMap<String, Answer>>,
    asked: Mutex<Vec<String>>,
    release: Semaphore,
}

impl Server {
    /// A server that gives this set of keys under `/keys`.
    pub(crate) async fn with_keys(jwks: Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            answers: Mutex::new(HashMap::from([("/keys".into(), Answer::Json(jwks))])),
            asked: Mutex::default(),
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

    pub(crate) fn url(&self, path: &str) -> Url {
        Url::parse(&format!("http://{}{path}", self.address)).unwrap()
    }

    pub(crate) fn keys(&self) -> KeySource {
        KeySource::Jwks(self.url("/keys"))
    }

    pub(crate) fn answer(&self, path: &str, answer: Answer) {
        self.state.answers.lock().unwrap().insert(path.into(), answer);
    }

    /// From now on the keys are these.
    pub(crate) fn rotate(&self, jwks: Value) {
        self.answer("/keys", Answer::Json(jwks));
    }

    /// From now on nothing comes from it but errors.
    pub(crate) fn fail(&self) {
        self.answer("/keys", Answer::Raw("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n".into()));
    }

    /// Lets one answer go that is held.
    pub(crate) fn release(&self) {
        self.state.release.add_permits(1);
    }

    /// What was asked for so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.state.asked.lock().unwrap().clone()
    }

    /// Waits until so many requests have come.
    pub(crate) async fn until_asked(&self, times: usize) {
        super::until(async || self.asked().len() >= times).await;
    }
}

async fn serve(mut stream: TcpStream, state: Arc<State>) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => request.push(byte),
            Err(_) => return,
        }
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    let answer = state.answers.lock().unwrap().get(&path).cloned();
    state.asked.lock().unwrap().push(path);
    let text = match answer {
        None => "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".into(),
        Some(Answer::Raw(text)) => text,
        Some(Answer::Json(value)) => json(&value),
        Some(Answer::Held(value)) => {
            state.release.acquire().await.unwrap().forget();
            json(&value)
        }
        Some(Answer::Endless) => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
            while stream.write_all(&[b' '; 4096]).await.is_ok() {}
            return;
        }
    };
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
}

fn json(value: &Value) -> String {
    let body = value.to_string();
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

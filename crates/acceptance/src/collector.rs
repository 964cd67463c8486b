//! A server on loopback that takes traces by OTLP over HTTP, and keeps what it was sent.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context as _, Result};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A collector of traces. It ends when it is dropped.
#[derive(Debug)]
pub struct TraceCollector {
    address: SocketAddr,
    bodies: Bodies,
    serving: JoinHandle<()>,
}

type Bodies = Arc<Mutex<Vec<Vec<u8>>>>;

impl TraceCollector {
    /// Starts a collector on a free port.
    ///
    /// # Errors
    /// When there is none.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.context("no port for the collector of traces")?;
        let address = listener.local_addr()?;
        let bodies = Bodies::default();
        let shared = Arc::clone(&bodies);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Ok(Self { address, bodies, serving })
    }

    /// Returns where it listens, as a URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Whether it was sent these bytes, in one piece.
    #[must_use]
    pub fn has(&self, bytes: &[u8]) -> bool {
        let bodies = self.bodies.lock().unwrap_or_else(PoisonError::into_inner);
        bodies.iter().any(|body| body.windows(bytes.len()).any(|part| part == bytes))
    }
}

impl Drop for TraceCollector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Takes what is sent on one connection. The client may close it at any time.
async fn serve(mut stream: TcpStream, bodies: Bodies) {
    while let Some(body) = read(&mut stream).await {
        bodies.lock().unwrap_or_else(PoisonError::into_inner).push(body);
        let answer =
            b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
        if stream.write_all(answer).await.is_err() {
            return;
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?.to_lowercase();
    if !head.starts_with("post /v1/traces ") {
        return None;
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
    let mut body = vec![0; length.parse().ok()?];
    stream.read_exact(&mut body).await.ok()?;
    Some(body)
}

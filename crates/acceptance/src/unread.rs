//! Clients that ask and do not read what they are answered.

use std::ops::ControlFlow::{Break, Continue};

use anyhow::{Result, ensure};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Duration, sleep},
};

use crate::process;

/// How much a slow client reads at a time, and how long it waits in between.
const PIECE_BYTES: usize = 64 * 1024;
const PAUSE: Duration = Duration::from_millis(50);

/// The connections of such clients.
#[derive(Debug, Default)]
pub struct UnreadClients(Vec<TcpStream>);

impl UnreadClients {
    /// Sends the text of one or many requests over one more connection to `address`.
    ///
    /// # Errors
    /// When there is no connection.
    pub async fn ask(&mut self, address: &str, requests: &str, is_half_closed: bool) -> Result<()> {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(requests.as_bytes()).await?;
        if is_half_closed {
            stream.shutdown().await?;
        }
        self.0.push(stream);
        Ok(())
    }

    /// Waits until the first bytes of every response are there, which are not read.
    ///
    /// # Errors
    /// When one ends without any.
    pub async fn are_answered(&self) -> Result<()> {
        for stream in &self.0 {
            let peeked =
                tokio::time::timeout(process::TIMEOUT, stream.peek(&mut [0; 12])).await??;
            ensure!(peeked > 0, "the connection has ended without a response");
        }
        Ok(())
    }

    /// Waits until the server has closed every connection, of which none is read meanwhile.
    ///
    /// # Errors
    /// When one stays.
    pub async fn are_closed(&mut self) -> Result<()> {
        process::poll_until(async || {
            let mut left = Vec::new();
            for stream in self.0.drain(..) {
                if !is_closed(&stream).await? {
                    left.push(stream);
                }
            }
            self.0 = left;
            let count = self.0.len();
            Ok(if count == 0 { Break(()) } else { Continue(format!("{count} are open")) })
        })
        .await
    }

    /// Reads what the last of them is sent, to its end.
    ///
    /// # Errors
    /// When there is none, or its connection does not end or is reset.
    pub async fn read(&mut self) -> Result<String> {
        let Some(mut stream) = self.0.pop() else { anyhow::bail!("no client has asked") };
        let mut all = Vec::new();
        tokio::time::timeout(process::TIMEOUT, stream.read_to_end(&mut all)).await??;
        Ok(String::from_utf8(all)?)
    }

    /// Reads slowly what the last of them is sent, to its end, and returns its length.
    ///
    /// # Errors
    /// When there is none, or its connection is reset.
    pub async fn read_slowly(&mut self) -> Result<usize> {
        let mut all = 0;
        let Some(mut stream) = self.0.pop() else { anyhow::bail!("no client has asked") };
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            match stream.read(&mut piece).await? {
                0 => return Ok(all),
                bytes => all += bytes,
            }
            sleep(PAUSE).await;
        }
    }
}

/// Whether the connection was reset, or ended without a response.
async fn is_closed(stream: &TcpStream) -> Result<bool> {
    let mut first = [0];
    let peeked = tokio::time::timeout(Duration::ZERO, stream.peek(&mut first)).await;
    Ok(stream.take_error()?.is_some() || matches!(peeked, Ok(Ok(0) | Err(_))))
}

//! A connection's stream that ends when its client does not take what is written, below HTTP, so that pipelined and
//! half-closed connections are covered too.
//!
//! Must never end a stream on which nothing waits to be written, however long it is idle.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::watch,
    time::{Instant, Sleep, sleep_until},
};
use tracing::debug;

/// How fast a client takes what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WritePace {
    /// How long writes may wait for the client, less what it took meanwhile at the minimum rate.
    pub timeout: Duration,
    /// The minimum rate, in bytes per second.
    pub min_bytes_per_second: u32,
}

impl WritePace {
    /// The time in which a client of the minimum rate takes so many bytes.
    fn time_for(self, bytes: usize) -> Duration {
        let nanos = bytes as u128 * 1_000_000_000 / u128::from(self.min_bytes_per_second.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// Whether a stream waits for its client to take what was written.
#[derive(Debug, Clone)]
pub(crate) struct Backlog(Arc<Unsent>);

#[derive(Debug)]
struct Unsent {
    waits: watch::Sender<bool>,
    /// A response is there that was not written to its end.
    has_response: AtomicBool,
}

impl Backlog {
    pub(crate) fn new() -> Self {
        let waits = watch::Sender::new(false);
        Self(Arc::new(Unsent { waits, has_response: AtomicBool::new(false) }))
    }

    /// A response is about to be written.
    pub(crate) fn begin_response(&self) {
        self.0.has_response.store(true, Ordering::Release);
    }

    /// Whether a response is being written, waiting or not.
    pub(crate) fn has_response(&self) -> bool {
        self.0.has_response.load(Ordering::Acquire)
    }

    pub(crate) fn is_there(&self) -> bool {
        *self.0.waits.borrow()
    }

    /// Waits until the client has taken what was written.
    pub(crate) async fn is_over(&self) {
        if self.is_there() {
            // The sender is here.
            let _ = self.0.waits.subscribe().wait_for(|is_there| !is_there).await;
        }
    }

    fn set(&self, is_there: bool) {
        self.0.waits.send_if_modified(|known| std::mem::replace(known, is_there) != is_there);
    }

    /// Everything was written.
    pub(crate) fn end_response(&self) {
        self.0.has_response.store(false, Ordering::Release);
    }
}

/// A stream whose writes fail once the client is too slow. A client has a budget of time: waiting takes from it, and
/// what the client takes adds to it, up to the timeout.
pub(crate) struct PacedStream<S> {
    stream: S,
    pace: WritePace,
    budget: Duration,
    /// Since when a write waits.
    waiting: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    backlog: Backlog,
    /// Has what is not sent thrown away, also by the system, when the stream is dropped.
    abandon: fn(&S),
    is_over: bool,
}

impl<S> PacedStream<S> {
    /// Paces the writes of `stream`, and tells in `backlog` whether they wait.
    pub(crate) fn new(stream: S, pace: WritePace, backlog: Backlog, abandon: fn(&S)) -> Self {
        let budget = pace.timeout;
        Self { stream, pace, budget, waiting: None, timer: None, backlog, abandon, is_over: false }
    }

    fn check(
        &mut self,
        written: Poll<io::Result<usize>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Ready(Ok(bytes)) => self.taken(*bytes),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => ready!(self.wait(context))?,
        }
        written
    }

    fn taken(&mut self, bytes: usize) {
        if let Some(since) = self.waiting.take() {
            self.budget = self.budget.saturating_sub(since.elapsed());
            self.backlog.set(false);
        }
        if self.budget < self.pace.timeout {
            let budget = self.budget.saturating_add(self.pace.time_for(bytes));
            self.budget = budget.min(self.pace.timeout);
        }
    }

    /// Is ready once the budget is spent.
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let is_new = self.waiting.is_none();
        let since = *self.waiting.get_or_insert_with(Instant::now);
        let deadline = since + self.budget;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if is_new {
            self.backlog.set(true);
            timer.as_mut().reset(deadline);
        }
        ready!(timer.as_mut().poll(context));
        if !self.is_over {
            self.is_over = true;
            debug!("Client too slow; closing its connection");
        }
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client is too slow")))
    }
}

/// A response that the client has not taken to its end stays nowhere, however the connection ends.
impl<S> Drop for PacedStream<S> {
    fn drop(&mut self) {
        if self.waiting.is_some() {
            (self.abandon)(&self.stream);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for PacedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for PacedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.check(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.check(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // HTTP flushes when all that it has is written.
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        self.backlog.end_response();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;

    const PACE: WritePace =
        WritePace { timeout: Duration::from_secs(30), min_bytes_per_second: 1_000 };

    /// What stands between the two ends.
    const PIPE_BYTES: usize = 4_000;

    fn pair() -> (PacedStream<DuplexStream>, DuplexStream, Backlog) {
        let (server, client) = duplex(PIPE_BYTES);
        let backlog = Backlog::new();
        (PacedStream::new(server, PACE, backlog.clone(), |_| {}), client, backlog)
    }

    /// Reads so many bytes each second until there are no more, and returns their number.
    async fn read_slowly(mut client: DuplexStream, bytes_per_second: usize) -> usize {
        let (mut all, mut some) = (0, vec![0; bytes_per_second]);
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            match client.read(&mut some).await {
                Ok(0) | Err(_) => return all,
                Ok(bytes) => all += bytes,
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_given_the_timeout() {
        let (mut stream, _client, backlog) = pair();
        let began = Instant::now();
        let error = stream.write_all(&[0; PIPE_BYTES + 1]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(began.elapsed() >= PACE.timeout && began.elapsed() < PACE.timeout * 2);
        assert!(backlog.is_there());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_of_the_minimum_rate_gets_everything() {
        let (mut stream, client, backlog) = pair();
        let reading = tokio::spawn(read_slowly(client, 1_100));
        stream.write_all(&vec![0; 500_000]).await.unwrap();
        assert!(!backlog.is_there());
        drop(stream);
        assert_eq!(reading.await.unwrap(), 500_000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_below_the_minimum_rate_does_not() {
        let (mut stream, client, _) = pair();
        let reading = tokio::spawn(read_slowly(client, 500));
        let error = stream.write_all(&vec![0; 500_000]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(stream);
        assert!(reading.await.unwrap() < 500_000);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_taken_fast_is_no_credit_for_longer_than_the_timeout() {
        let (mut stream, mut client, _) = pair();
        let reading = tokio::spawn(async move {
            client.read_exact(&mut vec![0; 1_000_000]).await.unwrap();
            client
        });
        stream.write_all(&vec![0; 1_000_000]).await.unwrap();
        let _client = reading.await.unwrap();
        let began = Instant::now();
        stream.write_all(&[0; PIPE_BYTES + 1]).await.unwrap_err();
        assert!(began.elapsed() < PACE.timeout * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_without_anything_to_write_lasts() {
        let (mut stream, mut client, backlog) = pair();
        stream.write_all(&[0; 10]).await.unwrap();
        tokio::time::sleep(PACE.timeout * 100).await;
        stream.write_all(&[0; 10]).await.unwrap();
        client.read_exact(&mut [0; 20]).await.unwrap();
        assert!(!backlog.is_there());
    }
}

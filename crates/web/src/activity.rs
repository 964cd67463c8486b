//! What a connection is doing, so that one that does nothing can give its place to another.
//!
//! Must never take a connection for idle while a request is handled or its response is sent.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::{sync::Notify, time::Instant};

use crate::paced_stream::Backlog;

/// The activity of one connection.
#[derive(Debug)]
pub(crate) struct Activity {
    /// Whether the client has not taken what it was sent.
    pub(crate) backlog: Backlog,
    state: Mutex<State>,
    evicted: Notify,
}

#[derive(Debug)]
struct State {
    requests: u32,
    is_unused: bool,
    idle_since: Instant,
    is_evicted: bool,
}

/// A request that is handled, or answered by a stream that has not ended.
#[derive(Debug)]
pub(crate) struct Busy(Arc<Activity>);

impl Activity {
    /// A connection that has just been accepted.
    pub(crate) fn new() -> Self {
        let state =
            State { requests: 0, is_unused: true, idle_since: Instant::now(), is_evicted: false };
        Self { backlog: Backlog::new(), state: Mutex::new(state), evicted: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a request.
    pub(crate) fn begin(self: &Arc<Self>) -> Busy {
        let mut state = self.state();
        state.requests += 1;
        state.is_unused = false;
        drop(state);
        Busy(Arc::clone(self))
    }

    /// Returns since when nothing was done, unless something is, or the place was given away.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        let state = self.state();
        let is_sending = self.backlog.has_response() || self.backlog.is_there();
        let is_idle = state.requests == 0 && !state.is_evicted && !is_sending;
        is_idle.then_some(state.idle_since)
    }

    /// Whether no request has begun on it.
    pub(crate) fn is_unused(&self) -> bool {
        self.state().is_unused
    }

    /// Ends the connection.
    pub(crate) fn evict(&self) {
        self.state().is_evicted = true;
        self.evicted.notify_one();
    }

    /// Waits until the connection has to end.
    pub(crate) async fn evicted(&self) {
        self.evicted.notified().await;
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        // What is left of the response is written after this.
        self.0.backlog.begin_response();
        let mut state = self.0.state();
        state.requests -= 1;
        state.idle_since = Instant::now();
    }
}

impl Busy {
    /// Lasts until the body of `response` has ended, if it is a stream; any other is written at once.
    pub(crate) fn until_sent(self, response: Response) -> Response {
        if response.body().size_hint().exact().is_some() {
            return response;
        }
        response.map(|body| Body::new(HoldingBody::new(body, self)))
    }
}

/// A streamed body that holds something until it has ended.
pub(crate) struct HoldingBody<T> {
    body: Body,
    _held: T,
}

impl<T> HoldingBody<T> {
    pub(crate) fn new(body: Body, held: T) -> Self {
        Self { body, _held: held }
    }
}

impl<T: Unpin> HttpBody for HoldingBody<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_from_the_end_of_its_last_stream() {
        let activity = Arc::new(Activity::new());
        let accepted = activity.idle_since().unwrap();
        let busy = activity.begin();
        assert_eq!(activity.idle_since(), None);
        let stream = Body::from_stream(futures::stream::empty::<Result<Bytes, std::io::Error>>());
        let response = busy.until_sent(Response::new(stream));
        assert_eq!(activity.idle_since(), None);
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
        drop(response);
        assert_eq!(activity.idle_since(), None);
        activity.backlog.end_response();
        assert!(activity.idle_since().unwrap() > accepted);
        activity.evict();
        assert_eq!(activity.idle_since(), None);
        activity.evicted().await;
    }
}

//! Bytes in flight: a limit on what bodies that are being sent take, and what a response holds until it is sent.
//!
//! Must never count a body twice that many clients are sent, nor let go of one before its last byte is written.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{
    body::{Body, HttpBody as _},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::debug;

use super::rate::BucketKey;
use crate::{activity::HoldingBody, concurrency::InProgress, problem::Problem};

/// Smaller bodies are not counted: the limit on connections bounds them. A stream is a sequence of such.
const SMALL_BYTES: usize = 64 * 1024;

/// The limit is in units of so many bytes.
const UNIT_BYTES: usize = 1_024;

/// How long a response waits for a place.
const PLACE_TIMEOUT: Duration = Duration::from_secs(5);

/// Of the limit, how much may wait for a place beside it.
const WAITING_SHARE: u32 = 4;

/// What a request holds until its response is sent: the place of its caller or client among those at once.
#[derive(Debug, Clone)]
pub(crate) struct RequestPlace(
    #[expect(dead_code, reason = "dropped, it is free")] Arc<InProgress<BucketKey>>,
);

impl RequestPlace {
    pub(crate) fn new(place: InProgress<BucketKey>) -> Self {
        Self(Arc::new(place))
    }
}

/// Limits the bytes of bodies that are being sent.
pub(crate) struct BytesInFlight {
    units: Arc<Semaphore>,
    most: u32,
    waiting: AtomicU32,
    sent: SentBodies,
}

/// The bodies that are being sent, by the address and length of what they are in memory.
type SentBodies = Arc<Mutex<HashMap<(usize, usize), Weak<SentBody>>>>;

/// A body that is being sent, to one client or many.
struct SentBody {
    bytes: Bytes,
    bodies: SentBodies,
    _units: OwnedSemaphorePermit,
}

impl Drop for SentBody {
    fn drop(&mut self) {
        let mut bodies = self.bodies.lock().unwrap_or_else(PoisonError::into_inner);
        let key = key(&self.bytes);
        // Another one may have taken its place.
        if bodies.get(&key).is_some_and(|body| body.strong_count() == 0) {
            bodies.remove(&key);
        }
    }
}

/// Bytes that hold something until they are written.
struct HoldingBytes<T> {
    bytes: Bytes,
    _held: T,
}

impl<T> AsRef<[u8]> for HoldingBytes<T> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

fn holding<T: Send + 'static>(bytes: Bytes, held: T) -> Bytes {
    Bytes::from_owner(HoldingBytes { bytes, _held: held })
}

fn key(bytes: &Bytes) -> (usize, usize) {
    (bytes.as_ptr().addr(), bytes.len())
}

impl BytesInFlight {
    /// Allows so many bytes at once.
    pub(crate) fn new(max_bytes: u64) -> Self {
        let most = u32::try_from(max_bytes / UNIT_BYTES as u64).unwrap_or(u32::MAX).max(1);
        Self {
            units: Arc::new(Semaphore::new(most as usize)),
            most,
            waiting: AtomicU32::new(0),
            sent: SentBodies::default(),
        }
    }

    /// The bytes that are counted at present.
    pub(crate) fn bytes(&self) -> u64 {
        let free = u32::try_from(self.units.available_permits()).unwrap_or(self.most);
        u64::from(self.most.saturating_sub(free)) * UNIT_BYTES as u64
    }

    /// Counts the body of `response` until it is written, or returns the response in its place where there is no room
    /// for it in time.
    pub(crate) async fn admit(&self, response: Response) -> Response {
        let (parts, body) = response.into_parts();
        let bytes = match whole(body) {
            Ok(bytes) => bytes,
            Err(body) => return Response::from_parts(parts, body),
        };
        match self.sent_body(&bytes).await {
            Some(body) => Response::from_parts(parts, Body::from(holding(bytes, body))),
            None => Problem::server_busy().into_response(),
        }
    }

    async fn sent_body(&self, bytes: &Bytes) -> Option<Arc<SentBody>> {
        if let Some(body) = self.known(bytes) {
            return Some(body);
        }
        let units = u32::try_from(bytes.len().div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX);
        let place = self.place(units.min(self.most)).await?;
        let mut bodies = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let known = bodies.get(&key(bytes)).and_then(Weak::upgrade);
        Some(known.unwrap_or_else(|| {
            let bodies_of_all = Arc::clone(&self.sent);
            let body = SentBody { bytes: bytes.clone(), bodies: bodies_of_all, _units: place };
            let body = Arc::new(body);
            bodies.insert(key(bytes), Arc::downgrade(&body));
            body
        }))
    }

    fn known(&self, bytes: &Bytes) -> Option<Arc<SentBody>> {
        let bodies = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        bodies.get(&key(bytes)).and_then(Weak::upgrade)
    }

    /// What waits is in memory, too, so only so much does.
    async fn place(&self, units: u32) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = Arc::clone(&self.units).try_acquire_many_owned(units) {
            return Some(place);
        }
        let waiting = Waiting::begin(&self.waiting, units);
        let place = if waiting.before > 0 && waiting.before + units > self.most / WAITING_SHARE {
            None
        } else {
            let place = Arc::clone(&self.units).acquire_many_owned(units);
            tokio::time::timeout(PLACE_TIMEOUT, place).await.ok().and_then(Result::ok)
        };
        if place.is_none() {
            debug!("Response refused; too many bytes are being sent");
        }
        place
    }
}

/// A response that waits for a place.
struct Waiting<'a> {
    all: &'a AtomicU32,
    units: u32,
    before: u32,
}

impl<'a> Waiting<'a> {
    fn begin(all: &'a AtomicU32, units: u32) -> Self {
        Self { all, units, before: all.fetch_add(units, Ordering::Relaxed) }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.all.fetch_sub(self.units, Ordering::Relaxed);
    }
}

/// Has `response` hold its places until it is sent. A small body is handed over at once.
pub(crate) fn hold(mut response: Response, client: Option<RequestPlace>) -> Response {
    let caller = response.extensions_mut().remove::<RequestPlace>();
    if caller.is_none() && client.is_none() {
        return response;
    }
    response.map(|body| match whole(body) {
        Ok(bytes) => Body::from(holding(bytes, (caller, client))),
        Err(body) if body.size_hint().exact().is_some() => body,
        Err(body) => Body::new(HoldingBody::new(body, (caller, client))),
    })
}

/// Returns the bytes of a body that is large and wholly in memory.
fn whole(body: Body) -> Result<Bytes, Body> {
    let is_large = |bytes: &u64| *bytes >= SMALL_BYTES as u64;
    let Some(length) = body.size_hint().exact().filter(is_large) else {
        return Err(body);
    };
    let mut stream = body.into_data_stream();
    let first = match stream.next().now_or_never() {
        Some(Some(Ok(bytes))) if bytes.len() as u64 == length => return Ok(bytes),
        first => first.flatten(),
    };
    Err(Body::from_stream(stream::iter(first).chain(stream)))
}

#[cfg(test)]
mod tests {
    use axum::{body::to_bytes, http::StatusCode};

    use super::*;
    use crate::concurrency::Concurrency;

    const BODY_BYTES: usize = 100 * 1024;

    fn bytes() -> Bytes {
        Bytes::from(vec![b'x'; BODY_BYTES])
    }

    /// Has room for one body and a half.
    fn limit() -> BytesInFlight {
        BytesInFlight::new(BODY_BYTES as u64 * 3 / 2)
    }

    fn response(bytes: &Bytes) -> Response {
        Response::new(Body::from(bytes.clone()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_many_are_sent_counts_once() {
        let (limit, bytes) = (limit(), bytes());
        let mut sent = Vec::new();
        for _ in 0..10 {
            sent.push(limit.admit(response(&bytes)).await);
            assert_eq!(sent.last().unwrap().status(), StatusCode::OK);
        }
        assert_eq!(limit.admit(response(&self::bytes())).await.status(), 503);
        drop(sent);
        assert_eq!(limit.admit(response(&self::bytes())).await.status(), StatusCode::OK);
        assert!(limit.sent.lock().unwrap().len() <= 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_counts_until_its_bytes_are_written() {
        let limit = limit();
        let first = limit.admit(response(&bytes())).await;
        let in_hyper = to_bytes(first.into_body(), usize::MAX).await.unwrap();
        assert_eq!(in_hyper, bytes());
        let refused = limit.admit(response(&bytes())).await;
        assert_eq!(refused.status(), 503);
        assert_eq!(refused.headers()["retry-after"], "1");
        assert_eq!(limit.admit(Response::new(Body::from("small"))).await.status(), StatusCode::OK);
        drop(in_hyper);
        assert!(limit.sent.lock().unwrap().is_empty());
        assert_eq!(limit.admit(response(&bytes())).await.status(), StatusCode::OK);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_waits_for_its_place_and_few_do() {
        let limit = limit();
        let first = limit.admit(response(&bytes())).await;
        let (second, third) = (bytes(), bytes());
        let waiting = limit.admit(response(&second));
        tokio::pin!(waiting);
        assert!(futures::poll!(&mut waiting).is_pending());
        // There is no room for another one that waits: it is refused at once.
        assert_eq!(limit.admit(response(&third)).now_or_never().unwrap().status(), 503);
        drop(first);
        assert_eq!(waiting.await.status(), StatusCode::OK);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_larger_than_the_limit_is_sent_alone() {
        let limit = BytesInFlight::new(70 * 1024);
        let first = limit.admit(response(&bytes())).await;
        assert_eq!(first.status(), StatusCode::OK);
        assert_eq!(limit.admit(response(&bytes())).await.status(), 503);
    }

    #[tokio::test]
    async fn a_place_is_held_until_the_response_was_sent() {
        let places = Concurrency::new(1);
        let key = BucketKey::Address([192, 0, 2, 1].into());
        let place = || places.enter(key.clone()).map(RequestPlace::new);
        let stream = Body::from_stream(stream::iter([Ok::<_, std::io::Error>(bytes())]));
        for body in [Body::from(bytes()), stream] {
            let mut response = Response::new(body);
            response.extensions_mut().insert(place().unwrap());
            let response = hold(response, None);
            assert!(place().is_none());
            let sent = to_bytes(response.into_body(), usize::MAX).await.unwrap();
            assert_eq!(sent, bytes());
            drop(sent);
            assert!(place().is_some());
        }
    }
}

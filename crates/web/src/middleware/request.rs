//! Request ids, and one span and one log line for each request.

use std::{
    error::Error,
    future::poll_fn,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{self, Poll, ready},
    time::{Duration, Instant},
};

use axum::{
    extract::Request,
    http::{HeaderValue, StatusCode},
    response::Response,
};
use metricd_application::{error_chain, ports::Ids};
use prometheus_client::metrics::counter::Counter;
use tracing::{Span, error, field, info, info_span, warn};
use uuid::Uuid;

use super::headers::{CACHE_STATUS, REQUEST_ID};
use crate::{
    http_metrics::{CacheUse, InFlight, OperationMetrics},
    problem::LoggedError,
};

/// Returns the id that the client gave a request, if it is safe to log, else a new one.
pub(crate) fn request_id(request: &Request, ids: &dyn Ids) -> HeaderValue {
    let given = request.headers().get(&REQUEST_ID).filter(|id| is_safe_to_log(id));
    given.cloned().unwrap_or_else(|| {
        let mut text = Uuid::encode_buffer();
        let text = ids.fresh().hyphenated().encode_lower(&mut text);
        HeaderValue::from_str(text).expect("a UUID is a valid header value")
    })
}

/// Opens the span of a request. Handlers fill in what they find out.
pub(crate) fn request_span(request: &Request, operation: &str, id: &HeaderValue) -> Span {
    info_span!(
        "request",
        otel.name = operation,
        otel.kind = "server",
        trace_id = field::Empty,
        operation,
        request_id = id.to_str().ok(),
        method = request.method().as_str(),
        path = request.uri().path(),
        actor = field::Empty,
        metric_id = field::Empty,
        start_date = field::Empty,
        end_date = field::Empty,
        day_range = field::Empty,
        timezone = field::Empty,
        cache = field::Empty,
        sampled = field::Empty,
        status = field::Empty,
        duration_ms = field::Empty,
    )
}

/// Logs and counts a request exactly once: when it has a response, or when it is dropped because the client left.
pub(crate) struct RequestGuard<'a> {
    span: Span,
    /// `None` where neither the log nor the metrics need it.
    started: Option<Instant>,
    is_answered: bool,
    /// `None` where they are not collected.
    metrics: Option<&'a OperationMetrics>,
    _in_flight: Option<InFlight>,
}

impl<'a> RequestGuard<'a> {
    /// The status of a request whose client closed the connection, as nginx logs it.
    const CLIENT_CLOSED_REQUEST: u16 = 499;

    /// Starts the clock of the request of this span.
    pub(crate) fn new(span: Span, metrics: Option<&'a OperationMetrics>) -> Self {
        let in_flight = metrics.map(OperationMetrics::begin);
        let started = (metrics.is_some() || !span.is_disabled()).then(Instant::now);
        Self { span, started, is_answered: false, metrics, _in_flight: in_flight }
    }

    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    /// Does what the request asks for, in its span.
    pub(crate) async fn run<F: Future>(&self, work: F) -> F::Output {
        let mut work = pin!(Some(work));
        let mut within = WithinSpan { span: &self.span, work: work.as_mut() };
        poll_fn(|context| within.poll(context)).await
    }

    /// Counts the response, and logs it if it is not left out by `sample`.
    pub(crate) fn finish(mut self, response: &Response, sample: &HitSample) {
        self.is_answered = true;
        let Some(started) = self.started else { return log_failure(response) };
        let (took, cache) = (started.elapsed(), cache_use(response));
        if let Some(metrics) = self.metrics {
            metrics.count(response.status(), cache, took);
        }
        if self.span.is_disabled() {
            return log_failure(response);
        }
        if cache == CacheUse::Hit {
            match sample.admit() {
                Sampled::No => return,
                Sampled::One => {}
                Sampled::OneOf(number) => drop(self.span.record("sampled", number)),
            }
        }
        if cache != CacheUse::None {
            self.span.record("cache", cache.as_str());
        }
        self.close(response.status().as_u16(), took);
        self.span.in_scope(|| {
            log_failure(response);
            info!("Endpoint called");
        });
    }

    fn close(&self, status: u16, took: Duration) {
        let micros = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
        self.span.record("status", status);
        self.span.record("duration_ms", f64::from(micros) / 1_000.0);
    }
}

impl Drop for RequestGuard<'_> {
    fn drop(&mut self) {
        if self.is_answered {
            return;
        }
        let Some(started) = self.started else { return };
        let took = started.elapsed();
        let closed =
            StatusCode::from_u16(Self::CLIENT_CLOSED_REQUEST).expect("it has three digits");
        if let Some(metrics) = self.metrics {
            metrics.count(closed, CacheUse::None, took);
        }
        self.close(Self::CLIENT_CLOSED_REQUEST, took);
        self.span.in_scope(|| info!("Endpoint called"));
    }
}

/// What is polled, and dropped, in a span that is borrowed: each copy of it would be one more look-up in the registry.
struct WithinSpan<'a, F> {
    span: &'a Span,
    /// `None` once it is done.
    work: Pin<&'a mut Option<F>>,
}

impl<F: Future> WithinSpan<'_, F> {
    fn poll(&mut self, context: &mut task::Context<'_>) -> Poll<F::Output> {
        let _entered = self.span.enter();
        let work = self.work.as_mut().as_pin_mut().expect("it is not polled once it is done");
        let output = ready!(work.poll(context));
        self.work.set(None);
        Poll::Ready(output)
    }
}

impl<F> Drop for WithinSpan<'_, F> {
    fn drop(&mut self) {
        if self.work.is_some() {
            let _entered = self.span.enter();
            self.work.set(None);
        }
    }
}

/// Which of the requests that are answered from memory are logged.
#[derive(Debug)]
pub(crate) struct HitSample {
    /// One of so many.
    one_of: u32,
    count: AtomicU32,
}

/// Whether a request is logged.
enum Sampled {
    No,
    /// As all are.
    One,
    /// For so many.
    OneOf(u32),
}

impl HitSample {
    pub(crate) fn new(one_of: u32) -> Self {
        Self { one_of: one_of.max(1), count: AtomicU32::new(0) }
    }

    fn admit(&self) -> Sampled {
        if self.one_of == 1 {
            Sampled::One
        } else if self.count.fetch_add(1, Ordering::Relaxed).is_multiple_of(self.one_of) {
            Sampled::OneOf(self.one_of)
        } else {
            Sampled::No
        }
    }
}

/// A client's own request id is used if it is short and plain.
fn is_safe_to_log(id: &HeaderValue) -> bool {
    let fits = |b: &u8| b.is_ascii_alphanumeric() || b"-_.:".contains(b);
    (1..=128).contains(&id.len()) && id.as_bytes().iter().all(fits)
}

/// Where the body is from, as the response tells its client.
fn cache_use(response: &Response) -> CacheUse {
    match response.headers().get(CACHE_STATUS).map(HeaderValue::as_bytes) {
        Some(status) if status.starts_with(b"metricd; hit") => CacheUse::Hit,
        Some(_) => CacheUse::Miss,
        None => CacheUse::None,
    }
}

fn log_failure(response: &Response) {
    match response.extensions().get::<LoggedError>() {
        Some(LoggedError::Validation(faults)) => {
            warn!(errors = faults.join("; "), "Validation error");
        }
        // It is expected while much is asked for, or a dependency is away.
        Some(LoggedError::Failure(failure))
            if response.status() == StatusCode::SERVICE_UNAVAILABLE =>
        {
            warn!(error = error_chain(failure.as_ref()), "Service unavailable");
        }
        Some(LoggedError::Failure(failure)) => {
            error!(error = error_chain(failure.as_ref()), "Unhandled exception");
        }
        // Told once for many.
        Some(LoggedError::Overload) | None => {}
    }
}

/// Tells of requests that are refused because there are too many: once a second, however many there are.
#[derive(Debug, Clone, Default)]
pub(crate) struct OverloadLog {
    /// The requests refused since the last line.
    refused: Arc<AtomicU32>,
    /// All of them.
    total: Counter,
}

impl OverloadLog {
    const INTERVAL: Duration = Duration::from_secs(1);

    /// Counts all of them in `total` too.
    pub(crate) fn new(total: Counter) -> Self {
        Self { refused: Arc::default(), total }
    }

    /// Counts a response that refuses its request.
    pub(crate) fn note(&self, response: &Response) {
        let logged = response.extensions().get::<LoggedError>();
        if !matches!(logged, Some(LoggedError::Overload)) {
            return;
        }
        self.total.inc();
        if self.refused.fetch_add(1, Ordering::Relaxed) > 0 {
            return;
        }
        let count = Arc::clone(&self.refused);
        tokio::spawn(async move {
            tokio::time::sleep(Self::INTERVAL).await;
            let refused = count.swap(0, Ordering::Relaxed);
            warn!(refused, "Overloaded; requests are refused");
        });
    }
}

/// A panic of a handler, as an error for the log.
#[derive(Debug)]
pub(crate) struct Panicked(pub(crate) String);

impl std::fmt::Display for Panicked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the handler panicked: {}", self.0)
    }
}

impl Error for Panicked {}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    struct NilIds;

    impl Ids for NilIds {
        fn fresh(&self) -> Uuid {
            Uuid::nil()
        }
    }

    #[test]
    fn an_id_that_is_not_safe_to_log_is_replaced() {
        let id = |given: &[u8]| {
            let given = HeaderValue::from_bytes(given).unwrap();
            let request = Request::builder().header(REQUEST_ID, given).body(Body::empty()).unwrap();
            request_id(&request, &NilIds)
        };
        assert_eq!(id(b"a-b_1"), "a-b_1");
        assert_eq!(id(b"two words"), Uuid::nil().to_string());
        assert_eq!(id("\u{e4}".as_bytes()), Uuid::nil().to_string());
    }
}

//! Request ids, and one span and one log line for each request.

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue, StatusCode},
    response::Response,
};
use metricd_application::{error_chain, ports::Ids};
use tracing::{Span, error, field, info, info_span, warn};
use uuid::Uuid;

use crate::problem::LoggedError;

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

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
        operation,
        request_id = id.to_str().ok(),
        method = %request.method(),
        path = request.uri().path(),
        actor = field::Empty,
        metric_id = field::Empty,
        start_date = field::Empty,
        end_date = field::Empty,
        day_range = field::Empty,
        timezone = field::Empty,
        status = field::Empty,
        duration_ms = field::Empty,
    )
}

/// Logs a request exactly once: when it has a response, or when it is dropped because the client left.
pub(crate) struct RequestLogGuard {
    span: Span,
    /// `None` where the span is disabled.
    started: Option<Instant>,
    is_answered: bool,
}

impl RequestLogGuard {
    /// The status of a request whose client closed the connection, as nginx logs it.
    const CLIENT_CLOSED_REQUEST: u16 = 499;

    /// Starts the clock of the request of this span.
    pub(crate) fn new(span: Span) -> Self {
        let started = (!span.is_disabled()).then(Instant::now);
        Self { span, started, is_answered: false }
    }

    /// Logs the response.
    pub(crate) fn finish(mut self, response: &Response) {
        self.is_answered = true;
        self.close(response.status().as_u16());
        self.span.in_scope(|| log(response));
    }

    fn close(&self, status: u16) {
        let Some(started) = self.started else { return };
        let micros = u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX);
        self.span.record("status", status);
        self.span.record("duration_ms", f64::from(micros) / 1_000.0);
    }
}

impl Drop for RequestLogGuard {
    fn drop(&mut self) {
        if !self.is_answered {
            self.close(Self::CLIENT_CLOSED_REQUEST);
            self.span.in_scope(|| info!("Endpoint called"));
        }
    }
}

/// A client's own request id is used if it is short and plain.
fn is_safe_to_log(id: &HeaderValue) -> bool {
    let fits = |b: &u8| b.is_ascii_alphanumeric() || b"-_.:".contains(b);
    (1..=128).contains(&id.len()) && id.as_bytes().iter().all(fits)
}

fn log(response: &Response) {
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
    info!("Endpoint called");
}

/// Tells of requests that are refused because there are too many: once a second, however many there are.
#[derive(Debug, Clone, Default)]
pub(crate) struct OverloadLog(Arc<AtomicU32>);

impl OverloadLog {
    const INTERVAL: Duration = Duration::from_secs(1);

    /// Counts a response that refuses its request.
    pub(crate) fn note(&self, response: &Response) {
        let logged = response.extensions().get::<LoggedError>();
        if !matches!(logged, Some(LoggedError::Overload))
            || self.0.fetch_add(1, Ordering::Relaxed) > 0
        {
            return;
        }
        let count = Arc::clone(&self.0);
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

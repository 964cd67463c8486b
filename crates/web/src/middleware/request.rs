//! One span and one log line for each request, and its id.

use std::{collections::HashMap, error::Error, sync::Arc, time::Instant};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, Method},
    middleware::Next,
    response::Response,
};
use metricd_application::ports::Ids;
use tracing::{Instrument, Span, error, field, info, info_span, warn};
use utoipa::openapi::OpenApi;

use crate::problem::Cause;

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request, for whoever answers it.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub(crate) Arc<str>);

/// What the middleware knows of the whole server.
#[derive(Clone)]
pub(crate) struct Requests {
    operations: Arc<Operations>,
    ids: Arc<dyn Ids>,
}

/// The operation of each route, as the OpenAPI document names it.
type Operations = HashMap<(Method, String), String>;

impl Requests {
    /// Takes the names of the operations from `api`.
    pub(crate) fn new(api: &OpenApi, ids: Arc<dyn Ids>) -> Self {
        let mut operations = Operations::new();
        for (path, item) in &api.paths.paths {
            let methods = [
                (Method::GET, &item.get),
                (Method::POST, &item.post),
                (Method::PUT, &item.put),
                (Method::PATCH, &item.patch),
                (Method::DELETE, &item.delete),
            ];
            for (method, operation) in methods {
                let id = operation.as_ref().and_then(|operation| operation.operation_id.clone());
                if let Some(id) = id {
                    operations.insert((method, path.clone()), id);
                }
            }
        }
        Self { operations: Arc::new(operations), ids }
    }

    fn operation(&self, request: &Request) -> &str {
        let Some(path) = request.extensions().get::<MatchedPath>() else {
            return "not_found";
        };
        let method = match *request.method() {
            Method::HEAD => &Method::GET,
            ref method => method,
        };
        let key = (method.clone(), path.as_str().to_owned());
        match self.operations.get(&key) {
            Some(operation) => operation,
            None if path.as_str().starts_with("/docs") => "get_docs",
            None => "method_not_allowed",
        }
    }
}

/// Runs a request inside its span and logs how it ended.
pub(crate) async fn observe(
    State(requests): State<Requests>,
    mut request: Request,
    next: Next,
) -> Response {
    let request_id = request
        .headers()
        .get(&REQUEST_ID)
        .filter(|id| is_fit_to_log(id))
        .cloned()
        .or_else(|| HeaderValue::try_from(requests.ids.fresh().to_string()).ok());
    let span = info_span!(
        "request",
        operation = requests.operation(&request),
        request_id = request_id.as_ref().and_then(|id| id.to_str().ok()),
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
    );
    if let Some(id) = request_id.as_ref().and_then(|id| id.to_str().ok()) {
        request.extensions_mut().insert(RequestId(id.into()));
    }
    let watch = Watch { span: span.clone(), started: Instant::now(), is_answered: false };
    let mut response = next.run(request).instrument(span).await;
    watch.answered(&response);
    if let Some(id) = request_id {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// Sees to it that a request is logged once: answered, or left by its caller.
struct Watch {
    span: Span,
    started: Instant,
    is_answered: bool,
}

impl Watch {
    /// The status of a request whose caller did not wait for the answer: nginx's word for it.
    const CLIENT_LEFT: u16 = 499;

    fn answered(mut self, response: &Response) {
        self.is_answered = true;
        self.close(response.status().as_u16());
        self.span.in_scope(|| log(response));
    }

    fn close(&self, status: u16) {
        let micros = u32::try_from(self.started.elapsed().as_micros()).unwrap_or(u32::MAX);
        self.span.record("status", status);
        self.span.record("duration_ms", f64::from(micros) / 1_000.0);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.is_answered {
            self.close(Self::CLIENT_LEFT);
            self.span.in_scope(|| info!("Endpoint called"));
        }
    }
}

/// A caller's own request id is taken when it is short and plain.
fn is_fit_to_log(id: &HeaderValue) -> bool {
    let fits = |b: &u8| b.is_ascii_alphanumeric() || b"-_.:".contains(b);
    (1..=128).contains(&id.len()) && id.as_bytes().iter().all(fits)
}

fn log(response: &Response) {
    match response.extensions().get::<Cause>() {
        Some(Cause::Validation(faults)) => warn!(errors = faults.join("; "), "Validation error"),
        Some(Cause::Failure(failure)) => {
            error!(error = chain(failure.as_ref()), "Unhandled exception");
        }
        None => {}
    }
    info!("Endpoint called");
}

/// An error with everything that caused it, outermost first. Some libraries' errors repeat their
/// cause in their own text; it stands here once.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        source = cause.source();
    }
    text
}

/// A panic of a handler, as an error to be logged.
#[derive(Debug)]
pub(crate) struct Panicked(pub(crate) String);

impl std::fmt::Display for Panicked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the handler panicked: {}", self.0)
    }
}

impl Error for Panicked {}

//! One span and one log line for each request, and its id.

use std::{error::Error, sync::Arc, time::Instant};

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue, Method},
    response::Response,
};
use metricd_application::ports::Ids;
use tracing::{Span, error, field, info, info_span, warn};
use utoipa::openapi::OpenApi;
use uuid::Uuid;

use crate::problem::LoggedError;

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Names requests, for the log and for whoever sent them.
pub(crate) struct Requests {
    operations: Operations,
    ids: Arc<dyn Ids>,
}

/// The operations of each path, as the OpenAPI document names them.
type Operations = matchit::Router<Vec<(Method, String)>>;

/// What is there beside what the document names.
const UNDOCUMENTED: [(&str, &str); 5] = [
    ("/", "get_root"),
    ("/openapi.json", "get_openapi"),
    ("/docs", "get_docs"),
    ("/docs/", "get_docs"),
    ("/docs/{*rest}", "get_docs"),
];

impl Requests {
    /// Takes the names of the operations from `api`.
    pub(crate) fn new(api: &OpenApi, ids: Arc<dyn Ids>) -> Self {
        let documented = api.paths.paths.iter().map(|(path, item)| {
            let methods = [
                (Method::GET, &item.get),
                (Method::POST, &item.post),
                (Method::PUT, &item.put),
                (Method::PATCH, &item.patch),
                (Method::DELETE, &item.delete),
            ];
            let named = methods.into_iter().filter_map(|(method, operation)| {
                Some((method, operation.as_ref()?.operation_id.clone()?))
            });
            (path.as_str(), named.collect())
        });
        let others = UNDOCUMENTED.map(|(path, name)| (path, vec![(Method::GET, name.into())]));
        let mut operations = Operations::new();
        for (path, named) in documented.chain(others) {
            operations.insert(path, named).expect("axum has taken the same paths");
        }
        Self { operations, ids }
    }

    /// The id that the caller gave a request, if it is fit to be logged, else a new one.
    pub(crate) fn id(&self, request: &Request) -> HeaderValue {
        let given = request.headers().get(&REQUEST_ID).filter(|id| is_fit_to_log(id));
        given.cloned().unwrap_or_else(|| {
            let mut text = Uuid::encode_buffer();
            let text = self.ids.fresh().hyphenated().encode_lower(&mut text);
            HeaderValue::from_str(text).expect("a UUID is fit for a header")
        })
    }

    /// What the log says of a request.
    pub(crate) fn span(&self, request: &Request, id: &HeaderValue) -> Span {
        info_span!(
            "request",
            operation = self.operation(request.method(), request.uri().path()),
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

    fn operation(&self, method: &Method, path: &str) -> &str {
        let Ok(found) = self.operations.at(path) else {
            return "not_found";
        };
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let named = found.value.iter().find(|(known, _)| known == method);
        named.map_or("method_not_allowed", |(_, name)| name)
    }
}

/// Sees to it that a request is logged once: answered, or left by its caller.
pub(crate) struct Watch {
    span: Span,
    /// `None`: nobody wants to know of this request.
    started: Option<Instant>,
    is_answered: bool,
}

impl Watch {
    /// The status of a request whose caller did not wait for the answer: nginx's word for it.
    const CLIENT_LEFT: u16 = 499;

    /// Begins to watch a request, whose span it is.
    pub(crate) fn new(span: Span) -> Self {
        let started = (!span.is_disabled()).then(Instant::now);
        Self { span, started, is_answered: false }
    }

    pub(crate) fn answered(mut self, response: &Response) {
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
    match response.extensions().get::<LoggedError>() {
        Some(LoggedError::Validation(faults)) => {
            warn!(errors = faults.join("; "), "Validation error");
        }
        Some(LoggedError::Failure(failure)) => {
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

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;
    use crate::router::documented;

    struct Nil;

    impl Ids for Nil {
        fn fresh(&self) -> Uuid {
            Uuid::nil()
        }
    }

    fn requests() -> Requests {
        Requests::new(&documented().1, Arc::new(Nil))
    }

    #[test]
    fn a_request_is_named_as_the_document_names_it() {
        let requests = requests();
        for (method, path, name) in [
            (Method::GET, "/metrics", "list_metrics"),
            (Method::HEAD, "/metrics/some-id", "get_metrics"),
            (Method::POST, "/metrics/some-id/metric-records", "create_metric_record"),
            (Method::PUT, "/metrics", "method_not_allowed"),
            (Method::GET, "/docs/index.html", "get_docs"),
            (Method::GET, "/", "get_root"),
            (Method::GET, "/nothing", "not_found"),
        ] {
            assert_eq!(requests.operation(&method, path), name, "{method} {path}");
        }
    }

    #[test]
    fn an_id_that_is_not_fit_to_be_logged_is_replaced() {
        let id = |given: &[u8]| {
            let given = HeaderValue::from_bytes(given).unwrap();
            let request = Request::builder().header(REQUEST_ID, given).body(Body::empty()).unwrap();
            requests().id(&request)
        };
        assert_eq!(id(b"a-b_1"), "a-b_1");
        assert_eq!(id(b"two words"), Uuid::nil().to_string());
        assert_eq!(id("\u{e4}".as_bytes()), Uuid::nil().to_string());
    }
}

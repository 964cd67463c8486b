//! What a request may cost before anybody looks at what it asks: the size of its head, and its time.

use std::time::Duration;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{problem::Problem, upload::Format};

/// The longest path and query string.
const MAX_TARGET_BYTES: usize = 8_192;

/// What one request may cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestLimits {
    /// The most that all header fields together may take, in bytes.
    pub(crate) max_header_bytes: usize,
    /// The longest that it may be worked on.
    pub(crate) timeout: Duration,
    /// The same, where its body is many records.
    pub(crate) upload_timeout: Duration,
}

/// Refuses a request whose head is too large. Answers 504 and drops the work, with its unit of work,
/// when the time has passed.
pub(crate) async fn enforce(
    State(limits): State<RequestLimits>,
    request: Request,
    next: Next,
) -> Response {
    if let Err(problem) = check_head(&request, limits.max_header_bytes) {
        return problem.into_response();
    }
    let is_upload = request.uri().path().ends_with("/metric-records")
        && Format::of(request.headers()).is_some();
    let timeout = if is_upload { limits.upload_timeout } else { limits.timeout };
    match tokio::time::timeout(timeout, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::deadline().into_response(),
    }
}

fn check_head(request: &Request, max_header_bytes: usize) -> Result<(), Problem> {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if target > MAX_TARGET_BYTES {
        return Err(Problem::new(StatusCode::URI_TOO_LONG, "The address is too long"));
    }
    if size(request.headers()) > max_header_bytes {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Err(Problem::new(status, "The header fields are too large"));
    }
    Ok(())
}

fn size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

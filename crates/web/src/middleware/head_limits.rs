//! Limits on the head of a request, checked before anything else looks at it.

use axum::{
    extract::Request,
    http::{HeaderMap, StatusCode},
};

use crate::problem::Problem;

/// The longest path and query string.
const MAX_TARGET_BYTES: usize = 8_192;

/// The largest head of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeadLimits {
    /// The most bytes of all header fields together.
    pub(crate) max_header_bytes: usize,
}

impl HeadLimits {
    /// Refuses a request whose head is too large.
    pub(crate) fn check(self, request: &Request) -> Result<(), Problem> {
        let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
        if target > MAX_TARGET_BYTES {
            return Err(Problem::new(StatusCode::URI_TOO_LONG, "The URL is too long"));
        }
        if size_bytes(request.headers()) > self.max_header_bytes {
            let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            return Err(Problem::new(status, "The header fields are too large"));
        }
        Ok(())
    }
}

fn size_bytes(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

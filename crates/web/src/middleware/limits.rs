//! What a request may cost before anybody looks at what it asks: the size of its head, and its time.

use std::time::Duration;

use axum::{
    extract::Request,
    http::{HeaderMap, StatusCode},
};

use crate::{problem::Problem, upload::Format};

/// The longest path and query string.
const MAX_TARGET_BYTES: usize = 8_192;

/// What one request may cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestLimits {
    /// The most that all header fields together may take, in bytes.
    pub(crate) max_header_bytes: usize,
    /// The largest body that is read as a whole, in bytes.
    pub(crate) max_body_bytes: usize,
    /// The longest that it may be worked on.
    pub(crate) timeout: Duration,
    /// The same, where its body is many records.
    pub(crate) upload_timeout: Duration,
}

impl RequestLimits {
    /// Refuses a request whose head is too large.
    pub(crate) fn check_head(&self, request: &Request) -> Result<(), Problem> {
        let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
        if target > MAX_TARGET_BYTES {
            return Err(Problem::new(StatusCode::URI_TOO_LONG, "The URL is too long"));
        }
        if size(request.headers()) > self.max_header_bytes {
            let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            return Err(Problem::new(status, "The header fields are too large"));
        }
        Ok(())
    }

    /// How long a request may be worked on.
    pub(crate) fn time_for(&self, request: &Request) -> Duration {
        let is_upload = request.uri().path().ends_with("/metric-records")
            && Format::of(request.headers()).is_some();
        if is_upload { self.upload_timeout } else { self.timeout }
    }
}

fn size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

//! What a request's head may be, and what every answer says to browsers.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::problem::Problem;

/// The longest path and query string.
const MAX_TARGET_BYTES: usize = 8_192;

/// Refuses a request whose header fields together are longer than `limit` bytes, or whose address
/// is too long.
pub(crate) async fn limit(State(limit): State<usize>, request: Request, next: Next) -> Response {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if target > MAX_TARGET_BYTES {
        return Problem::new(StatusCode::URI_TOO_LONG, "The address is too long").into_response();
    }
    if size(request.headers()) > limit {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Problem::new(status, "The header fields are too large").into_response();
    }
    next.run(request).await
}

fn size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

/// The documentation page runs its own scripts and styles; nothing else is a page.
const PAGE: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                    object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const DATA: &str = "default-src 'none'; frame-ancestors 'none'";

/// Tells browsers to run nothing that we did not mean to be run, to show us in nobody's frame, and to
/// tell nobody where they come from.
pub(crate) async fn secure(request: Request, next: Next) -> Response {
    let is_page = request.uri().path().starts_with("/docs");
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    set(header::CONTENT_SECURITY_POLICY, if is_page { PAGE } else { DATA });
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(header::REFERRER_POLICY, "no-referrer");
    if !is_page {
        set(header::CACHE_CONTROL, "private, no-cache");
        let parts = |value: &HeaderValue| {
            let mut names = value.to_str().unwrap_or_default().split(',').map(str::trim);
            names.any(|name| name.eq_ignore_ascii_case("authorization"))
        };
        if !headers.get_all(header::VARY).iter().any(parts) {
            headers.append(header::VARY, HeaderValue::from_static("authorization"));
        }
    }
    response
}

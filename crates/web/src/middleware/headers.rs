//! Response headers: caching, and what browsers may do with a response.

use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub(crate) const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
pub(crate) const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// The content security policy of the documentation page; nothing else is a page.
const PAGE: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                    object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const DATA: &str = "default-src 'none'; frame-ancestors 'none'";

/// Marks a response as part of the documentation page, which is the same for every client.
#[derive(Debug, Clone, Copy)]
struct IsPage;

/// Marks a response as part of the documentation page.
pub(crate) fn page<B>(mut response: Response<B>) -> Response<B> {
    response.extensions_mut().insert(IsPage);
    response
}

/// The headers of every answer of a metric, with or without a body. Values that differ between answers
/// are empty.
static NOT_MODIFIED: LazyLock<HeaderMap> = LazyLock::new(|| {
    let mut headers = HeaderMap::new();
    make_private(&mut headers);
    protect(&mut headers, DATA);
    for name in [header::AGE, CACHE_STATUS, SERVER_TIMING, header::ETAG, REQUEST_ID] {
        headers.insert(name, HeaderValue::from_static(""));
    }
    headers
});

/// The same, with the headers on a body.
static ANSWER: LazyLock<HeaderMap> = LazyLock::new(|| {
    let mut headers = NOT_MODIFIED.clone();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static(""));
    headers
});

/// Returns the headers of a metric's answer, with its origin, age and tag still empty. To clone a map costs
/// less than to build one, and no insertion makes this one grow.
pub(crate) fn answer(bytes: usize) -> HeaderMap {
    let mut headers = ANSWER.clone();
    headers.insert(header::CONTENT_LENGTH, bytes.into());
    headers
}

/// Returns the headers of a metric's answer that the client has already.
pub(crate) fn not_modified() -> HeaderMap {
    NOT_MODIFIED.clone()
}

/// Restricts caching to the client, with revalidation, and names the request headers that the response
/// depends on.
pub(crate) fn make_private(headers: &mut HeaderMap) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    let vary = HeaderValue::from_static("Authorization, Accept, Accept-Encoding");
    headers.insert(header::VARY, vary);
}

/// Forbids browsers to run foreign scripts, to frame the response, to guess its type, and to send a referrer.
fn protect(headers: &mut HeaderMap, policy: &'static str) {
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// Adds the headers that a response lacks.
pub(crate) fn complete<B>(mut response: Response<B>) -> Response<B> {
    let is_page = response.extensions().get::<IsPage>().is_some();
    let leaves_body = response.status() == StatusCode::PAYLOAD_TOO_LARGE;
    let headers = response.headers_mut();
    if leaves_body {
        // The rest of the request is not read, so the connection ends. A client that does not know it sends its next
        // request there.
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        // It was made from `answer` or `not_modified`.
        return response;
    }
    protect(headers, if is_page { PAGE } else { DATA });
    if !is_page {
        let private = HeaderValue::from_static("private, no-cache");
        headers.entry(header::CACHE_CONTROL).or_insert(private);
        vary(headers, "authorization");
    }
    vary(headers, "accept-encoding");
    response
}

/// Adds a request header to `Vary`, unless it is there.
fn vary(headers: &mut HeaderMap, name: &'static str) {
    let names_it = |value: &HeaderValue| {
        let mut names = value.to_str().unwrap_or_default().split(',').map(str::trim);
        names.any(|known| known.eq_ignore_ascii_case(name))
    };
    if !headers.get_all(header::VARY).iter().any(names_it) {
        headers.append(header::VARY, HeaderValue::from_static(name));
    }
}

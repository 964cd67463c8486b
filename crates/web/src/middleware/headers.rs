//! What every answer says to browsers and to caches.

use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, header};

use super::request::REQUEST_ID;

pub(crate) const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
pub(crate) const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// The documentation page runs its own scripts and styles; nothing else is a page.
const PAGE: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                    object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const DATA: &str = "default-src 'none'; frame-ancestors 'none'";

/// Marks the answer as part of a page, the same for everybody.
#[derive(Debug, Clone, Copy)]
struct IsPage;

/// Says that an answer is part of a page.
pub(crate) fn page<B>(mut response: Response<B>) -> Response<B> {
    response.extensions_mut().insert(IsPage);
    response
}

/// What every answer of a metric says, whether it has a body or not. What differs from one to the next
/// is empty.
static OF_UNCHANGED: LazyLock<HeaderMap> = LazyLock::new(|| {
    let mut headers = HeaderMap::new();
    make_private(&mut headers);
    protect(&mut headers, DATA);
    for name in [header::AGE, CACHE_STATUS, SERVER_TIMING, header::ETAG, REQUEST_ID] {
        headers.insert(name, HeaderValue::from_static(""));
    }
    headers
});

/// The same with what is said of a body.
static OF_ANSWERS: LazyLock<HeaderMap> = LazyLock::new(|| {
    let mut headers = OF_UNCHANGED.clone();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static(""));
    headers
});

/// The header fields that a metric's answer of so many bytes begins with. Where it comes from, its age and
/// its tag are still to be put in. A map that is copied costs less than one that is made field by field,
/// and one that need not grow less than one that must.
pub(crate) fn of_answers(bytes: usize) -> HeaderMap {
    let mut headers = OF_ANSWERS.clone();
    headers.insert(header::CONTENT_LENGTH, bytes.into());
    headers
}

/// The same of an answer that the caller has.
pub(crate) fn of_unchanged() -> HeaderMap {
    OF_UNCHANGED.clone()
}

/// Says that it is for this caller only, who asks again each time, and what it depends on.
pub(crate) fn make_private(headers: &mut HeaderMap) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    let vary = HeaderValue::from_static("Authorization, Accept, Accept-Encoding");
    headers.insert(header::VARY, vary);
}

/// Tells browsers to run nothing that we did not mean to be run, to show us in nobody's frame, and to
/// tell nobody where they come from.
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

/// Adds what an answer does not say yet to what it says.
pub(crate) fn secure<B>(mut response: Response<B>) -> Response<B> {
    let is_page = response.extensions().get::<IsPage>().is_some();
    let headers = response.headers_mut();
    if headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        // It began with all that is said of answers.
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

/// Says that the answer depends on a request's header, if that is not said yet.
fn vary(headers: &mut HeaderMap, name: &'static str) {
    let says = |value: &HeaderValue| {
        let mut names = value.to_str().unwrap_or_default().split(',').map(str::trim);
        names.any(|known| known.eq_ignore_ascii_case(name))
    };
    if !headers.get_all(header::VARY).iter().any(says) {
        headers.append(header::VARY, HeaderValue::from_static(name));
    }
}

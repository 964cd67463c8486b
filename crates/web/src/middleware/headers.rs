//! What every answer says to browsers and to caches.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, header};

/// What a metric's answer depends on.
pub(crate) const VARY_OF_ANSWERS: &str = "Authorization, Accept, Accept-Encoding";

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

/// Tells browsers to run nothing that we did not mean to be run, to show us in nobody's frame, and to
/// tell nobody where they come from.
pub(crate) fn secure<B>(mut response: Response<B>) -> Response<B> {
    let is_page = response.extensions().get::<IsPage>().is_some();
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
    let is_said = headers.get(header::VARY).is_some_and(|value| value == VARY_OF_ANSWERS)
        || headers.get_all(header::VARY).iter().any(says);
    if !is_said {
        headers.append(header::VARY, HeaderValue::from_static(name));
    }
}

//! The answer to a request that took effect before.

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use metricd_application::ports::StoredResponse;

/// Says that an answer was given before.
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The answer as it was. All that is kept was made: 201.
pub(crate) fn replay(StoredResponse { location, body }: StoredResponse) -> Response {
    let mut response = match body {
        Some(body) => {
            let kind = [(header::CONTENT_TYPE, "application/json")];
            (StatusCode::CREATED, kind, body).into_response()
        }
        None => StatusCode::CREATED.into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    if let Some(location) = location.and_then(|location| location.try_into().ok()) {
        headers.insert(header::LOCATION, location);
    }
    response
}

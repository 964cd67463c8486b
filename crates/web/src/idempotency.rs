//! The HTTP side of idempotent requests: the key, the fingerprint, and the replayed response.

use std::convert::Infallible;

use aws_lc_rs::digest;
use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use metricd_application::ports::{IdempotentRequest, StoredResponse};
use metricd_core::idempotency::{IdempotencyKey, InvalidKey};

use crate::{
    check::Checked,
    extract::{JsonBody, JsonInput, unreadable},
    validation::{ValidationError, ValidationErrors},
};

/// The client's name for a request that must take effect only once.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Marks a response that is replayed.
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// A JSON body, and the idempotent request that it makes if it has a key.
pub(crate) struct IdempotentBody<T> {
    pub(crate) request: Checked<Option<IdempotentRequest>>,
    pub(crate) body: Checked<T>,
}

impl<T, S> FromRequest<S> for IdempotentBody<T>
where
    T: JsonInput,
    S: Send + Sync,
{
    type Rejection = Infallible;

    async fn from_request(request: Request, state: &S) -> Result<Self, Infallible> {
        if !request.headers().contains_key(IDEMPOTENCY_KEY) {
            let JsonBody(body) = JsonBody::from_request(request, state).await?;
            return Ok(Self { request: Ok(None).into(), body });
        }
        let key = idempotency_key(request.headers());
        let mut fingerprint = RequestFingerprint::of_head(&request);
        let (parts, body) = request.into_parts();
        let sent = Bytes::from_request(Request::from_parts(parts.clone(), body), state).await;
        let body = match sent {
            Ok(bytes) => {
                fingerprint.update(&bytes);
                let request = Request::from_parts(parts, bytes.into());
                JsonBody::from_request(request, state).await?.0
            }
            Err(rejection) => Checked::unreadable(unreadable(&rejection)),
        };
        let fingerprint = fingerprint.finish();
        let request = key.map(|key| key.map(|key| IdempotentRequest { key, fingerprint }));
        Ok(Self { request: request.into(), body })
    }
}

/// A hash of a request, which tells whether a key is used again for the same one.
pub(crate) struct RequestFingerprint(digest::Context);

impl RequestFingerprint {
    /// Begins with the method and the path.
    pub(crate) fn of_head(request: &Request) -> Self {
        let mut hash = digest::Context::new(&digest::SHA256);
        for part in [request.method().as_str(), request.uri().path()] {
            hash.update(part.as_bytes());
            hash.update(b"\n");
        }
        Self(hash)
    }

    /// Adds the next bytes of the body.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Returns the hash.
    pub(crate) fn finish(self) -> [u8; 32] {
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(self.0.finish().as_ref());
        fingerprint
    }
}

/// Returns the key of a request, if it has one.
pub(crate) fn idempotency_key(
    headers: &HeaderMap,
) -> Result<Option<IdempotencyKey>, ValidationErrors> {
    let mut all = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = all.next() else { return Ok(None) };
    let key = IdempotencyKey::parse(value.to_str().unwrap_or_default()).ok();
    let key = key.filter(|_| all.next().is_none());
    key.map(Some).ok_or_else(|| {
        let loc = ["header", "idempotency-key"];
        ValidationError::at(&loc, "value_error", InvalidKey.to_string()).into()
    })
}

/// Returns the stored response once more. Only responses with 201 are stored.
pub(crate) fn replay(StoredResponse { location, body }: StoredResponse) -> Response {
    let mut response = match body {
        Some(body) => {
            let content_type = [(header::CONTENT_TYPE, "application/json")];
            (StatusCode::CREATED, content_type, body).into_response()
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

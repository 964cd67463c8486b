//! Packing bodies as callers like it.

use std::{convert::Infallible, future::ready};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Request, header},
    response::Response,
};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_http::compression::CompressionLayer;

/// The ways to pack that a caller takes.
pub(crate) struct Taken(Vec<HeaderValue>);

impl Taken {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        Self(headers.get_all(header::ACCEPT_ENCODING).iter().cloned().collect())
    }

    /// Packs the body of a response, if that is worth it and the body is not packed already.
    pub(crate) async fn pack(self, response: Response) -> Response {
        if self.0.is_empty() || response.headers().contains_key(header::CONTENT_ENCODING) {
            return response;
        }
        let mut request = Request::new(Body::empty());
        request
            .headers_mut()
            .extend(self.0.into_iter().map(|value| (header::ACCEPT_ENCODING, value)));
        let mut response = Some(response);
        let given = service_fn(move |_| {
            ready(Ok::<_, Infallible>(response.take().expect("there is one request")))
        });
        let Ok(packed) = CompressionLayer::new().layer(given).oneshot(request).await;
        packed.map(Body::new)
    }
}

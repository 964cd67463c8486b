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

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    async fn packed(taken: &[&'static str], response: Response) -> (Option<HeaderValue>, usize) {
        let mut headers = HeaderMap::new();
        for value in taken {
            headers.append(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
        }
        let response = Taken::of(&headers).pack(response).await;
        let encoding = response.headers().get(header::CONTENT_ENCODING).cloned();
        (encoding, to_bytes(response.into_body(), usize::MAX).await.unwrap().len())
    }

    fn long() -> Response {
        let mut response = Response::new(Body::from("a".repeat(10_000)));
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response
    }

    #[tokio::test]
    async fn a_body_is_packed_once_and_as_its_caller_takes_it() {
        let (encoding, size) = packed(&["gzip"], long()).await;
        assert_eq!(encoding.unwrap(), "gzip");
        assert!(size < 1_000, "{size}");
        assert_eq!(packed(&["identity", "br"], long()).await.0.unwrap(), "br");
        assert_eq!(packed(&[], long()).await, (None, 10_000));
        assert_eq!(packed(&["identity"], long()).await, (None, 10_000));

        let mut already = long();
        let gzip = HeaderValue::from_static("gzip");
        already.headers_mut().insert(header::CONTENT_ENCODING, gzip.clone());
        assert_eq!(packed(&["br"], already).await, (Some(gzip), 10_000));
    }
}

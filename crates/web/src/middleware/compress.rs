//! Compression of response bodies.
//!
//! Must never compress a body that is encoded already.

use std::{
    convert::Infallible,
    future::ready,
    io::{self, Write as _},
    num::NonZeroUsize,
    sync::LazyLock,
};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Request, header},
    response::Response,
};
use brotli::enc::BrotliEncoderParams;
use bytes::Bytes;
use flate2::write::GzEncoder;
use tokio::sync::{Semaphore, SemaphorePermit};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_http::compression::CompressionLayer;

use crate::negotiation::ContentEncoding;

/// A turn to compress a whole body. There is one for each processor: more would not be faster, and each takes
/// several times the memory of its body.
pub(crate) async fn turn() -> SemaphorePermit<'static> {
    static TURNS: LazyLock<Semaphore> = LazyLock::new(|| {
        Semaphore::new(std::thread::available_parallelism().map_or(1, NonZeroUsize::get))
    });
    TURNS.acquire().await.expect("it is never closed")
}

/// Compresses a whole body.
pub(crate) fn compress(body: &Bytes, encoding: ContentEncoding) -> io::Result<Bytes> {
    let mut compressed = Vec::with_capacity(body.len() / 4);
    match encoding {
        ContentEncoding::Brotli => {
            let settings = BrotliEncoderParams { quality: 5, ..Default::default() };
            brotli::BrotliCompress(&mut body.as_ref(), &mut compressed, &settings)?;
        }
        ContentEncoding::Gzip => {
            let mut encoder = GzEncoder::new(compressed, flate2::Compression::default());
            encoder.write_all(body)?;
            compressed = encoder.finish()?;
        }
    }
    Ok(compressed.into())
}

/// The encodings that a request accepts, kept while the request itself is handled.
pub(crate) struct AcceptedEncodings(Vec<HeaderValue>);

impl AcceptedEncodings {
    /// Takes them from the headers of a request.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        Self(headers.get_all(header::ACCEPT_ENCODING).iter().cloned().collect())
    }

    /// Compresses the body of a response, if that is worth it and the body is not encoded already.
    pub(crate) async fn compress(self, response: Response) -> Response {
        if self.0.is_empty() || response.headers().contains_key(header::CONTENT_ENCODING) {
            return response;
        }
        let mut request = Request::new(Body::empty());
        request
            .headers_mut()
            .extend(self.0.into_iter().map(|value| (header::ACCEPT_ENCODING, value)));
        let mut response = Some(response);
        let respond = service_fn(move |_| {
            ready(Ok::<_, Infallible>(response.take().expect("it is called once")))
        });
        let Ok(compressed) = CompressionLayer::new().layer(respond).oneshot(request).await;
        compressed.map(Body::new)
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    async fn compressed(
        accepted: &[&'static str],
        response: Response,
    ) -> (Option<HeaderValue>, usize) {
        let mut headers = HeaderMap::new();
        for value in accepted {
            headers.append(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
        }
        let response = AcceptedEncodings::of(&headers).compress(response).await;
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
    async fn a_body_is_encoded_once_and_as_the_request_accepts() {
        let (encoding, size) = compressed(&["gzip"], long()).await;
        assert_eq!(encoding.unwrap(), "gzip");
        assert!(size < 1_000, "{size}");
        assert_eq!(compressed(&["identity", "br"], long()).await.0.unwrap(), "br");
        assert_eq!(compressed(&[], long()).await, (None, 10_000));
        assert_eq!(compressed(&["identity"], long()).await, (None, 10_000));

        let mut already = long();
        let gzip = HeaderValue::from_static("gzip");
        already.headers_mut().insert(header::CONTENT_ENCODING, gzip.clone());
        assert_eq!(compressed(&["br"], already).await, (Some(gzip), 10_000));
    }

    #[test]
    fn a_compressed_body_decompresses_to_itself() {
        use std::io::Read as _;
        let body = Bytes::from("a body ".repeat(1_000));
        let mut plain = Vec::new();
        let gzip = compress(&body, ContentEncoding::Gzip).unwrap();
        flate2::read::GzDecoder::new(gzip.as_ref()).read_to_end(&mut plain).unwrap();
        assert_eq!(plain, body);
        let brotli = compress(&body, ContentEncoding::Brotli).unwrap();
        plain.clear();
        brotli::BrotliDecompress(&mut brotli.as_ref(), &mut plain).unwrap();
        assert_eq!(plain, body);
    }
}

//! Spools a request body to a temporary file, so that no transaction waits for a client.
//!
//! Must never hold more of a body in memory than a frame.

use std::{fs::File, future::poll_fn, io::Seek as _, pin::Pin, time::Duration};

use axum::{body::Body, extract::Request, http::StatusCode};
use bytes::Bytes;
use hyper::body::{Body as _, Frame};
use tokio::io::AsyncWriteExt as _;

use crate::{idempotency::RequestFingerprint, problem::Problem};

/// A whole body on disk.
pub(crate) struct SpooledBody {
    /// An unlinked file, which ends with its last handle; at its start.
    pub(crate) file: File,
    /// A hash of the request.
    pub(crate) fingerprint: [u8; 32],
}

/// Spools the body of `request`: at most `max_bytes`, with at most `idle_timeout` between two frames.
pub(crate) async fn spool(
    request: Request,
    max_bytes: u64,
    idle_timeout: Duration,
) -> Result<SpooledBody, Problem> {
    let mut fingerprint = RequestFingerprint::of_head(&request);
    let too_large = || Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large");
    let mut body = request.into_body();
    if body.size_hint().lower() > max_bytes {
        return Err(too_large());
    }
    let file = tempfile::tempfile().map_err(Problem::internal)?;
    let mut file = tokio::io::BufWriter::new(tokio::fs::File::from_std(file));
    let mut spooled_bytes = 0;
    loop {
        let frame = tokio::time::timeout(idle_timeout, next_frame(&mut body)).await;
        let frame = frame.map_err(|_| {
            Problem::new(StatusCode::REQUEST_TIMEOUT, "Timed out waiting for the request body")
        })?;
        let data = match frame {
            None => break,
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            Some(Err(_)) => {
                return Err(Problem::new(StatusCode::BAD_REQUEST, "The body ended too early"));
            }
        };
        spooled_bytes += data.len() as u64;
        if spooled_bytes > max_bytes {
            return Err(too_large());
        }
        fingerprint.update(&data);
        file.write_all(&data).await.map_err(Problem::internal)?;
    }
    file.flush().await.map_err(Problem::internal)?;
    let mut file = file.into_inner().into_std().await;
    file.rewind().map_err(Problem::internal)?;
    Ok(SpooledBody { file, fingerprint: fingerprint.finish() })
}

async fn next_frame(body: &mut Body) -> Option<Result<Frame<Bytes>, axum::Error>> {
    poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, io::Read as _};

    use axum::response::IntoResponse as _;
    use futures::{Stream, StreamExt as _, stream};

    use super::*;

    const IDLE_TIMEOUT: Duration = Duration::from_secs(1);

    fn body() -> impl Stream<Item = Result<Bytes, Infallible>> {
        stream::iter([b"a".as_slice(), b"bc"]).map(|chunk| Ok(Bytes::from_static(chunk)))
    }

    async fn refusal(request: Request, max_bytes: u64) -> u16 {
        let refused = spool(request, max_bytes, IDLE_TIMEOUT).await.map(|_| ()).unwrap_err();
        refused.into_response().status().as_u16()
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_is_spooled_as_it_was_sent() {
        let request = Request::new(Body::from_stream(body()));
        let mut body = spool(request, 3, IDLE_TIMEOUT).await.unwrap();
        let mut text = String::new();
        body.file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "abc");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_is_too_long_or_stalls_is_refused() {
        assert_eq!(refusal(Request::new(Body::from_stream(body())), 2).await, 413);
        let stalled = Body::from_stream(body().chain(stream::pending()));
        assert_eq!(refusal(Request::new(stalled), 3).await, 408);
    }
}

//! The steps before all routes in two forms, over the same trivial handler: one function that calls them in
//! order, as [`App`](metricd_web::App) does, and a stack of concrete tower layers without a box. ADR 12 has
//! what it decides.
//!
//! Both open a span, add headers, negotiate compression, and limit the time and catch a panic. They are
//! written here, with nothing of metricd's own in them, so that only their form differs.

use std::{
    convert::Infallible, future::ready, hint::black_box, panic::AssertUnwindSafe, time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderName, HeaderValue, Request, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use criterion::{Criterion, criterion_group, criterion_main};
use futures::FutureExt as _;
use tokio::runtime::Runtime;
use tower::{Layer as _, Service, ServiceBuilder, ServiceExt as _, layer::layer_fn, service_fn};
use tower_http::compression::{CompressionBody, CompressionLayer};
use tracing::{Instrument as _, info_span};

const TIMEOUT: Duration = Duration::from_mins(1);
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

fn routes() -> Router {
    Router::new().route("/metrics/{id}", get(|| async { "[]" }))
}

/// One function for each step, each of which calls the next one.
#[derive(Clone)]
struct Steps {
    routes: Router,
}

impl Steps {
    async fn trace(&self, request: Request<Body>) -> Response {
        let span = info_span!("request", path = request.uri().path());
        let mut response = self.add_headers(request).instrument(span).await;
        response.headers_mut().insert(REQUEST_ID, HeaderValue::from_static("1"));
        response
    }

    async fn add_headers(&self, request: Request<Body>) -> Response {
        with_headers(self.compress(request).await)
    }

    async fn compress(&self, request: Request<Body>) -> Response {
        let accepted = request.headers().get(header::ACCEPT_ENCODING).cloned();
        let response = self.limit(request).await;
        match accepted {
            None => response,
            Some(accepted) => compressed(accepted, response).await,
        }
    }

    async fn limit(&self, request: Request<Body>) -> Response {
        let mut routes = self.routes.clone();
        let Ok(response) = limit(async move { routes.call(request).await }).await;
        response
    }
}

fn with_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    response
}

async fn compressed(accepted: HeaderValue, response: Response) -> Response {
    let mut request = Request::new(Body::empty());
    request.headers_mut().insert(header::ACCEPT_ENCODING, accepted);
    let mut response = Some(response);
    let respond = service_fn(move |_| {
        ready(Ok::<_, Infallible>(response.take().expect("it is called once")))
    });
    let Ok(response) = CompressionLayer::new().layer(respond).oneshot(request).await;
    response.map(Body::new)
}

/// The same steps as layers. Each has a type of its own, and none boxes its future.
fn stack(routes: Router) -> impl Service<Request<Body>, Response = Response, Error = Infallible> {
    ServiceBuilder::new()
        .layer(layer_fn(trace))
        .map_response(with_headers)
        .map_response(|response: axum::http::Response<CompressionBody<Body>>| {
            response.map(Body::new)
        })
        .layer(CompressionLayer::new())
        .map_future(limit)
        .service(routes)
}

fn trace<S>(
    inner: S,
) -> impl Service<Request<Body>, Response = Response, Error = Infallible, Future: Send> + Clone
where
    S: Service<Request<Body>, Response = Response, Error = Infallible> + Clone + Send,
    S::Future: Send,
{
    service_fn(move |request: Request<Body>| {
        let span = info_span!("request", path = request.uri().path());
        let response = inner.clone().oneshot(request);
        let traced = async move {
            let Ok(mut response) = response.await;
            response.headers_mut().insert(REQUEST_ID, HeaderValue::from_static("1"));
            Ok(response)
        };
        traced.instrument(span)
    })
}

async fn limit<F>(response: F) -> Result<Response, Infallible>
where
    F: Future<Output = Result<Response, Infallible>>,
{
    let response = AssertUnwindSafe(response).catch_unwind();
    Ok(match tokio::time::timeout(TIMEOUT, response).await {
        Ok(Ok(Ok(response))) => response,
        Ok(Err(_)) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Err(_) => StatusCode::GATEWAY_TIMEOUT.into_response(),
    })
}

fn request(encoding: Option<&'static str>) -> Request<Body> {
    let mut builder = Request::get("/metrics/1");
    if let Some(encoding) = encoding {
        builder = builder.header(header::ACCEPT_ENCODING, encoding);
    }
    builder.body(Body::empty()).expect("the request is well formed")
}

async fn read(response: Response) {
    assert_eq!(response.status(), StatusCode::OK);
    black_box(to_bytes(response.into_body(), usize::MAX).await.expect("the body has an end"));
}

fn steps(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("this machine has threads");
    let function = Steps { routes: routes() };
    let mut stack = stack(routes());
    for (name, encoding) in [("plain", None), ("accepts gzip", Some("gzip"))] {
        let mut group = criterion.benchmark_group(format!("steps/{name}"));
        group.bench_function("one function", |bencher| {
            bencher
                .to_async(&runtime)
                .iter(async || read(function.trace(request(encoding)).await).await);
        });
        group.bench_function("static stack", |bencher| {
            bencher.to_async(&runtime).iter(|| {
                let response = stack.call(request(encoding));
                async {
                    let Ok(response) = response.await;
                    read(response).await;
                }
            });
        });
        group.finish();
    }
}

criterion_group!(benches, steps);
criterion_main!(benches);

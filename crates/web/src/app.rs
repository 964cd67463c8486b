//! The app: the steps that every request goes through on its way to its handler and back, in order.

use std::{
    any::Any,
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    panic::AssertUnwindSafe,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use axum::{
    Router,
    body::HttpBody as _,
    extract::{DefaultBodyLimit, Request},
    http::{HeaderName, HeaderValue, Method, header},
    response::{IntoResponse as _, Response},
};
use futures::FutureExt as _;
use ipnet::IpNet;
use metricd_application::{
    context::Context,
    ports::{Ids, TokenVerifier},
};
use metricd_core::actor::Call;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tower::{Layer as _, Service as _, ServiceExt as _, service_fn};
use tower_http::cors::CorsLayer;

use crate::{
    concurrency::Concurrency,
    http_metrics::HttpMetrics,
    idempotency,
    middleware::{
        authenticate::Authenticator,
        client::client,
        compress::AcceptedEncodings,
        head_limits::HeadLimits,
        headers::{self, REQUEST_ID},
        in_flight::{self, BytesInFlight, RequestPlace},
        rate::{BucketKey, RateLimit, RateLimitKey},
        request::{self, HitSample, OverloadLog, Panicked, RequestGuard},
        slash, trace_context,
    },
    problem::Problem,
    quota::{RATE_LIMIT, RATE_LIMIT_POLICY, RequestQuota},
    route_settings::{RouteLimits, RouteSettings, RouteTable},
    router::documented,
    routes::{
        auth::{config::SignIn, keys::DevelopmentKeys},
        records::upload::UploadLimits,
    },
    serve::ConnectionRefusal,
    state::AppState,
};

/// metricd over HTTP: every request gets a response.
#[derive(Clone)]
pub struct App(Arc<Steps>);

/// What an [`App`] is made of.
#[derive(Clone)]
pub struct AppParts {
    /// The context of the use cases.
    pub context: Context,
    /// Verifies tokens.
    pub verifier: Arc<dyn TokenVerifier>,
    /// How clients get a token.
    pub sign_in: SignIn,
    /// The public keys of the development issuer, if its tokens are accepted.
    pub development_keys: Option<Value>,
}

/// What a request may cost, and which origins and proxies are trusted.
#[derive(Debug, Clone)]
pub struct AppSettings {
    /// The time limit of a request.
    pub request_timeout: Duration,
    /// The time limit of a request with many records in its body.
    pub upload_timeout: Duration,
    /// The largest body of many records, in bytes.
    pub max_upload_bytes: u64,
    /// The largest other body, and the longest line of an upload, in bytes.
    pub max_body_bytes: usize,
    /// The most bytes of all header fields together.
    pub max_header_bytes: usize,
    /// The requests that a caller may make in a second, on average; no limit if none.
    pub requests_per_second: Option<NonZeroU32>,
    /// The requests that a caller may make at once.
    pub burst: NonZeroU32,
    /// The requests of a caller that may be in progress at once, each until its response was sent.
    pub concurrent_requests_per_caller: u32,
    /// The same of a client behind a trusted proxy.
    pub concurrent_requests_per_client: u32,
    /// The most bytes of response bodies that are being sent at once.
    pub max_bytes_in_flight: u64,
    /// The origins whose web pages may call the API across origins.
    pub origins: Vec<HeaderValue>,
    /// The proxies whose `X-Forwarded-For` is trusted.
    pub proxies: Vec<IpNet>,
    /// Of so many requests that are answered from memory, one is logged.
    pub sample_hits: u32,
    /// Whether spans are parts of traces.
    pub has_traces: bool,
    /// Whether metrics of requests are collected.
    pub has_metrics: bool,
}

/// The steps before all routes. Not a stack of layers: `docs/adr/0012` says why.
struct Steps {
    ids: Arc<dyn Ids>,
    route_table: RouteTable,
    head_limits: HeadLimits,
    /// The largest body that is read into memory, in bytes.
    max_body_bytes: usize,
    /// The proxies whose `X-Forwarded-For` is trusted.
    proxies: Vec<IpNet>,
    /// The requests at once of each client behind a proxy.
    proxied: Concurrency<BucketKey>,
    bytes_in_flight: BytesInFlight,
    metrics: HttpMetrics,
    hit_sample: HitSample,
    has_traces: bool,
    has_metrics: bool,
    overload: OverloadLog,
    /// Requests in flight get no more time.
    grace_is_over: CancellationToken,
    /// Allows other origins, if there are any.
    cors: Option<CorsLayer>,
    routes: Router,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}

impl App {
    /// Puts the routes and the steps before them together.
    #[must_use]
    pub fn new(parts: AppParts, settings: AppSettings) -> Self {
        let documented = documented();
        let metrics = HttpMetrics::default();
        let route_limits = RouteLimits {
            timeout: settings.request_timeout,
            upload_timeout: settings.upload_timeout,
        };
        let route_table = RouteTable::new(&documented.document, route_limits, &metrics);
        let ids = Arc::clone(&parts.context.ids);
        let grace_is_over = parts.context.supervisor.grace_is_over().clone();
        let context = Arc::new(parts.context);
        let authenticator = Arc::new(Authenticator {
            context: Arc::clone(&context),
            verifier: parts.verifier,
            rate: RateLimit::new(settings.requests_per_second, settings.burst),
            concurrency: Concurrency::new(settings.concurrent_requests_per_caller),
            refused: AtomicU64::new(0),
        });
        let state = AppState {
            context,
            sign_in: Arc::new(parts.sign_in),
            keys: DevelopmentKeys(parts.development_keys.map(Arc::new)),
            upload_limits: UploadLimits {
                max_bytes: settings.max_upload_bytes,
                max_line_bytes: settings.max_body_bytes,
                idle_timeout: settings.request_timeout,
            },
        };
        Self(Arc::new(Steps {
            ids,
            route_table,
            head_limits: HeadLimits { max_header_bytes: settings.max_header_bytes },
            max_body_bytes: settings.max_body_bytes,
            proxies: settings.proxies,
            proxied: Concurrency::new(settings.concurrent_requests_per_client),
            bytes_in_flight: BytesInFlight::new(settings.max_bytes_in_flight),
            hit_sample: HitSample::new(settings.sample_hits),
            has_traces: settings.has_traces,
            has_metrics: settings.has_metrics,
            overload: OverloadLog::new(metrics.overloads.clone()),
            metrics,
            grace_is_over,
            cors: cors(settings.origins),
            routes: documented.into_router(state, authenticator),
        }))
    }

    /// Handles a request from `peer`, the other end of the connection.
    pub async fn handle(&self, peer: SocketAddr, request: Request) -> Response {
        let request = slash::trim(request);
        let route = self.0.route_table.find(request.method(), request.uri().path());
        self.0.trace(peer.ip(), route, request).await
    }

    /// What is counted of requests.
    #[must_use]
    pub fn metrics(&self) -> &HttpMetrics {
        &self.0.metrics
    }

    /// The bytes of response bodies that are being sent, of those that count.
    #[must_use]
    pub fn bytes_in_flight(&self) -> u64 {
        self.0.bytes_in_flight.bytes()
    }

    /// Returns the operation that a request is for.
    #[cfg(test)]
    pub(crate) fn operation(&self, method: &Method, path: &str) -> &str {
        &self.0.route_table.find(method, path).operation
    }
}

impl Steps {
    /// Opens the span of a request, and logs how it ended.
    async fn trace(&self, peer: IpAddr, route: &RouteSettings, mut request: Request) -> Response {
        let id = request::request_id(&request, self.ids.as_ref());
        let span = request::request_span(&request, &route.operation, &id);
        if self.has_traces {
            trace_context::begin(&span, &request);
        }
        let peer = peer.to_canonical();
        let address = client(peer, request.headers(), &self.proxies);
        let call = Call { request_id: id.to_str().ok().map(str::to_owned), address: Some(address) };
        if address != peer {
            request.extensions_mut().insert(Proxied(address));
        }
        request.extensions_mut().insert(call);
        let metrics = self.has_metrics.then_some(&route.metrics);
        let guard = RequestGuard::new(span, metrics);
        let mut response = guard.run(self.add_headers(route, request)).await;
        if self.has_traces {
            trace_context::end(guard.span(), response.status());
        }
        guard.finish(&response, &self.hit_sample);
        self.overload.note(&response);
        response.headers_mut().insert(REQUEST_ID, id);
        response
    }

    /// Adds the headers of CORS, security and caching.
    async fn add_headers(&self, route: &RouteSettings, request: Request) -> Response {
        let response = match &self.cors {
            None => self.respond(route, request).await,
            Some(cors) => {
                let inner = service_fn(async |request| {
                    Ok::<_, Infallible>(self.respond(route, request).await)
                });
                let Ok(response) = cors.layer(inner).oneshot(request).await;
                response
            }
        };
        headers::complete(response)
    }

    /// Refuses a request that is one too many, and limits what is sent at once.
    async fn respond(&self, route: &RouteSettings, mut request: Request) -> Response {
        let refusal = request.extensions_mut().remove::<ConnectionRefusal>();
        if let Some(problem) = refusal.and_then(|refusal| refused(refusal, route)) {
            return problem.into_response();
        }
        let client = match request.extensions_mut().remove() {
            None => None,
            Some(Proxied(address)) => {
                let place = self.proxied.enter(RateLimitKey::Address(address).into());
                let Some(place) = place else {
                    let detail = "The client has too many requests at once";
                    return Problem::too_many_of_client(detail).into_response();
                };
                Some(RequestPlace::new(place))
            }
        };
        in_flight::hold(self.compress(route, request).await, client)
    }

    async fn compress(&self, route: &RouteSettings, request: Request) -> Response {
        let accepted = AcceptedEncodings::of(request.headers());
        let response = self.bytes_in_flight.admit(self.limit(route, request).await).await;
        accepted.compress(response).await
    }

    /// Limits a request's head, body and time. A handler that runs out of time is dropped, with its unit of
    /// work, and so is one that the server stops before; one that panics is answered with 500. Each response tells what
    /// is left of the caller's quota.
    async fn limit(&self, route: &RouteSettings, mut request: Request) -> Response {
        if let Err(problem) = self.head_limits.check(&request) {
            return problem.into_response();
        }
        if !request.body().is_end_stream() {
            DefaultBodyLimit::max(self.max_body_bytes).apply(&mut request);
        }
        if let Some(rejected) = route.head_rules.as_ref().and_then(|rules| rules.check(&request)) {
            request.extensions_mut().insert(rejected);
        }
        let timeout = route.timeout(request.headers());
        let quota = RequestQuota::default();
        request.extensions_mut().insert(quota.clone());
        let mut routes = self.routes.clone();
        let response = AssertUnwindSafe(async move { routes.call(request).await }).catch_unwind();
        let response = tokio::time::timeout(timeout, response);
        let mut response = match self.grace_is_over.run_until_cancelled(response).await {
            Some(Ok(Ok(Ok(response)))) => response,
            Some(Ok(Err(payload))) => panicked(payload.as_ref()),
            Some(Err(_)) => Problem::deadline().into_response(),
            None => Problem::stopping().into_response(),
        };
        response.headers_mut().extend(quota.fields());
        response
    }
}

/// The address of a client behind a trusted proxy.
#[derive(Debug, Clone, Copy)]
struct Proxied(IpAddr);

/// The response on a connection that is one too many. The health of the service is told as long as anything is.
fn refused(refusal: ConnectionRefusal, route: &RouteSettings) -> Option<Problem> {
    // A probe may share its address with others.
    if route.operation.starts_with("get_health") {
        return None;
    }
    let problem = match refusal {
        ConnectionRefusal::ServerFull => Problem::server_busy(),
        ConnectionRefusal::ClientFull => {
            Problem::too_many_of_client("The client has too many connections")
        }
    };
    Some(problem.with_header(header::CONNECTION, HeaderValue::from_static("close")))
}

fn panicked(payload: &(dyn Any + Send)) -> Response {
    let message = payload
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_default();
    Problem::internal(Panicked(message)).into_response()
}

/// Allows the web pages of `origins`, and of no other origin.
fn cors(origins: Vec<HeaderValue>) -> Option<CorsLayer> {
    if origins.is_empty() {
        return None;
    }
    let cors = CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CACHE_CONTROL,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            idempotency::IDEMPOTENCY_KEY,
            REQUEST_ID,
            HeaderName::from_static("traceparent"),
            HeaderName::from_static("tracestate"),
            HeaderName::from_static("baggage"),
        ])
        .expose_headers([
            header::AGE,
            headers::CACHE_STATUS,
            header::CONTENT_DISPOSITION,
            header::ETAG,
            idempotency::REPLAYED,
            header::LOCATION,
            RATE_LIMIT,
            RATE_LIMIT_POLICY,
            header::RETRY_AFTER,
            header::WWW_AUTHENTICATE,
            REQUEST_ID,
        ])
        .max_age(Duration::from_mins(10));
    Some(cors)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;
    use crate::test_support::{MAX_BODY_BYTES, PEER, Run, TestApp, get, metric, post, put};

    #[tokio::test]
    async fn a_response_names_its_request_and_protects_browsers() {
        let response = TestApp::new().send(get("/health/").header(REQUEST_ID, "a-1")).await;
        assert_eq!(response.status, 200);
        assert_eq!(response.header(REQUEST_ID), "a-1");
        assert_eq!(response.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
        assert_eq!(response.header(header::CACHE_CONTROL), "private, no-cache");
        assert_eq!(response.header(header::VARY), "authorization");
    }

    #[tokio::test]
    async fn a_path_without_a_route_is_closed() {
        let app = TestApp::new();
        assert_eq!(app.send(get("/nothing").without_token()).await.status, 401);
        assert_eq!(app.send(get("/nothing")).await.status, 404);
        assert_eq!(app.send(put("/health").without_token()).await.status, 405);
        assert_eq!(app.send(put("/metrics")).await.status, 405);
        let file = app.send(get("/docs/nothing").without_token()).await;
        assert_eq!(file.status, 404);
        assert_eq!(file.header(header::CONTENT_TYPE), "application/problem+json");
    }

    #[tokio::test]
    async fn three_open_paths_are_not_in_the_document() {
        let app = TestApp::new();
        let document = app.send(get("/openapi.json").without_token()).await.json();
        for (path, status) in [("/", 307), ("/openapi.json", 200), ("/docs/", 200)] {
            assert_eq!(app.send(get(path).without_token()).await.status, status, "{path}");
            assert!(document["paths"].get(path).is_none(), "{path}");
        }
    }

    #[tokio::test]
    async fn a_request_that_is_too_large_is_refused() {
        let app = TestApp::new();
        let long = "x".repeat(10_000);
        assert_eq!(app.send(get(format!("/metrics?q={long}"))).await.status, 414);
        assert_eq!(app.send(get("/metrics").header(header::ACCEPT, &long)).await.status, 431);
        let body = "x".repeat(MAX_BODY_BYTES + 1);
        let refused = app.send(post("/metrics").body("application/json", body)).await;
        assert_eq!((refused.status, refused.header(header::CONNECTION)), (413, "close"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_handler_that_hangs_runs_out_of_time() {
        let app = TestApp::with(Run::Hangs, |_, settings| {
            settings.requests_per_second = Some(NonZeroU32::MIN);
            settings.burst = NonZeroU32::new(2).unwrap();
        });
        let response = app.send(get(metric(""))).await;
        assert_eq!(response.status, 504);
        assert_eq!(response.header(RATE_LIMIT), "\"caller\";r=1;t=1");
    }

    #[tokio::test]
    async fn a_handler_that_panics_tells_nothing() {
        let request = get(metric("")).header(header::CACHE_CONTROL, "no-store");
        let app = TestApp::with(Run::Panics, |_, settings| {
            settings.requests_per_second = Some(NonZeroU32::MIN);
        });
        let response = app.send(request).await;
        assert_eq!(response.status, 500);
        assert_eq!(response.header(RATE_LIMIT_POLICY), "\"caller\";q=1;w=1");
        assert!(!response.text().contains("panic"), "{}", response.text());
    }

    #[tokio::test]
    async fn an_expired_token_is_challenged() {
        let response = TestApp::new().send(get("/metrics").with_token("expired")).await;
        assert_eq!(response.status, 401);
        let challenge = response.header(header::WWW_AUTHENTICATE);
        assert!(challenge.starts_with("Bearer error=\"invalid_token\""), "{challenge}");
    }

    #[tokio::test]
    async fn each_caller_has_a_rate_limit() {
        let app = TestApp::with(Run::OneRow, |_, settings| {
            settings.requests_per_second = Some(NonZeroU32::MIN);
        });
        assert_eq!(app.send(get("/metrics")).await.status, 200);
        let limited = app.send(get("/metrics")).await;
        assert_eq!((limited.status, limited.header(header::RETRY_AFTER)), (429, "1"));
        assert_eq!(limited.header(RATE_LIMIT), "\"caller\";r=0;t=1");
        let other = app.send(get(metric("")).with_token("bob")).await;
        assert_eq!((other.status, other.header(RATE_LIMIT)), (200, "\"caller\";r=0;t=1"));
        assert_eq!(other.header(RATE_LIMIT_POLICY), "\"caller\";q=1;w=1");
        assert_eq!(app.send(get("/health")).await.header(RATE_LIMIT), "");
    }

    #[tokio::test(start_paused = true)]
    async fn each_caller_may_have_so_many_requests_at_once() {
        let app = TestApp::with(Run::Hangs, |_, settings| {
            settings.concurrent_requests_per_caller = 1;
        });
        tokio::select! {
            biased;
            response = app.send(get(metric(""))) => panic!("{response:?}"),
            () = async {
                let refused = app.send(get("/metrics")).await;
                assert_eq!((refused.status, refused.header(header::RETRY_AFTER)), (429, "1"));
                let kind = "urn:metricd:problem:too-many-requests-at-once";
                assert_eq!(refused.json()["type"], kind);
                assert_eq!(app.send(get("/metrics").with_token("bob")).await.status, 200);
            } => {}
        }
        assert_eq!(app.send(get("/metrics")).await.status, 200);
    }

    #[tokio::test(start_paused = true)]
    async fn each_client_behind_a_proxy_may_have_so_many_requests_at_once() {
        let app = TestApp::with(Run::Hangs, |_, settings| {
            settings.concurrent_requests_per_client = 1;
            settings.proxies = vec![PEER.ip().into()];
        });
        let forwarded = HeaderName::from_static("x-forwarded-for");
        let from = |address: &str| get("/metrics").header(forwarded.clone(), address);
        let hanging = get(metric("")).header(forwarded.clone(), "2001:db8::1");
        tokio::select! {
            biased;
            response = app.send(hanging) => panic!("{response:?}"),
            () = async {
                assert_eq!(app.send(from("2001:db8::2")).await.status, 429);
                assert_eq!(app.send(from("2001:db8:1::1")).await.status, 200);
                assert_eq!(app.send(get("/metrics")).await.status, 200);
            } => {}
        }
        assert_eq!(app.send(from("2001:db8::1")).await.status, 200);
    }

    #[tokio::test]
    async fn on_a_connection_too_many_only_health_is_told() {
        let app = TestApp::new();
        for (path, refusal, status) in [
            ("/health", ConnectionRefusal::ServerFull, 200),
            ("/metrics", ConnectionRefusal::ServerFull, 503),
            ("/health/ready", ConnectionRefusal::ClientFull, 200),
            ("/metrics", ConnectionRefusal::ClientFull, 429),
        ] {
            let request = Request::builder().uri(path).extension(refusal);
            let response = app.app.handle(PEER, request.body(Body::empty()).unwrap()).await;
            assert_eq!(response.status(), status, "{path}");
            let is_refused = status != 200;
            assert_eq!(response.headers().contains_key(header::RETRY_AFTER), is_refused, "{path}");
        }
    }

    #[tokio::test]
    async fn only_known_origins_are_allowed() {
        let origin = HeaderValue::from_static("https://app.example");
        let app = TestApp::with(Run::OneRow, |_, settings| settings.origins = vec![origin]);
        let allowed = async |origin: &str| {
            let response = app.send(get("/health").header(header::ORIGIN, origin)).await;
            response.header(header::ACCESS_CONTROL_ALLOW_ORIGIN).to_owned()
        };
        assert_eq!(allowed("https://app.example").await, "https://app.example");
        assert_eq!(allowed("https://other.example").await, "");
    }

    #[tokio::test]
    async fn a_response_is_compressed_as_the_client_accepts() {
        let app = TestApp::new();
        let plain = app.send(get("/openapi.json")).await;
        let request = get("/openapi.json").header(header::ACCEPT_ENCODING, "gzip");
        let compressed = app.send(request).await;
        assert_eq!(compressed.header(header::CONTENT_ENCODING), "gzip");
        assert!(compressed.bytes().len() < plain.bytes().len() / 2);
    }
}

//! The whole URL map on one screen.

use std::{
    num::NonZeroU32,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use axum::{
    Router,
    extract::FromRef,
    http::{HeaderValue, Method, StatusCode, Uri, header},
    response::Redirect,
    routing::get,
};
use ipnet::IpNet;
use metricd_application::{context::Context, ports::TokenVerifier};
use serde_json::Value;
use tower::util::MapResponseLayer;
use tower_http::cors::CorsLayer;
use utoipa::{OpenApi as _, openapi::OpenApi};
use utoipa_axum::{router::OpenApiRouter, routes};
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::{
    extract,
    failures::{demand_nothing, demand_token},
    front::{Front, Service},
    middleware::{
        authenticate::{Authenticate, Door},
        headers,
        limits::RequestLimits,
        rate::RateLimit,
        request::{self, Requests},
    },
    openapi::Info,
    problem::Problem,
    replay,
    routes::{
        self,
        auth::{config::SignIn, keys::DevelopmentKeys},
    },
    upload::UploadLimits,
};

/// What the service is made of.
#[derive(Clone)]
pub struct App {
    /// The context of the use cases.
    pub context: Context,
    /// Tells who is calling.
    pub verifier: Arc<dyn TokenVerifier>,
    /// What whoever wants a token is told.
    pub sign_in: SignIn,
    /// The public keys of the development issuer, where tokens come from there.
    pub development_keys: Option<Value>,
}

/// What a request may cost, and whom the server trusts.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The longest that a request may take.
    pub request_timeout: Duration,
    /// The same where its body is many records.
    pub upload_timeout: Duration,
    /// The largest body of many records, in bytes.
    pub max_upload_bytes: u64,
    /// The largest other body, and the longest line of such a one, in bytes.
    pub max_body_bytes: usize,
    /// The most that all header fields together may take, in bytes.
    pub max_header_bytes: usize,
    /// How many requests a caller may make in a second, on average; no limit if none.
    pub requests_per_second: Option<NonZeroU32>,
    /// How many requests a caller may make at once.
    pub burst: NonZeroU32,
    /// Web pages of these origins may ask; of no other, if there is none.
    pub origins: Vec<HeaderValue>,
    /// Proxies whose word for a caller's address is taken.
    pub proxies: Vec<IpNet>,
}

/// What handlers can reach. It is cloned for each request.
#[derive(Clone)]
pub(crate) struct Reach {
    context: Arc<Context>,
    sign_in: Arc<SignIn>,
    keys: DevelopmentKeys,
    uploads: UploadLimits,
}

impl FromRef<Reach> for UploadLimits {
    fn from_ref(reach: &Reach) -> Self {
        reach.uploads
    }
}

impl FromRef<Reach> for Arc<Context> {
    fn from_ref(reach: &Reach) -> Self {
        Arc::clone(&reach.context)
    }
}

impl FromRef<Reach> for Arc<SignIn> {
    fn from_ref(reach: &Reach) -> Self {
        Arc::clone(&reach.sign_in)
    }
}

impl FromRef<Reach> for DevelopmentKeys {
    fn from_ref(reach: &Reach) -> Self {
        reach.keys.clone()
    }
}

/// The routes that nobody needs a token for.
fn open() -> OpenApiRouter<Reach> {
    OpenApiRouter::new()
        .routes(routes!(routes::health::get::handler))
        .routes(routes!(routes::auth::config::handler))
        .routes(routes!(routes::auth::keys::handler))
}

/// The routes of callers who are known.
fn closed() -> OpenApiRouter<Reach> {
    OpenApiRouter::new()
        .routes(routes!(routes::metrics::list::handler, routes::metrics::create::handler))
        .routes(routes!(
            routes::metrics::get::handler,
            routes::metrics::update::handler,
            routes::metrics::delete::handler
        ))
        .routes(routes!(routes::metrics::preview::handler))
        .routes(routes!(routes::metrics::approve::handler))
        .routes(routes!(routes::metrics::rollback::handler))
        .routes(routes!(routes::versions::list::handler))
        .routes(routes!(routes::query::get::handler))
        .routes(routes!(routes::layouts::replace::handler))
        .routes(routes!(routes::records::create::handler))
        .routes(routes!(routes::tables::changed::handler))
        .routes(routes!(routes::audit::list::handler))
}

/// Open routes, closed routes, and the document of both.
pub(crate) fn documented() -> ([Router<Reach>; 2], OpenApi) {
    let (open, mut of_open) = open().split_for_parts();
    let (closed, mut of_closed) = closed().split_for_parts();
    demand_nothing(&mut of_open);
    demand_token(&mut of_closed);
    let mut document = Info::openapi();
    document.merge(of_open);
    document.merge(of_closed);
    ([open, closed], document)
}

/// The service: every route, and what stands before and behind all of them.
pub fn service(app: App, limits: Limits) -> Service {
    let ([open, closed], api) = documented();
    let requests = Requests::new(&api, app.context.ids.clone());
    let context = Arc::new(app.context);
    let door = Arc::new(Door {
        context: Arc::clone(&context),
        verifier: app.verifier,
        rate: RateLimit::new(limits.requests_per_second, limits.burst),
        refused: AtomicU64::new(0),
    });
    let closed = closed
        .fallback(no_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(Authenticate(door));
    let document = axum::Json(api);
    let docs = Config::new(["/openapi.json"]).validator_url("none");
    let page = Router::from(SwaggerUi::new("/docs").config(docs))
        .layer(MapResponseLayer::new(headers::page));
    let open = open
        .merge(page)
        .route("/openapi.json", get(move || async { document }))
        .route("/", get(|| async { Redirect::temporary("/docs") }))
        .method_not_allowed_fallback(wrong_method);
    let reach = Reach {
        context,
        sign_in: Arc::new(app.sign_in),
        keys: DevelopmentKeys(app.development_keys.map(Arc::new)),
        uploads: UploadLimits {
            max_bytes: limits.max_upload_bytes,
            max_line_bytes: limits.max_body_bytes,
            patience: limits.request_timeout,
        },
    };
    let bounds = RequestLimits {
        max_header_bytes: limits.max_header_bytes,
        max_body_bytes: limits.max_body_bytes,
        timeout: limits.request_timeout,
        upload_timeout: limits.upload_timeout,
    };
    Service::new(Front {
        requests,
        limits: bounds,
        proxies: limits.proxies,
        cors: cors(limits.origins),
        routes: open.merge(closed).with_state(reach),
    })
}

/// Lets the web pages of `origins` ask; those of nobody else.
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
            extract::IDEMPOTENCY_KEY,
            request::REQUEST_ID,
        ])
        .expose_headers([
            header::AGE,
            headers::CACHE_STATUS,
            header::CONTENT_DISPOSITION,
            header::ETAG,
            replay::REPLAYED,
            header::LOCATION,
            header::RETRY_AFTER,
            header::WWW_AUTHENTICATE,
            request::REQUEST_ID,
        ])
        .max_age(Duration::from_mins(10));
    Some(cors)
}

async fn no_route(uri: Uri) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("No route matches {}", uri.path()))
}

async fn wrong_method(method: Method, uri: Uri) -> Problem {
    let detail = format!("{} does not support {method}", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}

//! The whole URL map on one screen.

use std::{any::Any, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, FromRef, Request},
    http::{Method, StatusCode, Uri},
    middleware::{from_fn_with_state, map_request},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use metricd_application::ports::Ports;
use metricd_core::actor::Actor;
use tower::ServiceBuilder;
use tower_http::{catch_panic::CatchPanicLayer, compression::CompressionLayer};
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::{
    extract::Caller,
    middleware::{
        deadline,
        request::{self, Panicked, Requests},
        slash,
    },
    openapi::Info,
    problem::Problem,
    routes,
};

/// What every handler can reach.
#[derive(Clone)]
pub struct App {
    /// The ports of the use cases.
    pub ports: Ports,
    /// The caller of every request, until tokens tell them apart.
    pub actor: Actor,
}

impl FromRef<App> for Ports {
    fn from_ref(app: &App) -> Self {
        app.ports.clone()
    }
}

/// What a request may cost.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The longest that a request may take.
    pub request_timeout: Duration,
    /// The largest body, in bytes.
    pub max_body_bytes: usize,
}

/// The documented routes.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Info::openapi())
        .routes(routes!(routes::health::get::handler))
        .routes(routes!(routes::metrics::list::handler, routes::metrics::create::handler))
        .routes(routes!(
            routes::metrics::get::handler,
            routes::metrics::update::handler,
            routes::metrics::delete::handler
        ))
        .routes(routes!(routes::query::get::handler))
        .routes(routes!(routes::layouts::replace::handler))
        .routes(routes!(routes::records::create::handler))
}

/// The service: every route inside its middleware.
pub fn router(app: App, limits: Limits) -> Router {
    let requests = |api| Requests::new(api, app.ports.ids.clone());
    let (routes, api) = routes().split_for_parts();
    let requests = requests(&api);
    let document = axum::Json(api);
    let docs = Config::new(["/openapi.json"]).validator_url("none");
    let routes = routes
        .merge(SwaggerUi::new("/docs").config(docs))
        .route("/openapi.json", get(move || async { document }))
        .route("/", get(|| async { Redirect::temporary("/docs") }))
        .fallback(no_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(
            ServiceBuilder::new()
                .layer(from_fn_with_state(requests, request::observe))
                .layer(CompressionLayer::new())
                .layer(CatchPanicLayer::custom(panicked))
                .layer(from_fn_with_state(limits.request_timeout, deadline::enforce))
                .layer(DefaultBodyLimit::max(limits.max_body_bytes)),
        )
        .with_state(app);
    // Routing happens inside: a path must lose its trailing slash before.
    Router::new().fallback_service(
        ServiceBuilder::new()
            .layer(map_request(|request: Request| async { slash::trim(request) }))
            .service(routes),
    )
}

async fn no_route(_: Caller, uri: Uri) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("There is nothing at {}", uri.path()))
}

async fn wrong_method(_: Caller, method: Method, uri: Uri) -> Problem {
    let detail = format!("{} does not take {method}", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}

#[expect(clippy::needless_pass_by_value, reason = "the signature is the layer's")]
fn panicked(payload: Box<dyn Any + Send + 'static>) -> Response {
    let message = payload
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_default();
    Problem::internal(Panicked(message)).into_response()
}

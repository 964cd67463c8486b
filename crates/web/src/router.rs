//! The routes: which are open, which need a token, and the OpenAPI document of both.

use std::sync::Arc;

use axum::{
    Json, Router,
    http::{Method, StatusCode, Uri},
    response::{IntoResponse as _, Redirect, Response},
    routing::get,
};
use tower::util::MapResponseLayer;
use utoipa::{OpenApi as _, openapi::OpenApi};
use utoipa_axum::{router::OpenApiRouter, routes};
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::{
    api_info::ApiInfo,
    failures::{demand_nothing, demand_token},
    middleware::{
        authenticate::{AuthenticateLayer, Authenticator},
        headers,
    },
    problem::Problem,
    routes, schemas,
    state::AppState,
};

/// The routes that need no token.
fn open() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(routes::health::get::handler))
        .routes(routes!(routes::health::live::handler))
        .routes(routes!(routes::health::ready::handler))
        .routes(routes!(routes::auth::config::handler))
        .routes(routes!(routes::auth::keys::handler))
}

/// The routes that need a token.
fn closed() -> OpenApiRouter<AppState> {
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
        .routes(routes!(routes::tables::list::handler))
        .routes(routes!(routes::tables::changed::handler))
        .routes(routes!(routes::audit::list::handler))
}

/// The routes, and the OpenAPI document of them.
pub(crate) struct Documented {
    open: Router<AppState>,
    closed: Router<AppState>,
    pub(crate) document: OpenApi,
}

/// Returns the routes with their document.
pub(crate) fn documented() -> Documented {
    let (open, mut open_document) = open().split_for_parts();
    let (closed, mut closed_document) = closed().split_for_parts();
    demand_nothing(&mut open_document);
    demand_token(&mut closed_document);
    let mut document = ApiInfo::openapi();
    document.merge(open_document);
    document.merge(closed_document);
    schemas::complete(&mut document);
    Documented { open, closed, document }
}

impl Documented {
    /// Returns one router for all routes, and for the document and its page.
    pub(crate) fn into_router(self, state: AppState, authenticator: Arc<Authenticator>) -> Router {
        let closed = self
            .closed
            .fallback(not_found)
            .method_not_allowed_fallback(method_not_allowed)
            .layer(AuthenticateLayer(authenticator));
        let document = Json(self.document);
        let docs = Config::new(["/openapi.json"]).validator_url("none");
        let page =
            Router::from(SwaggerUi::new("/docs").config(docs)).layer(MapResponseLayer::new(page));
        let open = self
            .open
            .merge(page)
            .route("/openapi.json", get(move || async { document }))
            .route("/", get(|| async { Redirect::temporary("/docs") }))
            .method_not_allowed_fallback(method_not_allowed);
        open.merge(closed).with_state(state)
    }
}

/// Marks what belongs to the page; a file that it does not have is a problem like any other.
fn page(response: Response) -> Response {
    if response.status().is_success() || response.status().is_redirection() {
        return headers::page(response);
    }
    Problem::new(response.status(), "The documentation page has no such file").into_response()
}

async fn not_found(uri: Uri) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("No route matches {}", uri.path()))
}

async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    let detail = format!("{} does not support {method}", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}

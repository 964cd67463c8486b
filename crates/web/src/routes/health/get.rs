//! `GET /health`

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use metricd_application::context::Context;
use serde::Serialize;
use utoipa::ToSchema;

/// What is up.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Health)]
pub(crate) struct HealthBody {
    /// The service itself.
    #[schema(example = true)]
    application: bool,
    /// The database behind it.
    #[schema(example = true)]
    database: bool,
}

/// Whether the service and its database are up
///
/// Needs no token and never queues behind a query.
#[utoipa::path(
    get, path = "/health", operation_id = "get_health", tag = "health",
    responses(
        (status = 200, description = "Both are up", body = HealthBody),
        (status = 503, description = "The database is not reachable", body = HealthBody),
    ),
)]
pub(crate) async fn handler(State(context): State<Arc<Context>>) -> (StatusCode, Json<HealthBody>) {
    let database = context.catalog.is_reachable().await;
    let status = if database { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(HealthBody { application: true, database }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::test_support::{TestApp, get};

    #[tokio::test]
    async fn both_are_up_without_a_token() {
        let response = TestApp::new().send(get("/health").without_token()).await;
        assert_eq!(response.status, 200);
        assert_eq!(response.json(), json!({"application": true, "database": true}));
    }

    #[tokio::test]
    async fn a_database_that_is_down_is_reported() {
        let app = TestApp::new();
        app.database.take_down();
        let response = app.send(get("/health").without_token()).await;
        assert_eq!(response.status, 503);
        assert_eq!(response.json(), json!({"application": true, "database": false}));
    }
}

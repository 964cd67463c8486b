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
    /// Whether parts of it are out of use: queries that could not be ended hold permits until they are gone. Left out
    /// where that is not so.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(example = true)]
    degraded: bool,
    /// How many queries could not be ended. Left out where there are none.
    #[serde(skip_serializing_if = "is_zero")]
    #[schema(example = 2)]
    unended_queries: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Whether the service and its database are up
///
/// Needs no token and never queues behind a query.
#[utoipa::path(
    get, path = "/health", operation_id = "get_health", tag = "health",
    responses(
        (status = 200, description = "Both are up, if perhaps degraded", body = HealthBody),
        (status = 503, description = "The database is not reachable", body = HealthBody),
    ),
)]
pub(crate) async fn handler(State(context): State<Arc<Context>>) -> (StatusCode, Json<HealthBody>) {
    let database = context.catalog.is_reachable().await;
    let status = if database { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let unended_queries = context.runner.unended_runs();
    let degraded = unended_queries > 0;
    (status, Json(HealthBody { application: true, database, degraded, unended_queries }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::test_support::{Run, TestApp, get};

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

    #[tokio::test]
    async fn queries_that_cannot_be_ended_are_told() {
        let app = TestApp::with(Run::Survives, |_, _| {});
        let response = app.send(get("/health").without_token()).await;
        assert_eq!(response.status, 200);
        let body =
            json!({"application": true, "database": true, "degraded": true, "unended_queries": 2});
        assert_eq!(response.json(), body);
    }
}

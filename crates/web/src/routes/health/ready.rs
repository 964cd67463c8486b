//! `GET /health/ready`

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use metricd_application::context::Context;
use serde::Serialize;
use utoipa::ToSchema;

/// Whether requests should be sent here.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Readiness)]
pub(crate) struct ReadinessBody {
    /// Whether they should.
    #[schema(example = false)]
    ready: bool,
    /// Why not. Left out where they should.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "stopping")]
    reason: Option<Unready>,
}

/// Why no requests should be sent.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unready {
    /// It was told to stop.
    Stopping,
    /// The database is not reachable.
    Database,
}

/// Whether requests should be sent here
///
/// Needs no token and never queues behind a query.
#[utoipa::path(
    get, path = "/health/ready", operation_id = "get_health_ready", tag = "health",
    responses(
        (status = 200, description = "They should", body = ReadinessBody),
        (status = 503, description = "It is stopping, or the database is not reachable", body = ReadinessBody),
    ),
)]
pub(crate) async fn handler(
    State(context): State<Arc<Context>>,
) -> (StatusCode, Json<ReadinessBody>) {
    let reason = if context.supervisor.stopping().is_cancelled() {
        Some(Unready::Stopping)
    } else if context.catalog.is_reachable().await {
        None
    } else {
        Some(Unready::Database)
    };
    let ready = reason.is_none();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(ReadinessBody { ready, reason }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::test_support::{Run, TestApp, get};

    #[tokio::test]
    async fn it_says_why_no_requests_should_be_sent() {
        let app = TestApp::new();
        let response = app.send(get("/health/ready").without_token()).await;
        assert_eq!((response.status, response.json()), (200, json!({"ready": true})));
        app.database.take_down();
        let response = app.send(get("/health/ready").without_token()).await;
        assert_eq!(response.status, 503);
        assert_eq!(response.json(), json!({"ready": false, "reason": "database"}));
    }

    #[tokio::test]
    async fn it_says_that_the_server_stops() {
        let app = TestApp::with(Run::OneRow, |parts, _| parts.context.supervisor.stop());
        let response = app.send(get("/health/ready").without_token()).await;
        assert_eq!(response.status, 503);
        assert_eq!(response.json(), json!({"ready": false, "reason": "stopping"}));
    }
}

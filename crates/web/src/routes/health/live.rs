//! `GET /health/live`

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

/// Which metricd answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Liveness)]
pub(crate) struct LivenessBody {
    /// The version.
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// The commit that it was built from. Left out where the build did not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "3c8e684")]
    build: Option<&'static str>,
}

/// Whether the process answers
///
/// Needs no token and asks nothing else, so that a restart is tried only where that helps.
#[utoipa::path(
    get, path = "/health/live", operation_id = "get_health_live", tag = "health",
    responses((status = 200, description = "It does", body = LivenessBody)),
)]
pub(crate) async fn handler() -> Json<LivenessBody> {
    Json(LivenessBody { version: env!("CARGO_PKG_VERSION"), build: crate::BUILD })
}

#[cfg(test)]
mod tests {
    use crate::test_support::{TestApp, get};

    #[tokio::test]
    async fn a_process_without_a_database_is_alive() {
        let app = TestApp::new();
        app.database.take_down();
        let response = app.send(get("/health/live").without_token()).await;
        assert_eq!(response.status, 200);
        assert_eq!(response.json()["version"], env!("CARGO_PKG_VERSION"));
    }
}

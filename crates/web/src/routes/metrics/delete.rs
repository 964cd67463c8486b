//! `DELETE /metrics/{id}`

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use metricd_application::{context::Context, metrics::delete_metric};
use metricd_core::actor::Action;

use crate::{
    caller::Caller,
    extract::MetricPath,
    failures::{Forbidden, Invalid, Locked, MetricNotFound, Unavailable},
    problem::Problem,
};

/// Remove a metric
///
/// Its records stay in the table `metrics`.
#[utoipa::path(
    delete, path = "/metrics/{id}", operation_id = "delete_metrics_configuration", tag = "metrics",
    params(("id" = Uuid, Path, description = "The metric")),
    responses(
        (status = 204, description = "Removed"),
        Forbidden, MetricNotFound, Locked, Invalid, Unavailable,
    ),
)]
pub(crate) async fn handler(
    caller: Caller,
    State(context): State<Arc<Context>>,
    MetricPath(id): MetricPath,
) -> Result<StatusCode, Problem> {
    delete_metric(&caller.actor, &context, id.accept(&caller, &context, Action::Delete).await?)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
pub(crate) mod tests {
    use crate::test_support::{TestApp, auth_tests, delete, metric};

    auth_tests!("delete_metrics_configuration", delete(metric("")));

    #[tokio::test]
    async fn a_metric_is_removed_once() {
        let app = TestApp::new();
        let response = app.send(delete(metric(""))).await;
        assert_eq!((response.status, response.text()), (204, ""));
        assert_eq!(app.send(delete(metric(""))).await.status, 404);
        assert_eq!(app.database.writes(), 1);
    }

    #[tokio::test]
    async fn a_locked_metric_is_not_removed() {
        let app = TestApp::new();
        app.database.lock_editing();
        assert_eq!(app.send(delete(metric(""))).await.status, 409);
    }

    #[tokio::test]
    async fn an_id_that_is_no_uuid_is_refused() {
        let response = TestApp::new().send(delete("/metrics/orders")).await;
        assert_eq!(response.errors(), ["path.id: uuid_parsing"]);
    }
}

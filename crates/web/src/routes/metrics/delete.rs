//! `DELETE /metrics/{id}`

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
};
use metricd_application::{context::Context, metrics::delete_metric};
use metricd_core::actor::Action;

use crate::{
    caller::Caller,
    extract::MetricPath,
    failures::{Forbidden, Invalid, Locked, MetricNotFound, StaleMetric, Unavailable},
    preconditions::Precondition,
    problem::Problem,
};

/// Remove a metric
///
/// Its records stay in the table `metrics`.
#[utoipa::path(
    delete, path = "/metrics/{id}", operation_id = "delete_metrics_configuration", tag = "metrics",
    params(
        ("id" = Uuid, Path, description = "The metric"),
        ("If-Match" = Option<String>, Header, pattern = r#"^(\*|(W/)?"[!#-~]*")$"#, description = "The `ETag` of `get_metrics`, or of an earlier change"),
    ),
    responses(
        (status = 204, description = "Removed"),
        Forbidden, MetricNotFound, Locked, StaleMetric, Invalid, Unavailable,
    ),
)]
pub(crate) async fn handler(
    caller: Caller,
    State(context): State<Arc<Context>>,
    MetricPath(id): MetricPath,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let (id, precondition) =
        id.and(Precondition::of(&headers)).accept(&caller, &context, Action::Delete).await?;
    let expected = precondition.map(Precondition::expected_metric);
    delete_metric(&caller.actor, &context, id, expected).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
pub(crate) mod tests {
    use axum::http::header;
    use serde_json::json;

    use crate::test_support::{TestApp, auth_tests, delete, get, metric, patch};

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
    async fn a_metric_that_was_modified_meanwhile_is_not_removed() {
        let app = TestApp::new();
        let read = app.send(get(metric(""))).await.header(header::ETAG).to_owned();
        let changed = app.send(patch(metric("")).json(&json!({"name": "Sales"}))).await;
        assert_eq!(changed.status, 200);
        let remove = |tag: &str| delete(metric("")).header(header::IF_MATCH, tag);
        let stale = app.send(remove(&read)).await;
        assert_eq!(stale.status, 412);
        assert_eq!(stale.json()["type"], "urn:metricd:problem:metric-modified");
        assert_eq!(app.send(remove("1")).await.errors(), ["header.if-match: value_error"]);
        assert_eq!(app.send(remove(changed.header(header::ETAG))).await.status, 204);
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

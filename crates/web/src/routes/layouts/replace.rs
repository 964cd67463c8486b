//! `PUT /metrics/{id}/layouts`

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderName, header},
};
use metricd_application::{context::Context, metrics::replace_layouts};
use metricd_core::actor::Action;

use crate::{
    caller::Caller,
    extract::{JsonBody, MetricPath},
    failures::{Forbidden, Invalid, Locked, MetricNotFound, NotJson, Stale, TooLarge, Unavailable},
    preconditions::Precondition,
    problem::Problem,
    wire::{LayoutItemInput, MetricBody},
};

/// Move a metric's tiles
///
/// Send the metric's `layout_version` as `If-Match: "3"`, or the `ETag` that the metric was read with, and no
/// concurrent change is overwritten: 412 says that the layouts were modified meanwhile. The rows of the metric stay cached.
#[utoipa::path(
    put, path = "/metrics/{id}/layouts", operation_id = "replace_metric_layouts", tag = "metrics",
    params(
        ("id" = Uuid, Path, description = "The metric"),
        ("If-Match" = Option<String>, Header, pattern = r#"^(\*|(W/)?"[!#-~]*")$"#, description = "The layout version that the caller knows, in quotes, or the `ETag` of `get_metrics`"),
    ),
    request_body = Vec<LayoutItemInput>,
    responses(
        (status = 200, description = "The metric as it is now", body = MetricBody, headers(("ETag" = String, description = "The new layout version"))),
        Forbidden, MetricNotFound, Locked, Stale, TooLarge, NotJson, Invalid, Unavailable,
    ),
)]
pub(crate) async fn handler(
    caller: Caller,
    State(context): State<Arc<Context>>,
    MetricPath(id): MetricPath,
    headers: HeaderMap,
    JsonBody(body): JsonBody<Vec<LayoutItemInput>>,
) -> Result<([(HeaderName, String); 1], Json<MetricBody>), Problem> {
    let ((id, layouts), precondition) = id
        .and(body)
        .and(Precondition::of(&headers))
        .accept(&caller, &context, Action::Arrange)
        .await?;
    let layouts = layouts.into_iter().map(Into::into).collect();
    let expected = precondition.map(Precondition::expected_layouts);
    let metric = replace_layouts(&caller.actor, &context, id, layouts, expected).await?;
    let etag = [(header::ETAG, format!("\"{}\"", metric.layout_version))];
    Ok((etag, Json((&metric).into())))
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::test_support::{TestApp, auth_tests, get, metric, put};

    fn tile(width: i32) -> Value {
        json!([{"breakpoint": "lg", "x": 0, "y": 0, "w": width, "h": 8}])
    }

    auth_tests!("replace_metric_layouts", put(metric("/layouts")).json(&tile(6)));

    #[tokio::test]
    async fn tiles_are_replaced_unless_they_were_modified_meanwhile() {
        let app = TestApp::new();
        let request = |width, version: &str| {
            put(metric("/layouts")).json(&tile(width)).header(header::IF_MATCH, version)
        };
        let first = app.send(request(6, "\"1\"")).await;
        assert_eq!(first.status, 200, "{}", first.text());
        assert_eq!(first.header(header::ETAG), "\"2\"");
        assert_eq!(first.json()["layouts"][0]["w"], 6);
        assert_eq!(app.send(request(7, "\"1\"")).await.status, 412);
        assert_eq!(app.send(request(7, "*")).await.header(header::ETAG), "\"3\"");
        let tag = app.send(get(metric(""))).await.header(header::ETAG).to_owned();
        assert_eq!(app.send(request(8, &tag)).await.status, 200);
        assert_eq!(app.send(request(9, &tag)).await.status, 412);
        assert_eq!(app.send(request(9, "\"2\", \"4\"")).await.status, 200);
    }

    #[tokio::test]
    async fn tiles_with_errors_are_refused() {
        let request = put(metric("/layouts")).json(&tile(0)).header(header::IF_MATCH, "3");
        let response = TestApp::new().send(request).await;
        assert_eq!(response.errors(), ["body.0.w: out_of_range", "header.if-match: value_error"]);
    }
}

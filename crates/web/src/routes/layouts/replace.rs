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
    check::Checked,
    extract::{Caller, JsonBody, MetricPath},
    failures::{Forbidden, Invalid, Locked, MetricNotFound, NotJson, Stale, TooLarge, Unavailable},
    problem::Problem,
    validation::ValidationError,
    wire::{LayoutItemBody, LayoutItemInput, MetricBody},
};

/// Move a metric's tiles
///
/// Send the metric's `layout_version` as `If-Match: "3"`, and no concurrent change is overwritten:
/// 412 says that the layouts were modified meanwhile. The rows of the metric stay cached.
#[utoipa::path(
    put, path = "/metrics/{id}/layouts", operation_id = "replace_metric_layouts", tag = "metrics",
    params(
        ("id" = Uuid, Path, description = "The metric"),
        ("If-Match" = Option<String>, Header, description = "The layout version that the caller knows, in quotes"),
    ),
    request_body = Vec<LayoutItemBody>,
    responses(
        (status = 200, description = "The metric as it is now", body = MetricBody, headers(("ETag" = String, description = "The new layout version"))),
        Forbidden, MetricNotFound, Locked, Stale, TooLarge, NotJson, Invalid, Unavailable,
    ),
)]
pub(crate) async fn handler(
    Caller(actor): Caller,
    State(context): State<Arc<Context>>,
    MetricPath(id): MetricPath,
    headers: HeaderMap,
    JsonBody(body): JsonBody<Vec<LayoutItemInput>>,
) -> Result<([(HeaderName, String); 1], Json<MetricBody>), Problem> {
    let ((id, layouts), expected) = id
        .and(body)
        .and(expected_version(&headers))
        .accept(&actor, &context, Action::Arrange)
        .await?;
    let layouts = layouts.into_iter().map(Into::into).collect();
    let metric = replace_layouts(&actor, &context, id, layouts, expected).await?;
    let etag = [(header::ETAG, format!("\"{}\"", metric.layout_version))];
    Ok((etag, Json((&metric).into())))
}

/// Returns the version in `If-Match`; none if the header is missing or `*`.
fn expected_version(headers: &HeaderMap) -> Checked<Option<i64>> {
    let Some(value) = headers.get(header::IF_MATCH) else {
        return Ok(None).into();
    };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None).into();
    }
    let quoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let version = quoted.and_then(|text| text.parse().ok());
    let read = version.map(Some).ok_or_else(|| {
        let msg = "must be the metric's layout version in quotes, such as \"3\"";
        ValidationError::at(&["header", "if-match"], "value_error", msg).into()
    });
    read.into()
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::test_support::{TestApp, auth_tests, metric, put};

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
    }

    #[tokio::test]
    async fn tiles_with_errors_are_refused() {
        let request = put(metric("/layouts")).json(&tile(0)).header(header::IF_MATCH, "3");
        let response = TestApp::new().send(request).await;
        assert_eq!(response.errors(), ["body.0.w: out_of_range", "header.if-match: value_error"]);
    }
}

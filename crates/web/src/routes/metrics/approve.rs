//! `POST /metrics/{id}/approve`

use std::sync::Arc;

use axum::{Json, extract::State, http::HeaderMap};
use metricd_application::{context::Context, metrics::approve_metric};
use metricd_core::actor::Action;

use crate::{
    caller::Caller,
    check::Checked,
    extract::{MetricPath, QueryParams},
    failures::{Forbidden, Invalid, MetricNotFound, QueryConflict, StaleMetric, Unavailable},
    preconditions::Precondition,
    problem::Problem,
    validation::ValidationErrors,
    wire::MetricBody,
};

/// Let a metric that a sentence became answer
///
/// A metric that waits for nothing is left as it is. An edit of its query voids the approval.
#[utoipa::path(
    post, path = "/metrics/{id}/approve", operation_id = "approve_metric", tag = "metrics",
    params(
        ("id" = Uuid, Path, description = "The metric"),
        ("If-Match" = Option<String>, Header, pattern = r#"^(\*|(W/)?"[!#-~]*")$"#, description = "The `ETag` of `get_metrics`, or of an earlier change"),
        ("query_version" = Option<i64>, Query, minimum = 1, description = "The version of the query that was looked at; if it has another by now, nothing is approved"),
    ),
    responses(
        (status = 200, description = "The metric as it is now", body = MetricBody),
        Forbidden, MetricNotFound, QueryConflict, StaleMetric, Invalid, Unavailable,
    ),
)]
pub(crate) async fn handler(
    caller: Caller,
    State(context): State<Arc<Context>>,
    MetricPath(id): MetricPath,
    headers: HeaderMap,
    query: QueryParams,
) -> Result<Json<MetricBody>, Problem> {
    let ((id, version), precondition) = id
        .and(version(&query))
        .and(Precondition::of(&headers))
        .accept(&caller, &context, Action::Approve)
        .await?;
    let expected = precondition.map(Precondition::expected_metric);
    let metric = approve_metric(&caller.actor, &context, id, version, expected).await?;
    Ok(Json((&metric).into()))
}

fn version(query: &QueryParams) -> Checked<Option<i64>> {
    let mut errors = ValidationErrors::default();
    let version = query.whole_number("query_version", &mut errors, |text| {
        let version = text.parse().ok().filter(|version| *version >= 1);
        version.ok_or("must be the number of a version, from 1")
    });
    Checked::new(version, errors)
}

#[cfg(test)]
pub(crate) mod tests {
    use axum::http::header;

    use crate::test_support::{METRIC, TestApp, auth_tests, metric, post};

    auth_tests!("approve_metric", post(metric("/approve")));

    #[tokio::test]
    async fn a_metric_that_needs_no_approval_stays_unchanged() {
        let response = TestApp::new().send(post(metric("/approve?query_version=1"))).await;
        assert_eq!(response.status, 200, "{}", response.text());
        assert_eq!(response.json()["id"], METRIC);
        assert_eq!(response.json()["review"], "not_needed");
    }

    #[tokio::test]
    async fn another_version_is_not_approved() {
        let response = TestApp::new().send(post(metric("/approve?query_version=9"))).await;
        assert_eq!(response.status, 409);
    }

    #[tokio::test]
    async fn a_metric_that_was_modified_meanwhile_is_not_approved() {
        let request = post(metric("/approve")).header(header::IF_MATCH, "\"0123456789abcdef\"");
        let response = TestApp::new().send(request).await;
        assert_eq!(response.status, 412);
        assert_eq!(response.json()["type"], "urn:metricd:problem:metric-modified");
    }

    #[tokio::test]
    async fn a_version_that_cannot_be_is_refused() {
        let response = TestApp::new().send(post(metric("/approve?query_version=0"))).await;
        assert_eq!(response.errors(), ["query.query_version: out_of_range"]);
    }
}

//! `POST /metrics/{id}/rollback`

use std::sync::Arc;

use axum::{Json, extract::State, http::HeaderMap};
use deserr::Deserr;
use metricd_application::{context::Context, metrics::rollback_metric};
use metricd_core::actor::Action;
use utoipa::ToSchema;

use crate::{
    caller::Caller,
    extract::{JsonBody, JsonInput, MetricPath},
    failures::{RollsBack, StaleMetric},
    preconditions::Precondition,
    problem::Problem,
    validation::{InvalidValue, ValidationErrors},
    wire::MetricBody,
};

/// Where to go back to.
#[derive(Debug, Deserr, ToSchema)]
#[deserr(error = ValidationErrors, deny_unknown_fields)]
pub(crate) struct Rollback {
    /// A version that the query had.
    #[deserr(try_from(i64) = at_least_one -> InvalidValue)]
    #[schema(minimum = 1, example = 1)]
    version: i64,
}

impl JsonInput for Rollback {}

fn at_least_one(version: i64) -> Result<i64, InvalidValue> {
    if version >= 1 {
        Ok(version)
    } else {
        Err(InvalidValue::range("must be at least 1".to_owned()))
    }
}

/// Give a metric the SQL that it had before
///
/// A change like any other: the SQL is checked and compiled as of now, becomes a new version, and
/// changes every other metric that the same query answers.
#[utoipa::path(
    post, path = "/metrics/{id}/rollback", operation_id = "rollback_metric", tag = "metrics",
    params(
        ("id" = Uuid, Path, description = "The metric"),
        ("If-Match" = Option<String>, Header, pattern = r#"^(\*|(W/)?"[!#-~]*")$"#, description = "The `ETag` of `get_metrics`, or of an earlier change"),
    ),
    request_body = Rollback,
    responses(
        (status = 200, description = "The metric as it is now", body = MetricBody),
        RollsBack, StaleMetric,
    ),
)]
pub(crate) async fn handler(
    caller: Caller,
    State(context): State<Arc<Context>>,
    MetricPath(id): MetricPath,
    headers: HeaderMap,
    JsonBody(body): JsonBody<Rollback>,
) -> Result<Json<MetricBody>, Problem> {
    let ((id, rollback), precondition) = id
        .and(body)
        .and(Precondition::of(&headers))
        .accept(&caller, &context, Action::Edit)
        .await?;
    let expected = precondition.map(Precondition::expected_metric);
    let version = rollback.version;
    let compiled = rollback_metric(&caller.actor, &context, id, version, expected).await?;
    Ok(Json((&compiled.metric).into()))
}

#[cfg(test)]
pub(crate) mod tests {
    use axum::http::header;
    use serde_json::json;

    use crate::test_support::{TestApp, auth_tests, metric, patch, post};

    auth_tests!("rollback_metric", post(metric("/rollback")).json(&json!({"version": 1})));

    #[tokio::test]
    async fn an_earlier_version_becomes_the_latest() {
        let app = TestApp::new();
        let change = patch(metric("")).json(&json!({"query": "SELECT 2 AS n"}));
        assert_eq!(app.send(change).await.status, 200);
        let response = app.send(post(metric("/rollback")).json(&json!({"version": 1}))).await;
        assert_eq!(response.status, 200, "{}", response.text());
        assert_eq!(response.json()["query_version"], 3);
    }

    #[tokio::test]
    async fn a_metric_that_was_modified_meanwhile_stays_as_it_is() {
        let request = post(metric("/rollback")).json(&json!({"version": 1}));
        let tag = "\"0123456789abcdef\"";
        let response = TestApp::new().send(request.header(header::IF_MATCH, tag)).await;
        assert_eq!(response.status, 412);
        assert_eq!(response.json()["type"], "urn:metricd:problem:metric-modified");
    }

    #[tokio::test]
    async fn a_version_that_never_was_is_refused() {
        let app = TestApp::new();
        for (version, expected) in [(0, "body.version: out_of_range"), (9, "body.version: unknown")]
        {
            let request = post(metric("/rollback")).json(&json!({"version": version}));
            assert_eq!(app.send(request).await.errors(), [expected]);
        }
    }
}

//! `GET /metrics/{id}/versions`

use std::sync::Arc;

use axum::{Json, extract::State};
use chrono::SecondsFormat;
use metricd_application::{
    context::Context,
    metrics::{MAX_VERSIONS, VersionPage, list_versions},
};
use metricd_core::{actor::Action, metric::QueryVersion};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    caller::Caller,
    check::Checked,
    extract::{MetricPath, QueryParams},
    failures::{Forbidden, Invalid, MetricNotFound, Unavailable},
    problem::Problem,
    validation::ValidationErrors,
    wire::review_schema,
};

const DEFAULT_LIMIT: u32 = 50;

/// A page of a query's versions.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = VersionPage)]
pub(crate) struct VersionPageBody {
    /// The version that answers now.
    current: CurrentVersion,
    /// What it was before, the latest first.
    items: Vec<ReplacedVersion>,
    /// Send it back as `cursor` for the next page; null on the last one.
    next_cursor: Option<String>,
}

/// The version that answers now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CurrentVersion {
    #[schema(minimum = 1)]
    version: i64,
    sql: String,
    #[schema(schema_with = review_schema)]
    review: &'static str,
}

/// A version that another took the place of.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReplacedVersion {
    #[schema(minimum = 1)]
    version: i64,
    sql: String,
    #[schema(value_type = DateTime<Utc>)]
    replaced_at: String,
    /// The subject of the caller who replaced it.
    replaced_by: String,
}

impl From<QueryVersion> for ReplacedVersion {
    fn from(version: QueryVersion) -> Self {
        Self {
            version: version.version,
            sql: version.sql,
            replaced_at: version.replaced_at.to_rfc3339_opts(SecondsFormat::Millis, true),
            replaced_by: version.replaced_by,
        }
    }
}

impl From<VersionPage> for VersionPageBody {
    fn from(page: VersionPage) -> Self {
        let current = CurrentVersion {
            version: page.current.version,
            sql: page.current.sql,
            review: page.current.review.as_str(),
        };
        Self {
            current,
            items: page.replaced.into_iter().map(Into::into).collect(),
            next_cursor: page.next.map(|version| version.to_string()),
        }
    }
}

/// What a metric's query is and was, for those who may see its SQL
#[utoipa::path(
    get, path = "/metrics/{id}/versions", operation_id = "list_metric_versions", tag = "metrics",
    params(
        ("id" = Uuid, Path, description = "The metric"),
        ("limit" = Option<u32>, Query, description = "The most replaced versions of a page, 50 by default", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, pattern = "^[0-9]{1,18}$", description = "The `next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page", body = VersionPageBody),
        Forbidden, MetricNotFound, Invalid, Unavailable,
    ),
)]
pub(crate) async fn handler(
    caller: Caller,
    State(context): State<Arc<Context>>,
    MetricPath(id): MetricPath,
    query: QueryParams,
) -> Result<Json<VersionPageBody>, Problem> {
    let (id, (limit, before)) =
        id.and(page(&query)).accept(&caller, &context, Action::ReadSql).await?;
    let page = list_versions(&caller.actor, &context, id, limit, before).await?;
    Ok(Json(page.into()))
}

fn page(query: &QueryParams) -> Checked<(u32, Option<i64>)> {
    let mut errors = ValidationErrors::default();
    let limit = query.limit(MAX_VERSIONS, DEFAULT_LIMIT, &mut errors);
    let before = query.cursor(&mut errors, |text| text.parse().ok());
    Checked::new((limit, before), errors)
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use crate::test_support::{SQL, TestApp, auth_tests, get, metric, patch};

    auth_tests!("list_metric_versions", get(metric("/versions")));

    #[tokio::test]
    async fn the_versions_of_a_query_are_listed() {
        let app = TestApp::new();
        let change = patch(metric("")).json(&json!({"query": "SELECT 2 AS n"}));
        assert_eq!(app.send(change).await.status, 200);
        let response = app.send(get(metric("/versions"))).await;
        assert_eq!(response.status, 200, "{}", response.text());
        let expected = json!({
            "current": {"version": 2, "sql": "SELECT 2 AS n", "review": "not_needed"},
            "items": [{
                "version": 1, "sql": SQL,
                "replaced_at": "2025-06-30T12:00:00.000Z", "replaced_by": "ann",
            }],
            "next_cursor": null,
        });
        assert_eq!(response.json(), expected);
    }

    #[tokio::test]
    async fn a_page_that_cannot_be_is_refused() {
        let response = TestApp::new().send(get(metric("/versions?limit=201&cursor=x"))).await;
        assert_eq!(response.errors(), ["query.limit: out_of_range", "query.cursor: value_error"]);
    }
}

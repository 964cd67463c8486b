//! `PATCH /metrics/{id}`

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderName, header},
};
use deserr::Deserr;
use metricd_application::{
    context::Context,
    metrics::{Patch, update_metric},
};
use metricd_core::{
    actor::Action,
    metric::{CacheTtl, CompiledMetric, MetricName, Tag},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    caller::Caller,
    extract::{JsonBody, JsonInput, MetricPath},
    failures::{ChangesSql, StaleMetric},
    preconditions::{Precondition, revision},
    problem::Problem,
    validation::{InvalidValue, ValidationErrors},
    wire::{
        DisplayInput, MetricBody, NoteBody, PatchField, READ_ONLY, cache_ttl, name, optional,
        prose, tags,
    },
};

/// What to change. A field that is left out stays as it is; `null` removes a description, an
/// owner or a time of its own in the cache.
#[derive(Debug, Deserr, ToSchema)]
#[deserr(error = ValidationErrors, deny_unknown_fields)]
pub(crate) struct MetricPatch {
    #[deserr(default, try_from(PatchField<String>) = changed_name -> InvalidValue)]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 200)]
    name: Option<MetricName>,
    #[deserr(default, try_from(PatchField<Option<String>>) = changed_prose -> InvalidValue)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 2000)]
    description: PatchField<Option<String>>,
    #[deserr(default, try_from(PatchField<Option<String>>) = changed_prose -> InvalidValue)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 2000)]
    owner: PatchField<Option<String>>,
    /// New SQL. It also changes every other metric that the same query answers.
    #[deserr(default)]
    #[schema(value_type = String, required = false)]
    query: PatchField<String>,
    #[deserr(default, try_from(PatchField<Vec<String>>) = changed_tags -> InvalidValue)]
    #[schema(value_type = Vec<String>, required = false)]
    tags: Option<Vec<Tag>>,
    #[deserr(default)]
    #[schema(value_type = DisplayInput, required = false)]
    display: PatchField<DisplayInput>,
    /// How many seconds its answers are used again, 0 for not at all; `null` for as long as the server's
    /// setting says.
    #[deserr(default, try_from(PatchField<Option<i64>>) = changed_cache_ttl -> InvalidValue)]
    #[schema(value_type = Option<u32>, maximum = 604_800)]
    cache_ttl_seconds: PatchField<Option<CacheTtl>>,
    /// `false` locks the metric; `true` unlocks it, which needs a right of its own.
    #[deserr(default)]
    #[schema(value_type = bool, required = false)]
    is_editable: PatchField<bool>,
}

impl JsonInput for MetricPatch {
    // Tiles are moved by a request of their own.
    const IGNORED: &'static [&'static [&'static str]] = &[READ_ONLY, &["layouts"]];
}

fn changed_name(change: PatchField<String>) -> Result<Option<MetricName>, InvalidValue> {
    optional(change.into_option(), |text| name(&text))
}

fn changed_prose(
    change: PatchField<Option<String>>,
) -> Result<PatchField<Option<String>>, InvalidValue> {
    change.read(prose)
}

fn changed_tags(change: PatchField<Vec<String>>) -> Result<Option<Vec<Tag>>, InvalidValue> {
    optional(change.into_option(), tags)
}

fn changed_cache_ttl(
    change: PatchField<Option<i64>>,
) -> Result<PatchField<Option<CacheTtl>>, InvalidValue> {
    change.read(cache_ttl)
}

impl From<MetricPatch> for Patch {
    fn from(body: MetricPatch) -> Self {
        Self {
            name: body.name,
            description: body.description.into_option(),
            owner: body.owner.into_option(),
            query: body.query.into_option(),
            tags: body.tags,
            display: body.display.into_option().map(Into::into),
            cache_ttl: body.cache_ttl_seconds.into_option(),
            is_editable: body.is_editable.into_option(),
        }
    }
}

/// The metric as it is now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChangedMetric {
    #[serde(flatten)]
    metric: MetricBody,
    /// What became of each date, number of days and placeholder in new SQL, and why.
    notes: Vec<NoteBody>,
}

/// Change a metric
///
/// Send the `ETag` that the metric was read with as `If-Match`, and no concurrent change is overwritten: 412
/// says that the metric was modified meanwhile. Other rows are no change of the metric.
#[utoipa::path(
    patch, path = "/metrics/{id}", operation_id = "update_metrics_configuration", tag = "metrics",
    params(
        ("id" = Uuid, Path, description = "The metric"),
        ("If-Match" = Option<String>, Header, pattern = r#"^(\*|(W/)?"[!#-~]*")$"#, description = "The `ETag` of `get_metrics`, or of an earlier change"),
    ),
    request_body = MetricPatch,
    responses(
        (status = 200, description = "The metric as it is now", body = ChangedMetric, headers(("ETag" = String, description = "Names the metric as it is now, for `If-Match`"))),
        ChangesSql, StaleMetric,
    ),
)]
pub(crate) async fn handler(
    caller: Caller,
    State(context): State<Arc<Context>>,
    MetricPath(id): MetricPath,
    headers: HeaderMap,
    JsonBody(body): JsonBody<MetricPatch>,
) -> Result<([(HeaderName, String); 1], Json<ChangedMetric>), Problem> {
    let ((id, patch), precondition) = id
        .and(body)
        .and(Precondition::of(&headers))
        .accept(&caller, &context, Action::Edit)
        .await?;
    let expected = precondition.map(Precondition::expected_metric);
    let patch = Patch::from(patch);
    let has_sql = patch.query.is_some();
    let changed = update_metric(&caller.actor, &context, id, patch, expected).await?;
    let CompiledMetric { metric, query } = changed;
    let metric = MetricBody::from(&metric);
    let etag = [(header::ETAG, format!("\"{}\"", revision(&metric)))];
    // The caller wrote the SQL, so its notes tell nothing new.
    let notes = if has_sql { query.template.notes } else { Vec::new() };
    let notes = notes.into_iter().map(Into::into).collect();
    Ok((etag, Json(ChangedMetric { metric, notes })))
}

#[cfg(test)]
pub(crate) mod tests {
    use axum::http::header;
    use serde_json::json;

    use crate::test_support::{TestApp, UNKNOWN, auth_tests, get, metric, patch};

    auth_tests!("update_metrics_configuration", patch(metric("")).json(&json!({"name": "Sales"})));

    #[tokio::test]
    async fn a_metric_is_changed() {
        let app = TestApp::new();
        let change = json!({"name": "Sales", "query": "SELECT 2 AS n", "description": null});
        let response = app.send(patch(metric("")).json(&change)).await;
        assert_eq!(response.status, 200, "{}", response.text());
        assert_eq!(response.json()["name"], "Sales");
        assert_eq!(response.json()["query_version"], 2);
        assert_eq!(app.database.writes(), 1);
    }

    #[tokio::test]
    async fn a_metric_that_was_modified_meanwhile_is_not_changed() {
        let app = TestApp::new();
        let read = app.send(get(metric(""))).await.header(header::ETAG).to_owned();
        assert!(read.starts_with("W/\""), "{read}");
        let rename = |name: &str, tag: &str| {
            patch(metric("")).json(&json!({"name": name})).header(header::IF_MATCH, tag)
        };
        let first = app.send(rename("One", &read)).await;
        assert_eq!(first.status, 200, "{}", first.text());
        let stale = app.send(rename("Two", &read)).await;
        assert_eq!(stale.status, 412);
        assert_eq!(stale.json()["type"], "urn:metricd:problem:metric-modified");
        // The change has said what the metric is named now.
        assert_eq!(app.send(rename("Two", first.header(header::ETAG))).await.status, 200);
        assert_eq!(app.send(rename("Four", "*")).await.status, 200);
        assert_eq!(app.send(rename("Five", "\"1\"")).await.status, 412);
        let unreadable = app.send(rename("Five", "1")).await;
        assert_eq!(unreadable.errors(), ["header.if-match: value_error"]);
        assert_eq!(app.database.writes(), 3);
    }

    #[tokio::test]
    async fn what_was_read_can_be_changed_and_sent_back() {
        let app = TestApp::new();
        let mut read = app.send(get(metric(""))).await.json();
        read["name"] = "Sales".into();
        let response = app.send(patch(metric("")).json(&read)).await;
        assert_eq!(response.status, 200, "{}", response.text());
        assert_eq!(response.json()["name"], "Sales");
        read["colour"] = "red".into();
        read["display"]["legend"] = true.into();
        let mut errors = app.send(patch(metric("")).json(&read)).await.errors();
        errors.sort();
        assert_eq!(errors, ["body.colour: unknown", "body.display.legend: unknown"]);
    }

    #[tokio::test]
    async fn a_metric_that_is_locked_or_unknown_is_not_changed() {
        let app = TestApp::new();
        app.database.lock_editing();
        let change = json!({"name": "Sales"});
        assert_eq!(app.send(patch(metric("")).json(&change)).await.status, 409);
        let unknown = patch(format!("/metrics/{UNKNOWN}")).json(&change);
        assert_eq!(app.send(unknown).await.status, 404);
        assert_eq!(app.database.writes(), 0);
    }

    #[tokio::test]
    async fn a_change_with_errors_is_refused() {
        let change = json!({"name": "", "cache_ttl_seconds": -1, "is_editable": "yes"});
        let response = TestApp::new().send(patch(metric("")).json(&change)).await;
        let expected = [
            "body.cache_ttl_seconds: value_error",
            "body.is_editable: bool_type",
            "body.name: value_error",
        ];
        let mut errors = response.errors();
        errors.sort();
        assert_eq!(errors, expected);
    }
}

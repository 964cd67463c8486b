//! `PATCH /metrics/{id}`

use std::sync::Arc;

use axum::{Json, extract::State};
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
    extract::{Caller, JsonBody, MetricPath},
    failures::ChangesSql,
    problem::Problem,
    validation::{InvalidValue, ValidationErrors},
    wire::{DisplayBody, MetricBody, NoteBody, PatchField, cache_ttl, name, optional, prose, tags},
};

/// What to change. A field that is left out stays as it is; `null` removes a description, an
/// owner or a time of its own in the cache.
#[derive(Debug, Deserr, ToSchema)]
#[deserr(error = ValidationErrors)]
pub(crate) struct MetricPatch {
    #[deserr(default, try_from(PatchField<String>) = changed_name -> InvalidValue)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200)]
    name: Option<MetricName>,
    #[deserr(default, try_from(PatchField<Option<String>>) = changed_prose -> InvalidValue)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 2000)]
    description: PatchField<Option<String>>,
    #[deserr(default, try_from(PatchField<Option<String>>) = changed_prose -> InvalidValue)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 2000)]
    owner: PatchField<Option<String>>,
    /// New SQL. It also changes every other metric that the same query answers.
    #[deserr(default)]
    #[schema(value_type = Option<String>)]
    query: PatchField<String>,
    #[deserr(default, try_from(PatchField<Vec<String>>) = changed_tags -> InvalidValue)]
    #[schema(value_type = Option<Vec<String>>)]
    tags: Option<Vec<Tag>>,
    #[deserr(default)]
    #[schema(value_type = Option<DisplayBody>)]
    display: PatchField<DisplayBody>,
    /// How many seconds its answers are used again, 0 for not at all; `null` for as long as the server's
    /// setting says.
    #[deserr(default, try_from(PatchField<Option<i64>>) = changed_cache_ttl -> InvalidValue)]
    #[schema(value_type = Option<u32>, maximum = 604_800)]
    cache_ttl_seconds: PatchField<Option<CacheTtl>>,
    /// `false` locks the metric; `true` unlocks it, which needs a right of its own.
    #[deserr(default)]
    #[schema(value_type = Option<bool>)]
    is_editable: PatchField<bool>,
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
    /// What became of each date, number of days and placeholder in new SQL, and why. Left out when there is
    /// nothing to note.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<NoteBody>,
}

/// Change a metric
#[utoipa::path(
    patch, path = "/metrics/{id}", operation_id = "update_metrics_configuration", tag = "metrics",
    params(("id" = Uuid, Path, description = "The metric")),
    request_body = MetricPatch,
    responses(
        (status = 200, description = "The metric as it is now", body = ChangedMetric),
        ChangesSql,
    ),
)]
pub(crate) async fn handler(
    Caller(actor): Caller,
    State(context): State<Arc<Context>>,
    MetricPath(id): MetricPath,
    JsonBody(body): JsonBody<MetricPatch>,
) -> Result<Json<ChangedMetric>, Problem> {
    let (id, patch) = id.and(body).accept(&actor, &context, Action::Edit).await?;
    let patch = Patch::from(patch);
    let has_sql = patch.query.is_some();
    let CompiledMetric { metric, query } = update_metric(&actor, &context, id, patch).await?;
    // The caller wrote the SQL, so its notes tell nothing new.
    let notes = if has_sql { query.template.notes } else { Vec::new() };
    let notes = notes.into_iter().map(Into::into).collect();
    Ok(Json(ChangedMetric { metric: (&metric).into(), notes }))
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use crate::test_support::{TestApp, UNKNOWN, auth_tests, metric, patch};

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

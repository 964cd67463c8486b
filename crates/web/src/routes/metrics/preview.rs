//! `POST /metrics/preview`

use std::sync::Arc;

use axum::{Json, extract::State};
use deserr::{Deserr, ValuePointerRef};
use metricd_application::{
    context::Context,
    metrics::{Preview, preview_metric},
};
use metricd_core::actor::Action;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::create::{GenerationBody, either, optional_prose, source};
use crate::{
    answer::ParamsBody,
    caller::Caller,
    extract::{JsonBody, JsonInput},
    failures::PreviewsMetric,
    problem::Problem,
    validation::{InvalidValue, ValidationErrors},
    wire::{ColumnBody, NoteBody, READ_ONLY, rows_schema},
};

/// What to try: a sentence (`query_generation_prompt`) or SQL (`query`), one of the two.
#[derive(Debug, Deserr, ToSchema)]
#[deserr(error = ValidationErrors, validate = one_source -> ValidationErrors, deny_unknown_fields)]
pub(crate) struct PreviewRequest {
    /// What the metric should show, as a sentence.
    #[deserr(default, try_from(Option<String>) = optional_prose -> InvalidValue)]
    #[schema(example = "Alerts needing approval in June 2025", min_length = 1, max_length = 2000)]
    query_generation_prompt: Option<String>,
    /// Whether a sentence that is not understood is an error.
    #[deserr(default)]
    strict: Option<bool>,
    /// The metric's SQL.
    #[deserr(default)]
    query: Option<String>,
}

impl JsonInput for PreviewRequest {
    // The same body can be tried and then sent to `POST /metrics`.
    const IGNORED: &'static [&'static [&'static str]] = &[
        READ_ONLY,
        &[
            "name",
            "description",
            "owner",
            "tags",
            "display",
            "cache_ttl_seconds",
            "is_editable",
            "layouts",
        ],
    ];
}

fn one_source(
    body: PreviewRequest,
    at: ValuePointerRef<'_>,
) -> Result<PreviewRequest, ValidationErrors> {
    either(body.query_generation_prompt.as_deref(), body.query.as_deref(), at)?;
    Ok(body)
}

/// What a metric would be.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Preview)]
pub(crate) struct PreviewBody {
    /// How the SQL was written, when it came from a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<GenerationBody>,
    /// The columns of the records.
    columns: Vec<ColumnBody>,
    #[schema(schema_with = rows_schema)]
    records: Box<RawValue>,
    /// Whether there are more than these, 20 at most.
    truncated: bool,
    /// What the query was run with: the defaults of its window.
    params: ParamsBody,
    /// What became of each date, number of days and placeholder in the SQL, and why; of generated SQL, what
    /// is probably a mistake.
    notes: Vec<NoteBody>,
}

impl TryFrom<Preview> for PreviewBody {
    type Error = serde_json::Error;

    fn try_from(preview: Preview) -> Result<Self, serde_json::Error> {
        let Preview { trial, generation, shows_sql, notes } = preview;
        Ok(Self {
            generation: generation.map(|generation| GenerationBody::new(generation, shows_sql)),
            columns: trial.description.columns.iter().map(Into::into).collect(),
            records: RawValue::from_string(trial.rows.json)?,
            truncated: trial.rows.truncated,
            params: (&trial.parameters).into(),
            notes: notes.into_iter().map(Into::into).collect(),
        })
    }
}

/// What a metric would be, without making it
///
/// Does all that making it does, runs it once for the defaults of its window, and stores nothing.
#[utoipa::path(
    post, path = "/metrics/preview", operation_id = "preview_metric", tag = "metrics",
    request_body = PreviewRequest,
    responses(
        (status = 200, description = "What it would be", body = PreviewBody),
        PreviewsMetric,
    ),
)]
pub(crate) async fn handler(
    caller: Caller,
    State(context): State<Arc<Context>>,
    JsonBody(body): JsonBody<PreviewRequest>,
) -> Result<Json<PreviewBody>, Problem> {
    let body = body.accept(&caller, &context, Action::Create).await?;
    let source = source(body.query_generation_prompt, body.query, body.strict);
    let preview = preview_metric(&caller.actor, &context, source).await?;
    PreviewBody::try_from(preview).map(Json).map_err(Problem::internal)
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use crate::test_support::{Run, SQL, TestApp, auth_tests, post};

    auth_tests!("preview_metric", post("/metrics/preview").json(&json!({"query": SQL})));

    #[tokio::test]
    async fn a_query_is_run_and_nothing_stored() {
        let app = TestApp::new();
        let response = app.send(post("/metrics/preview").json(&json!({"query": SQL}))).await;
        assert_eq!(response.status, 200, "{}", response.text());
        let body = response.json();
        assert_eq!(body["columns"], json!([{"name": "n", "type": "int8"}]));
        assert_eq!(body["records"], json!([{"n": 1}]));
        assert_eq!(app.database.writes(), 0);
    }

    #[tokio::test]
    async fn a_query_that_the_database_rejects_is_refused() {
        let app = TestApp::with_runner(Run::Rejects);
        let response = app.send(post("/metrics/preview").json(&json!({"query": SQL}))).await;
        assert_eq!(response.errors(), ["body.query: sql"]);
    }

    #[tokio::test]
    async fn a_body_without_a_source_is_refused() {
        let response = TestApp::new().send(post("/metrics/preview").json(&json!({}))).await;
        assert_eq!(response.errors(), ["body.query_generation_prompt: missing"]);
    }
}

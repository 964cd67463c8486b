//! `POST /metrics`

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use deserr::{Deserr, MergeWithError, ValuePointerRef, take_cf_content};
use metricd_application::{
    context::Context,
    generation::Generation,
    idempotency::{Outcome, Replayable},
    metrics::{CreateMetric, Created, QuerySource, create_metric},
    ports::{GenerationSource, StoredResponse},
};
use metricd_core::{
    actor::Action,
    metric::{CacheTtl, MetricName, Tag},
};
use serde::Serialize;
use utoipa::{ToSchema, openapi::schema::Object};
use uuid::Uuid;

use crate::{
    caller::Caller,
    extract::JsonInput,
    failures::MakesMetric,
    idempotency::{IdempotentBody, replay},
    problem::Problem,
    validation::{InvalidValue, ValidationError, ValidationErrors},
    wire::{
        DisplayInput, LayoutItemInput, NoteBody, READ_ONLY, cache_ttl, name, optional, prose, tags,
        word_schema,
    },
};

/// The metric to make: from a sentence (`query_generation_prompt`) or from SQL (`query`), one of
/// the two.
#[derive(Debug, Deserr, ToSchema)]
#[deserr(error = ValidationErrors, validate = one_source -> ValidationErrors, deny_unknown_fields)]
pub(crate) struct NewMetric {
    /// Whether it may be changed later.
    is_editable: bool,
    /// Its places on the dashboard.
    layouts: Vec<LayoutItemInput>,
    /// What the metric should show, as a sentence.
    #[deserr(default, try_from(Option<String>) = optional_prose -> InvalidValue)]
    #[schema(example = "Alerts needing approval in June 2025", min_length = 1, max_length = 2000)]
    query_generation_prompt: Option<String>,
    /// Whether a sentence that is not understood is an error.
    #[deserr(default)]
    strict: Option<bool>,
    /// The metric's SQL: one SELECT, with `:start_date`, `:end_date`, `:day_range` and `:timezone`
    /// where it should follow the caller's window.
    #[deserr(default)]
    query: Option<String>,
    /// A short name; by default the first line of the SQL's leading comment.
    #[deserr(default, try_from(Option<String>) = optional_name -> InvalidValue)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200)]
    name: Option<MetricName>,
    #[deserr(default, try_from(Option<String>) = optional_prose -> InvalidValue)]
    #[schema(min_length = 1, max_length = 2000)]
    description: Option<String>,
    /// Who answers for it; by default the caller.
    #[deserr(default, try_from(Option<String>) = optional_prose -> InvalidValue)]
    #[schema(min_length = 1, max_length = 2000)]
    owner: Option<String>,
    #[deserr(default, try_from(Option<Vec<String>>) = optional_tags -> InvalidValue)]
    #[schema(value_type = Option<Vec<String>>)]
    tags: Option<Vec<Tag>>,
    /// How the dashboard draws it.
    #[deserr(default)]
    display: Option<DisplayInput>,
    /// How many seconds its answers are used again, 0 for not at all; by default as long as the
    /// server's setting says.
    #[deserr(default, try_from(Option<i64>) = optional_cache_ttl -> InvalidValue)]
    #[schema(value_type = Option<u32>, maximum = 604_800)]
    cache_ttl_seconds: Option<CacheTtl>,
}

impl JsonInput for NewMetric {
    const IGNORED: &'static [&'static [&'static str]] = &[READ_ONLY];
}

pub(super) fn optional_prose(text: Option<String>) -> Result<Option<String>, InvalidValue> {
    optional(text, prose)
}

fn optional_name(text: Option<String>) -> Result<Option<MetricName>, InvalidValue> {
    optional(text, |text| name(&text))
}

fn optional_tags(texts: Option<Vec<String>>) -> Result<Option<Vec<Tag>>, InvalidValue> {
    optional(texts, tags)
}

fn optional_cache_ttl(seconds: Option<i64>) -> Result<Option<CacheTtl>, InvalidValue> {
    optional(seconds, cache_ttl)
}

fn one_source(body: NewMetric, at: ValuePointerRef<'_>) -> Result<NewMetric, ValidationErrors> {
    either(body.query_generation_prompt.as_deref(), body.query.as_deref(), at)?;
    Ok(body)
}

/// Checks that a body has either a sentence or SQL.
pub(super) fn either(
    prompt: Option<&str>,
    query: Option<&str>,
    at: ValuePointerRef<'_>,
) -> Result<(), ValidationErrors> {
    match (prompt, query) {
        (Some(_), None) | (None, Some(_)) => Ok(()),
        (Some(_), Some(_)) => {
            let invalid =
                InvalidValue::value("must not be given together with query_generation_prompt");
            Err(take_cf_content(ValidationErrors::merge(None, invalid, at.push_key("query"))))
        }
        (None, None) => {
            let msg = "is required, or query in its place";
            Err(ValidationError::at(&["body", "query_generation_prompt"], "missing", msg).into())
        }
    }
}

/// Returns the source that [`either`] has checked.
pub(super) fn source(
    prompt: Option<String>,
    query: Option<String>,
    strict: Option<bool>,
) -> QuerySource {
    match query {
        Some(sql) => QuerySource::Sql(sql),
        None => QuerySource::Prompt {
            text: prompt.unwrap_or_default(),
            strict: strict.unwrap_or(false),
        },
    }
}

impl From<NewMetric> for CreateMetric {
    fn from(body: NewMetric) -> Self {
        Self {
            is_editable: body.is_editable,
            layouts: body.layouts.into_iter().map(Into::into).collect(),
            source: source(body.query_generation_prompt, body.query, body.strict),
            name: body.name,
            description: body.description,
            owner: body.owner,
            tags: body.tags.unwrap_or_default(),
            display: body.display.map(Into::into).unwrap_or_default(),
            cache_ttl: body.cache_ttl_seconds,
        }
    }
}

/// The metric that was made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CreatedMetric {
    id: Uuid,
    /// How its SQL was written, when it was made from a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<GenerationBody>,
    /// What became of each date, number of days and placeholder in the SQL, and why; of generated SQL, what
    /// is probably a mistake. Left out when there is nothing to note.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<NoteBody>,
}

/// How a metric's SQL was written.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Generation)]
pub(crate) struct GenerationBody {
    #[schema(schema_with = source_schema)]
    source: &'static str,
    /// Whether the sentence was understood in terms of the tables and columns.
    grounded: bool,
    /// What was understood, or what was not.
    explanation: String,
    /// The SQL, for those who may see it; null for others.
    sql: Option<String>,
    /// How many suggestions were looked at, the one that was taken included.
    attempts: u32,
}

fn source_schema() -> Object {
    let words = GenerationSource::ALL.map(GenerationSource::as_str);
    let description =
        "A `model`, metricd's own `offline` grammar, or the `fallback` to raw records.";
    word_schema(words, description)
}

impl GenerationBody {
    pub(super) fn new(generation: Generation, shows_sql: bool) -> Self {
        Self {
            source: generation.source.as_str(),
            grounded: generation.grounded,
            explanation: generation.explanation,
            sql: shows_sql.then_some(generation.sql),
            attempts: generation.attempts,
        }
    }
}

impl From<Created> for CreatedMetric {
    fn from(Created { id, generation, shows_sql, notes }: Created) -> Self {
        let generation = generation.map(|generation| GenerationBody::new(generation, shows_sql));
        Self { id: id.0, generation, notes: notes.into_iter().map(Into::into).collect() }
    }
}

/// The path of the metric.
fn location(created: &Created) -> String {
    format!("/metrics/{}", created.id)
}

/// The response that is stored for the idempotency key.
fn stored_response(created: &Created) -> StoredResponse {
    let body = serde_json::to_string(&CreatedMetric::from(created.clone()));
    StoredResponse { location: Some(location(created)), body: body.ok() }
}

/// Make a metric from a sentence or from SQL
///
/// A sentence that is not understood still makes a metric, which returns its own raw records, and
/// says so in `generation.grounded`; with `strict` it is refused. Where what sentences become has to be
/// approved, the metric cannot be read until it is.
#[utoipa::path(
    post, path = "/metrics", operation_id = "create_metrics_configuration", tag = "metrics",
    params(("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$", description = "The caller's name for this request: sent again within a day, it makes no second metric and has the same answer")),
    request_body = NewMetric,
    responses(
        (status = 201, description = "Made", body = CreatedMetric, headers(("Location" = String, description = "The metric"))),
        MakesMetric,
    ),
)]
pub(crate) async fn handler(
    caller: Caller,
    State(context): State<Arc<Context>>,
    IdempotentBody { request, body }: IdempotentBody<NewMetric>,
) -> Result<Response, Problem> {
    let (body, request) = body.and(request).accept(&caller, &context, Action::Create).await?;
    let replayable =
        request.as_ref().map(|request| Replayable { request, response: &stored_response });
    let created = match create_metric(&caller.actor, &context, body.into(), replayable).await? {
        Outcome::Executed(created) => created,
        Outcome::Replayed(response) => return Ok(replay(response)),
    };
    tracing::Span::current().record("metric_id", tracing::field::display(created.id));
    let location = [(header::LOCATION, location(&created))];
    Ok((StatusCode::CREATED, location, Json(CreatedMetric::from(created))).into_response())
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        idempotency::{IDEMPOTENCY_KEY, REPLAYED},
        test_support::{SQL, TestApp, assert_uuid, auth_tests, get, metric, post},
    };

    fn with_sql(sql: &str) -> Value {
        json!({"is_editable": true, "layouts": [], "query": sql})
    }

    auth_tests!("create_metrics_configuration", post("/metrics").json(&with_sql(SQL)));

    #[tokio::test]
    async fn a_metric_is_made_from_sql() {
        let app = TestApp::new();
        let response = app.send(post("/metrics").json(&with_sql(SQL))).await;
        assert_eq!(response.status, 201, "{}", response.text());
        let body = response.json();
        assert_uuid(&body["id"]);
        assert!(body.get("generation").is_none());
        let path = format!("/metrics/{}", body["id"].as_str().unwrap());
        assert_eq!(response.header(header::LOCATION), path);
        assert_eq!(app.database.writes(), 1);
    }

    #[tokio::test]
    async fn what_was_read_of_a_metric_makes_another_one() {
        let app = TestApp::new();
        let mut copy = app.send(get(metric(""))).await.json();
        copy["query"] = SQL.into();
        copy["owner"] = "bob".into();
        copy["display"] = json!({"chart": "bar", "unit": "€"});
        copy["layouts"] =
            json!([{"breakpoint": "lg", "x": 0, "y": 0, "w": 6, "h": 8, "i": "a", "moved": true}]);
        assert_eq!(app.send(post("/metrics/preview").json(&copy)).await.status, 200);
        let made = app.send(post("/metrics").json(&copy)).await;
        assert_eq!(made.status, 201, "{}", made.text());
        let made = app.send(get(made.header(header::LOCATION))).await.json();
        assert_eq!((&made["name"], &made["owner"]), (&json!("Orders"), &json!("bob")));
        assert_eq!(made["display"], copy["display"]);
        copy["title"] = "Orders".into();
        assert_eq!(app.send(post("/metrics").json(&copy)).await.errors(), ["body.title: unknown"]);
        let preview = app.send(post("/metrics/preview").json(&copy)).await;
        assert_eq!(preview.errors(), ["body.title: unknown"]);
    }

    #[tokio::test]
    async fn a_key_makes_one_metric() {
        let app = TestApp::new();
        let request = post("/metrics").json(&with_sql(SQL)).header(IDEMPOTENCY_KEY, "a");
        let first = app.send(request.clone()).await;
        let second = app.send(request).await;
        assert_eq!((first.status, second.status), (201, 201));
        assert_eq!(first.json(), second.json());
        assert_eq!((first.header(REPLAYED), second.header(REPLAYED)), ("", "true"));
        assert_eq!(app.database.writes(), 1);
        let other = post("/metrics").json(&with_sql("SELECT 1 AS n")).header(IDEMPOTENCY_KEY, "a");
        assert_eq!(app.send(other).await.errors(), ["header.idempotency-key: key_taken"]);
    }

    #[tokio::test]
    async fn a_body_with_errors_is_refused() {
        let app = TestApp::new();
        let errors = async |body: Value| app.send(post("/metrics").json(&body)).await.errors();
        let missing = errors(json!({"query": SQL})).await;
        assert_eq!(missing, ["body.is_editable: missing", "body.layouts: missing"]);
        assert_eq!(errors(with_sql("DELETE FROM orders")).await, ["body.query: sql"]);
        let mut both = with_sql(SQL);
        both["query_generation_prompt"] = "orders".into();
        assert_eq!(errors(both).await, ["body.query: value_error"]);
        let sentence = json!({
            "is_editable": true, "layouts": [], "strict": true, "query_generation_prompt": "what?"
        });
        assert_eq!(errors(sentence).await, ["body.query_generation_prompt: ungrounded"]);
        let text = app.send(post("/metrics").body("application/json", "{")).await;
        assert_eq!(text.errors(), ["body: json_invalid"]);
        assert_eq!(app.send(post("/metrics").body("text/plain", "a")).await.status, 415);
        assert_eq!(app.database.writes(), 0);
    }
}

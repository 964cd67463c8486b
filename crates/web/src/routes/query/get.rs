//! `GET /metrics/{id}/query`

use std::sync::Arc;

use axum::{Json, extract::State};
use chrono::NaiveDate;
use metricd_application::{context::Context, metrics::get_query};
use metricd_core::{
    actor::Action,
    metric::CompiledMetric,
    window::{DateDefault, Slots},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    caller::Caller,
    extract::MetricPath,
    failures::{Forbidden, Invalid, MetricNotFound, Unavailable},
    problem::Problem,
    wire::NoteBody,
};

/// The SQL behind a metric.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QueryBody {
    /// The query's id, which the metric's records carry.
    id: String,
    /// Counts changes of the query.
    #[schema(minimum = 1)]
    version: i64,
    /// The author's SQL.
    sql: String,
    /// The statement that runs, with `$1` … for its parameters.
    template: String,
    /// The tables and views that it reads.
    tables: Vec<String>,
    slots: SlotsBody,
    /// The claims of the caller's token that decide which rows there are.
    claims: Vec<String>,
    /// What became of each date, number of days and placeholder in the author's SQL, and why.
    notes: Vec<NoteBody>,
}

/// What a caller may vary, with the defaults; null where the SQL has no place for it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Slots)]
pub(crate) struct SlotsBody {
    start_date: Option<DateSlot>,
    end_date: Option<DateSlot>,
    day_range: Option<DaySlot>,
    /// Whether the SQL has a place for the time zone's name.
    timezone: bool,
    /// Whether the SQL asks for the present day or instant.
    clock: bool,
}

/// A date that a caller may choose.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DateSlot {
    /// The author's own date; null when it follows today, in the way that `notes` says.
    default: Option<NaiveDate>,
}

/// A number of days that a caller may choose.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DaySlot {
    default: u32,
}

impl From<DateDefault> for DateSlot {
    fn from(default: DateDefault) -> Self {
        let default = match default {
            DateDefault::Fixed(day) => Some(day),
            DateDefault::FromToday | DateDefault::Relative(_) => None,
        };
        Self { default }
    }
}

impl From<Slots> for SlotsBody {
    fn from(slots: Slots) -> Self {
        Self {
            start_date: slots.start_date.map(Into::into),
            end_date: slots.end_date.map(Into::into),
            day_range: slots.day_range.map(|default| DaySlot { default }),
            timezone: slots.timezone,
            clock: slots.clock,
        }
    }
}

impl From<CompiledMetric> for QueryBody {
    fn from(compiled: CompiledMetric) -> Self {
        let query = compiled.query;
        Self {
            id: query.id.as_str().to_owned(),
            version: query.version,
            sql: query.sql,
            template: query.template.sql,
            tables: query.template.tables.iter().map(ToString::to_string).collect(),
            slots: query.template.slots.into(),
            claims: query.template.claims.iter().map(ToString::to_string).collect(),
            notes: query.template.notes.into_iter().map(Into::into).collect(),
        }
    }
}

/// The SQL behind a metric, for those who may see it
#[utoipa::path(
    get, path = "/metrics/{id}/query", operation_id = "get_metric_query", tag = "metrics",
    params(("id" = Uuid, Path, description = "The metric")),
    responses(
        (status = 200, description = "The SQL, the statement that runs, and its slots", body = QueryBody),
        Forbidden, MetricNotFound, Invalid, Unavailable,
    ),
)]
pub(crate) async fn handler(
    caller: Caller,
    State(context): State<Arc<Context>>,
    MetricPath(id): MetricPath,
) -> Result<Json<QueryBody>, Problem> {
    let compiled =
        get_query(&caller.actor, &context, id.accept(&caller, &context, Action::ReadSql).await?)
            .await?;
    Ok(Json(compiled.into()))
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use crate::test_support::{SQL, TestApp, UNKNOWN, auth_tests, get, metric};

    auth_tests!("get_metric_query", get(metric("/query")));

    #[tokio::test]
    async fn the_sql_is_shown_with_what_it_compiled_to() {
        let response = TestApp::new().send(get(metric("/query"))).await;
        assert_eq!(response.status, 200, "{}", response.text());
        let body = response.json();
        assert_eq!((&body["id"], &body["version"]), (&json!("orders"), &json!(1)));
        assert_eq!(body["sql"], SQL);
        assert_eq!(body["tables"], json!(["orders"]));
        assert_eq!(body["slots"]["start_date"], json!(null));
        assert_eq!(body["claims"], json!([]));
    }

    #[tokio::test]
    async fn an_unknown_metric_is_not_found() {
        assert_eq!(TestApp::new().send(get(format!("/metrics/{UNKNOWN}/query"))).await.status, 404);
    }

    #[tokio::test]
    async fn an_id_that_is_no_uuid_is_refused() {
        let response = TestApp::new().send(get("/metrics/orders/query")).await;
        assert_eq!(response.errors(), ["path.id: uuid_parsing"]);
    }
}

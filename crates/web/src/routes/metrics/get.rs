//! `GET /metrics/{id}`

use axum::{Json, extract::State};
use chrono::{NaiveDate, SecondsFormat};
use metricd_application::{
    metrics::{Answer, get_metric},
    ports::Ports,
};
use metricd_core::{actor::Action, window::Window};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::{
    extract::{Caller, MetricPath, QueryParams},
    failures::{Forbidden, MetricNotFound, RunsSql, Waiting},
    problem::Problem,
    wire::{ColumnBody, MetricBody},
};

/// A metric's answer for a window.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MetricAnswer {
    #[serde(flatten)]
    metric: MetricBody,
    /// The columns of the records.
    columns: Vec<ColumnBody>,
    /// The rows of the metric's query, one object each, as PostgreSQL wrote them: numbers are
    /// exact, digit for digit.
    #[schema(value_type = Vec<Object>)]
    records: Box<RawValue>,
    /// Whether records were left out because there were more than the server allows.
    truncated: bool,
    /// What the query was run with.
    params: Params,
    /// When the records were read.
    #[schema(value_type = DateTime<Utc>)]
    as_of: String,
}

/// The parameters that an answer was made with. A part that the metric's query has no place for is
/// null.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Params {
    /// First day.
    start_date: Option<NaiveDate>,
    /// Last day, inclusive.
    end_date: Option<NaiveDate>,
    /// Days back from today.
    day_range: Option<u32>,
    /// Time zone that decides which day is today; null when nothing depends on it.
    #[schema(example = "UTC")]
    timezone: Option<&'static str>,
    /// Parameters that were given and have no effect on this metric.
    ignored: Vec<&'static str>,
}

impl From<&Window> for Params {
    fn from(window: &Window) -> Self {
        Self {
            start_date: window.start_date,
            end_date: window.end_date,
            day_range: window.day_range,
            timezone: window.uses_timezone.then(|| window.timezone.name()),
            ignored: window.ignored.iter().map(|param| param.as_str()).collect(),
        }
    }
}

impl TryFrom<Answer> for MetricAnswer {
    type Error = serde_json::Error;

    fn try_from(answer: Answer) -> Result<Self, serde_json::Error> {
        Ok(Self {
            metric: (&answer.compiled.metric).into(),
            columns: answer.compiled.query.columns.iter().map(Into::into).collect(),
            records: RawValue::from_string(answer.rows.json)?,
            truncated: answer.rows.truncated,
            params: answer.key.window().into(),
            as_of: answer.as_of.to_rfc3339_opts(SecondsFormat::Millis, true),
        })
    }
}

/// A metric with its records for a window
///
/// A parameter that the metric's query has no place for is accepted and listed in
/// `params.ignored`. Without parameters the metric answers what its author wrote.
#[utoipa::path(
    get, path = "/metrics/{id}", operation_id = "get_metrics", tag = "metrics",
    params(
        ("id" = Uuid, Path, description = "The metric"),
        ("start_date" = Option<NaiveDate>, Query, description = "First day", example = "2025-06-01"),
        ("end_date" = Option<NaiveDate>, Query, description = "Last day, inclusive", example = "2025-06-30"),
        ("day_range" = Option<u32>, Query, description = "Days back from today", maximum = 36500),
        ("timezone" = Option<String>, Query, description = "IANA time zone that decides which day is today; UTC by default", example = "Europe/Berlin"),
    ),
    responses(
        (status = 200, description = "The records", body = MetricAnswer),
        Forbidden, MetricNotFound, Waiting, RunsSql,
    ),
)]
pub(crate) async fn handler(
    Caller(actor): Caller,
    State(ports): State<Ports>,
    MetricPath(id): MetricPath,
    query: QueryParams,
) -> Result<Json<MetricAnswer>, Problem> {
    let (id, window) = id.and(query.window()).accept(&actor, &ports, Action::Read).await?;
    let answer = get_metric(&actor, &ports, id, &window).await?;
    MetricAnswer::try_from(answer).map(Json).map_err(Problem::internal)
}

//! `GET /metrics/{id}`

use std::sync::Arc;

use axum::{extract::State, response::Response};
use metricd_application::{
    context::Context,
    metrics::{AnswerRequest, export_metric, get_metric},
};
use metricd_core::actor::Action;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    answer::{self, AnswerHead, AnswerTail},
    export,
    extract::{Caller, Headers, MetricPath, QueryParams},
    failures::{Forbidden, MetricNotFound, RunsSql, Waiting},
    negotiation::{max_age, prefers_csv},
    problem::Problem,
};

/// A metric's answer for a window, as the document describes it; [`answer`] writes it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MetricAnswer {
    #[serde(flatten)]
    head: AnswerHead,
    /// The rows of the metric's query, one object each, as PostgreSQL wrote them: numbers are
    /// exact, digit for digit.
    #[schema(value_type = Vec<Object>)]
    records: (),
    #[serde(flatten)]
    tail: AnswerTail,
    /// When the records were read.
    #[schema(value_type = DateTime<Utc>)]
    as_of: (),
}

/// A metric with its records for a window
///
/// A parameter that the metric's query has no place for is accepted and listed in
/// `params.ignored`. Without parameters the metric answers what its author wrote.
///
/// The answer may be from memory, as long as nothing has changed since, and says how old it is.
///
/// Whoever prefers `text/csv` gets all rows, however many, as CSV: never from memory, and broken off
/// where they cannot be given to the last one.
#[utoipa::path(
    get, path = "/metrics/{id}", operation_id = "get_metrics", tag = "metrics",
    params(
        ("id" = Uuid, Path, description = "The metric"),
        ("start_date" = Option<NaiveDate>, Query, description = "First day", example = "2025-06-01"),
        ("end_date" = Option<NaiveDate>, Query, description = "Last day, inclusive", example = "2025-06-30"),
        ("day_range" = Option<u32>, Query, description = "Days back from today", maximum = 36500),
        ("timezone" = Option<String>, Query, description = "IANA time zone that decides which day is today; UTC by default", example = "Europe/Berlin"),
        ("Accept" = Option<String>, Header, description = "`text/csv` for all rows as CSV; JSON unless CSV is preferred", example = "text/csv"),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of an answer that the caller has: 304 if it is still the same"),
        ("Cache-Control" = Option<String>, Header, description = "`no-cache` asks for a new answer, `max-age` in seconds for one that is no older", example = "max-age=60"),
    ),
    responses(
        (status = 200, description = "The records", content(
            (MetricAnswer = "application/json"),
            (String = "text/csv", example = "day,total\r\n2025-06-03,12.50\r\n"),
        ), headers(
            ("ETag" = String, description = "Names what is answered, `as_of` left out"),
            ("Age" = u64, description = "How many seconds ago the records were read"),
            ("Cache-Status" = String, description = "Where the answer comes from (RFC 9211): `metricd; hit; ttl=…`, or `metricd; fwd=…` and why"),
            ("Content-Disposition" = String, description = "Of CSV: the file that it is stored as"),
            ("Server-Timing" = String, description = "How many milliseconds the database took"),
        )),
        (status = 304, description = "The caller has the answer of this `ETag`"),
        Forbidden, MetricNotFound, Waiting, RunsSql,
    ),
)]
pub(crate) async fn handler(
    Caller(actor): Caller,
    State(context): State<Arc<Context>>,
    MetricPath(id): MetricPath,
    query: QueryParams,
    Headers(headers): Headers,
) -> Result<Response, Problem> {
    let (id, window) = id.and(query.window()).accept(&actor, &context, Action::Read).await?;
    if prefers_csv(&headers) {
        let export = Box::pin(export_metric(&actor, &context, id, window)).await?;
        return Ok(export::respond(export));
    }
    let request = AnswerRequest { window, max_age: max_age(&headers) };
    let served = get_metric(&actor, &context, id, &request).await?;
    Ok(answer::respond(&context, served, &headers).await)
}

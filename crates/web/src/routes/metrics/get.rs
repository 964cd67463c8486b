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
    answer::{self, AnswerHeadBody, AnswerTail},
    caller::Caller,
    export,
    extract::{Headers, MetricPath, QueryParams},
    failures::AnswersMetric,
    negotiation::{max_age, prefers_csv},
    problem::Problem,
    wire::rows_schema,
};

/// A metric's answer for a window.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MetricAnswer {
    #[serde(flatten)]
    head: AnswerHeadBody,
    #[schema(schema_with = rows_schema)]
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
/// A client that prefers `text/csv` gets all rows, however many, as CSV: never from memory, and broken off
/// where they cannot be given to the last one.
#[utoipa::path(
    get, path = "/metrics/{id}", operation_id = "get_metrics", tag = "metrics",
    params(
        ("id" = Uuid, Path, description = "The metric"),
        ("start_date" = Option<NaiveDate>, Query, description = "First day, inclusive; by default the author's, else 30 days before `end_date`", example = "2025-06-01"),
        ("end_date" = Option<NaiveDate>, Query, description = "Last day, inclusive; by default the author's, else today", example = "2025-06-30"),
        ("day_range" = Option<u32>, Query, description = "Days back from today, which is inclusive; by default the author's, else 30", maximum = 36500),
        ("timezone" = Option<String>, Query, description = "IANA time zone of the days: which one is today, and when each begins; by default `query.timezone` (UTC)", example = "Europe/Berlin"),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of an answer that the caller has: 304 if it is still the same"),
        ("Cache-Control" = Option<String>, Header, description = "`no-cache` asks for a new answer, `max-age` in seconds for one that is no older", example = "max-age=60"),
    ),
    responses(
        (status = 200, description = "The records", content(
            (MetricAnswer = "application/json"),
            (String = "text/csv", example = "day,total\r\n2025-06-03,12.50\r\n"),
        ), headers(
            ("ETag" = String, description = "Names what is answered, `as_of` left out; sent back as `If-Match` of a change, it names the metric without its rows"),
            ("Age" = u64, description = "How many seconds ago the records were read"),
            ("Cache-Status" = String, description = "Where the answer comes from (RFC 9211): `metricd; hit; ttl=…`, or `metricd; fwd=…` and why"),
            ("Content-Disposition" = String, description = "Of CSV: the file that it is stored as"),
            ("Server-Timing" = String, description = "How many milliseconds the database took"),
        )),
        (status = 304, description = "The caller has the answer of this `ETag`"),
        AnswersMetric,
    ),
)]
pub(crate) async fn handler(
    caller: Caller,
    State(context): State<Arc<Context>>,
    MetricPath(id): MetricPath,
    query: QueryParams,
    Headers(headers): Headers,
) -> Result<Response, Problem> {
    let (id, parameters) =
        id.and(query.parameters()).accept(&caller, &context, Action::Read).await?;
    if prefers_csv(&headers) {
        let export = Box::pin(export_metric(&caller.actor, &context, id, parameters)).await?;
        return Ok(export::respond(export));
    }
    let request = AnswerRequest { parameters, max_age: max_age(&headers) };
    let answer = get_metric(&caller.actor, &context, id, &request).await?;
    Ok(answer::respond(&context, answer, &headers).await)
}

#[cfg(test)]
pub(crate) mod tests {
    use axum::http::header;
    use serde_json::json;

    use crate::{
        middleware::headers::CACHE_STATUS,
        test_support::{METRIC, Run, TestApp, UNKNOWN, auth_tests, get, metric},
    };

    auth_tests!("get_metrics", get(metric("")));

    #[tokio::test]
    async fn a_metric_is_answered_and_then_from_the_cache() {
        let app = TestApp::new();
        let first = app.send(get(metric("?start_date=2025-06-01"))).await;
        assert_eq!(first.status, 200, "{}", first.text());
        assert_eq!(first.header(CACHE_STATUS), "metricd; fwd=uri-miss; stored");
        let body = first.json();
        assert_eq!(body["id"], METRIC);
        assert_eq!(body["columns"], json!([{"name": "n", "type": "int8"}]));
        assert_eq!(body["records"], json!([{"n": 1}]));
        assert_eq!(body["truncated"], false);
        assert_eq!(body["params"]["ignored"], json!(["start_date"]));
        assert_eq!(body["as_of"], "2025-06-30T12:00:00.000Z");

        let second = app.send(get(metric("?start_date=2025-06-01"))).await;
        assert!(second.header(CACHE_STATUS).starts_with("metricd; hit; ttl="));
        assert_eq!(second.text(), first.text());
        let tag = first.header(header::ETAG);
        let request = get(metric("?start_date=2025-06-01")).header(header::IF_NONE_MATCH, tag);
        let unchanged = app.send(request).await;
        assert_eq!((unchanged.status, unchanged.text()), (304, ""));
        let request =
            get(metric("?start_date=2025-06-01")).header(header::CACHE_CONTROL, "no-cache");
        let fresh = app.send(request).await;
        assert_eq!(fresh.header(CACHE_STATUS), "metricd; fwd=request; stored");
    }

    #[tokio::test]
    async fn csv_is_streamed_where_it_is_preferred() {
        let request = get(metric("")).header(header::ACCEPT, "text/csv");
        let response = TestApp::new().send(request).await;
        assert_eq!((response.status, response.text()), (200, "n\r\n1\r\n"));
        let content_type = response.header(header::CONTENT_TYPE);
        assert_eq!(content_type, "text/csv; charset=utf-8; header=present");
        assert!(response.header(header::CONTENT_DISPOSITION).contains("Orders.csv"));
    }

    #[tokio::test]
    async fn an_unknown_metric_is_not_found() {
        assert_eq!(TestApp::new().send(get(format!("/metrics/{UNKNOWN}"))).await.status, 404);
    }

    #[tokio::test]
    async fn a_zone_that_the_database_does_not_know_is_a_fault_of_the_request() {
        let app = TestApp::with_runner(Run::UnknownTimezone);
        let response = app.send(get(metric("?timezone=Asia/Tokyo"))).await;
        assert_eq!(response.status, 422);
        assert_eq!(response.errors(), ["query.timezone: window"]);
    }

    #[tokio::test]
    async fn a_window_with_errors_is_refused() {
        let app = TestApp::new();
        let response = app.send(get("/metrics/x?start_date=soon&day_range=-1&claim_a=b")).await;
        let expected = [
            "path.id: uuid_parsing",
            "query.start_date: date_parsing",
            "query.day_range: out_of_range",
            "query.claim_a: claim",
        ];
        assert_eq!(response.errors(), expected);
    }
}

//! `POST /metrics/{id}/metric-records`

use std::sync::Arc;

use axum::{
    extract::{FromRequest as _, Request, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use metricd_application::{
    context::Context,
    idempotency::Outcome,
    records::{RecordTarget, create_record},
};
use metricd_core::actor::Action;

use super::{
    record::NewRecord,
    upload::{UploadLimits, upload},
};
use crate::{
    caller::Caller,
    extract::MetricPath,
    failures::{
        Forbidden, InProgress, InvalidRecord, MetricNotFound, NotAcceptable, NotJson, TooLarge,
        Unavailable,
    },
    idempotency::{IdempotentBody, replay},
    negotiation::RecordFormat,
    problem::Problem,
};

/// Add a record to a metric's data, or many
///
/// Many are sent as JSON lines or as CSV, whose first row names the fields: columns in any order, those
/// that no field is called by are ignored, and an empty cell is no value. All of them are added or none;
/// a fault's `loc` has the line.
#[utoipa::path(
    post, path = "/metrics/{id}/metric-records", operation_id = "create_metric_record", tag = "records",
    params(
        ("id" = Uuid, Path, description = "The metric"),
        ("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$", description = "The caller's name for this request: sent again within a day, it has no further effect and the same answer"),
    ),
    request_body(content(
        (NewRecord = "application/json"),
        (String = "application/x-ndjson", example = "{\"parts_flagged\": 1}\n{\"parts_flagged\": 2}\n"),
        (String = "text/csv", example = "date,parts_flagged\r\n2025-06-03,1\r\n"),
    )),
    responses(
        (status = 201, description = "Stored. Of one record the answer has no body; of many, JSON lines or CSV, it is `{\"created\": 2}` as `application/json`: how many there were"),
        Forbidden, MetricNotFound, NotAcceptable, InProgress, TooLarge, NotJson, InvalidRecord,
        Unavailable,
    ),
)]
pub(crate) async fn handler(
    caller: Caller,
    State(context): State<Arc<Context>>,
    State(limits): State<UploadLimits>,
    MetricPath(id): MetricPath,
    request: Request,
) -> Result<Response, Problem> {
    if let Some(format) = RecordFormat::of_body(request.headers()) {
        return upload(&caller, &context, id, request, format, limits).await;
    }
    let Ok(IdempotentBody { request, body }) =
        IdempotentBody::<NewRecord>::from_request(request, &()).await;
    let ((id, request), body) =
        id.and(request).and(body).accept(&caller, &context, Action::Record).await?;
    let record = |target: &RecordTarget| body.into_record(target);
    let outcome = create_record(&caller.actor, &context, id, record, request.as_ref()).await?;
    Ok(match outcome {
        Outcome::Executed(()) => StatusCode::CREATED.into_response(),
        Outcome::Replayed(response) => replay(response),
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use axum::http::header;
    use serde_json::json;

    use crate::{
        idempotency::{IDEMPOTENCY_KEY, REPLAYED},
        test_support::{DENIED, TestApp, TestRequest, UNKNOWN, auth_tests, metric, post},
    };

    const JSON_LINES: &str = "application/x-ndjson";

    fn upload(content_type: &str, body: &str) -> TestRequest {
        post(metric("/metric-records")).body(content_type, body)
    }

    auth_tests!(
        "create_metric_record",
        post(metric("/metric-records")).json(&json!({"parts_flagged": 1}))
    );

    #[tokio::test]
    async fn one_record_is_added() {
        let app = TestApp::new();
        let record = json!({"parts_flagged": 1, "alert_type": "Warning", "date": "2025-06-03"});
        let response = app.send(post(metric("/metric-records")).json(&record)).await;
        assert_eq!((response.status, response.text()), (201, ""));
        let records = app.database.records();
        assert_eq!(records.len(), 1);
        assert_eq!(records[0].query_id.as_str(), "orders");
        assert_eq!(records[0].date.to_string(), "2025-06-03 00:00:00");
        assert_eq!(records[0].values.parts_flagged, Some(1));
        assert_eq!(records[0].values.alert_type.as_deref(), Some("Warning"));
    }

    #[tokio::test]
    async fn a_record_without_a_date_is_of_the_present_moment() {
        let app = TestApp::new();
        assert_eq!(app.send(post(metric("/metric-records")).json(&json!({}))).await.status, 201);
        assert_eq!(app.send(upload(JSON_LINES, "{}")).await.status, 201);
        let dates: Vec<_> =
            app.database.records().iter().map(|record| record.date.to_string()).collect();
        assert_eq!(dates, ["2025-06-30 12:00:00", "2025-06-30 12:00:00"]);
    }

    #[tokio::test]
    async fn a_column_whose_name_is_misspelt_is_not_dropped() {
        let app = TestApp::new();
        let response = app.send(upload("text/csv", "date,part_flagged\r\n2025-06-03,1\r\n")).await;
        assert_eq!(response.errors(), ["body.1: csv_header"]);
        assert!(response.text().contains("did you mean parts_flagged?"), "{}", response.text());
        assert_eq!(app.database.writes(), 0);
    }

    #[tokio::test]
    async fn many_records_are_added_in_one_write() {
        for (content_type, body) in [
            (JSON_LINES, "{\"parts_flagged\": 1}\n\n{\"parts_flagged\": 2}\n"),
            ("text/csv; charset=utf-8", "note,parts_flagged\r\nx,1\r\n,2\r\n"),
        ] {
            let app = TestApp::new();
            let response = app.send(upload(content_type, body)).await;
            assert_eq!(response.status, 201, "{}", response.text());
            assert_eq!(response.json(), json!({"created": 2}));
            let parts: Vec<_> =
                app.database.records().iter().map(|record| record.values.parts_flagged).collect();
            assert_eq!(parts, [Some(1), Some(2)]);
            assert_eq!(app.database.writes(), 1);
        }
    }

    #[tokio::test]
    async fn a_key_adds_records_once() {
        for request in [
            post(metric("/metric-records")).json(&json!({"parts_flagged": 1})),
            upload("text/csv", "parts_flagged\n1\n"),
        ] {
            let app = TestApp::new();
            let request = request.header(IDEMPOTENCY_KEY, "a");
            let first = app.send(request.clone()).await;
            let second = app.send(request).await;
            assert_eq!((first.status, second.status), (201, 201));
            assert_eq!(first.text(), second.text());
            assert_eq!((first.header(REPLAYED), second.header(REPLAYED)), ("", "true"));
            assert_eq!(app.database.records().len(), 1);
            let other = upload("text/csv", "parts_flagged\n2\n").header(IDEMPOTENCY_KEY, "a");
            assert_eq!(app.send(other).await.errors(), ["header.idempotency-key: key_taken"]);
        }
    }

    #[tokio::test]
    async fn a_key_of_a_request_in_progress_is_refused_for_now() {
        let app = TestApp::new();
        app.database.hold_keys();
        for request in [
            post(metric("/metric-records")).json(&json!({"parts_flagged": 1})),
            upload("text/csv", "parts_flagged\n1\n"),
        ] {
            let refused = app.send(request.header(IDEMPOTENCY_KEY, "a")).await;
            assert_eq!((refused.status, refused.header(header::RETRY_AFTER)), (409, "1"));
            let kind = "urn:metricd:problem:idempotency-key-in-progress";
            assert_eq!(refused.json()["type"], kind);
        }
        assert_eq!(app.database.records(), []);
    }

    #[tokio::test]
    async fn an_upload_is_authorized_before_its_body_is_read() {
        let app = TestApp::new();
        // To a caller who may send it, it is too large.
        let long = "{}\n".repeat(50_000);
        let denied = app.send(upload(JSON_LINES, &long).with_token(DENIED)).await;
        assert_eq!(denied.status, 403);
        let unknown = format!("/metrics/{UNKNOWN}/metric-records");
        let response = app.send(post(unknown).body(JSON_LINES, long)).await;
        assert_eq!(response.status, 404);
        let response = app.send(upload(JSON_LINES, "{}").without_token()).await;
        assert_eq!(response.status, 401);
    }

    #[tokio::test]
    async fn records_with_errors_are_refused() {
        let app = TestApp::new();
        let record = json!({"date": "soon", "parts_flagged": 1.5, "alert_type": "\0"});
        let mut errors = app.send(post(metric("/metric-records")).json(&record)).await.errors();
        errors.sort();
        let expected = [
            "body.alert_type: value_error",
            "body.date: date_parsing",
            "body.parts_flagged: int_type",
        ];
        assert_eq!(errors, expected);
        let lines = app.send(upload(JSON_LINES, "{}\nnonsense\n{\"date\": 1}")).await;
        assert_eq!(lines.errors(), ["body.2: json_invalid", "body.3.date: string_type"]);
        let path = post("/metrics/orders/metric-records").body(JSON_LINES, "{}");
        let path = path.header(IDEMPOTENCY_KEY, "");
        let expected = ["path.id: uuid_parsing", "header.idempotency-key: value_error"];
        assert_eq!(app.send(path).await.errors(), expected);
        assert_eq!(app.database.writes(), 0);
    }

    #[tokio::test]
    async fn a_body_that_is_too_large_or_not_json_is_refused() {
        let app = TestApp::new();
        let long = "{}\n".repeat(50_000);
        assert_eq!(app.send(upload(JSON_LINES, &long)).await.status, 413);
        for content_type in ["text/csv; charset=latin1", "application/jsonl; charset=utf-16"] {
            assert_eq!(app.send(upload(content_type, "{}")).await.status, 415, "{content_type}");
        }
        let encoded = upload(JSON_LINES, "{}").header(header::CONTENT_ENCODING, "gzip");
        let encoded = app.send(encoded).await;
        assert_eq!((encoded.status, encoded.header(header::ACCEPT_ENCODING)), (415, "identity"));
        let html = upload(JSON_LINES, "{}").header(header::ACCEPT, "text/html");
        assert_eq!(app.send(html).await.status, 406);
        assert_eq!(app.database.writes(), 0);
        let response = app.send(upload("text/plain", "a")).await;
        assert_eq!(response.status, 415);
        assert_eq!(response.header(header::CONTENT_TYPE), "application/problem+json");
    }
}

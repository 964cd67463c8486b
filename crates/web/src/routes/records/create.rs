//! `POST /metrics/{id}/metric-records`

use std::sync::Arc;

use axum::{
    extract::{FromRequest as _, Request, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use metricd_application::{
    context::Context, idempotency::Outcome, ports::IdempotentRequest, records::create_record,
};
use metricd_core::actor::Action;

use super::{
    record::NewRecord,
    upload::{RecordsCreated, UploadLimits, upload},
};
use crate::{
    extract::{Caller, MetricPath},
    failures::{Forbidden, InProgress, Invalid, MetricNotFound, NotJson, TooLarge, Unavailable},
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
        ("Idempotency-Key" = Option<String>, Header, description = "The caller's name for this request: sent again within a day, it has no further effect and the same answer"),
    ),
    request_body(content(
        (NewRecord = "application/json"),
        (String = "application/x-ndjson", example = "{\"parts_flagged\": 1}\n{\"parts_flagged\": 2}\n"),
        (String = "text/csv", example = "date,parts_flagged\r\n2025-06-03,1\r\n"),
    )),
    responses(
        (status = 201, description = "Stored: one has no answer but that", body = RecordsCreated),
        Forbidden, MetricNotFound, InProgress, TooLarge, NotJson, Invalid, Unavailable,
    ),
)]
pub(crate) async fn handler(
    Caller(actor): Caller,
    State(context): State<Arc<Context>>,
    State(limits): State<UploadLimits>,
    MetricPath(id): MetricPath,
    request: Request,
) -> Result<Response, Problem> {
    if let Some(format) = RecordFormat::of_body(request.headers()) {
        return upload(&actor, &context, id, request, format, limits).await;
    }
    let Ok(IdempotentBody { request, body }) =
        IdempotentBody::<NewRecord>::from_request(request, &()).await;
    let ((id, request), record) =
        id.and(request).and(body).accept(&actor, &context, Action::Record).await?;
    let request: Option<&IdempotentRequest> = request.as_ref();
    let outcome =
        create_record(&actor, &context, id, |target| record.into_record(target), request).await?;
    Ok(match outcome {
        Outcome::Executed(()) => StatusCode::CREATED.into_response(),
        Outcome::Replayed(response) => replay(response),
    })
}

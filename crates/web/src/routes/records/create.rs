//! `POST /metrics/{id}/metric-records`

use std::sync::Arc;

use axum::{
    Json,
    extract::{FromRequest as _, Request, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use chrono::NaiveDateTime;
use deserr::Deserr;
use metricd_application::{
    authorize,
    context::Context,
    idempotency::{Outcome, Replayable},
    ports::{IdempotentRequest, StoredResponse},
    records::{CreateRecord, create_record, create_records},
};
use metricd_core::{
    actor::Action,
    record::{RecordValues, parse_moment},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    check::{Faults, Refused},
    extract::{self, Caller, Keyed, MetricPath},
    failures::{
        Forbidden, InProgress, InvalidRecord, MetricNotFound, NotJson, TooLarge, Unavailable,
    },
    problem::Problem,
    replay::replay,
    upload::{Format, Upload, UploadLimits},
    wire::optional,
};

/// A record; every field may be left out.
#[derive(Debug, Deserr, ToSchema)]
#[deserr(error = Faults)]
pub(crate) struct NewRecord {
    #[deserr(default)]
    #[schema(example = 65.0)]
    obsolescence_val: Option<f64>,
    #[deserr(default)]
    #[schema(example = 120.5)]
    obsolescence: Option<f64>,
    #[deserr(default)]
    #[schema(example = 10)]
    parts_flagged: Option<i32>,
    #[deserr(default, try_from(Option<String>) = storable -> Refused)]
    #[schema(example = "Warning")]
    alert_type: Option<String>,
    #[deserr(default, try_from(Option<String>) = storable -> Refused)]
    #[schema(example = "Need approval")]
    alert_category: Option<String>,
    /// When it happened: a date, or a date and time; UTC unless it says otherwise, now unless it
    /// is given.
    #[deserr(default, try_from(Option<String>) = moment -> Refused)]
    #[schema(value_type = Option<DateTime<Utc>>)]
    date: Option<NaiveDateTime>,
}

fn moment(text: Option<String>) -> Result<Option<NaiveDateTime>, Refused> {
    optional(text, |text| parse_moment(&text).map_err(|error| Refused::date(error.to_string())))
}

/// PostgreSQL's `text` cannot hold NUL; numbers are finite because JSON has no other.
fn storable(text: Option<String>) -> Result<Option<String>, Refused> {
    optional(text, |text| {
        if text.contains('\0') {
            return Err(Refused::value("must not hold the character NUL"));
        }
        Ok(text)
    })
}

impl From<NewRecord> for CreateRecord {
    fn from(body: NewRecord) -> Self {
        let values = RecordValues {
            obsolescence_val: body.obsolescence_val,
            obsolescence: body.obsolescence,
            parts_flagged: body.parts_flagged,
            alert_type: body.alert_type,
            alert_category: body.alert_category,
        };
        Self { date: body.date, values }
    }
}

impl NewRecord {
    /// How many bytes its texts have: the rest is as small in every record.
    pub(crate) fn text_bytes(&self) -> usize {
        [&self.alert_type, &self.alert_category].into_iter().flatten().map(String::len).sum()
    }

    /// The fields that hold numbers.
    pub(crate) const NUMBERS: [&str; 3] = ["obsolescence_val", "obsolescence", "parts_flagged"];
    /// Every field.
    pub(crate) const FIELDS: [&str; 6] = [
        Self::NUMBERS[0],
        Self::NUMBERS[1],
        Self::NUMBERS[2],
        "alert_type",
        "alert_category",
        "date",
    ];
}

/// What became of many records.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecordsCreated {
    /// How many there were.
    created: u64,
}

/// How whoever sends many again is answered.
fn kept(created: u64) -> StoredResponse {
    let body = serde_json::to_string(&RecordsCreated { created });
    StoredResponse { location: None, body: body.ok() }
}

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
        Forbidden, MetricNotFound, InProgress, TooLarge, NotJson, InvalidRecord, Unavailable,
    ),
)]
pub(crate) async fn handler(
    Caller(actor): Caller,
    State(context): State<Arc<Context>>,
    State(limits): State<UploadLimits>,
    MetricPath(id): MetricPath,
    request: Request,
) -> Result<Response, Problem> {
    if let Some(format) = Format::of(request.headers()) {
        let key = extract::key(request.headers());
        let (id, key) = id.and(key.into()).accept(&actor, &context, Action::Record).await?;
        // Before the body is read.
        authorize(&actor, &context, Action::Record, id.into()).await?;
        let mut upload = Upload::take(request, format, limits).await?;
        let once = key.map(|key| IdempotentRequest { key, fingerprint: upload.fingerprint });
        let asked =
            once.as_ref().map(|once| Replayable { once, answer: &|created| kept(*created) });
        let done = create_records(&actor, &context, id, &mut upload, asked).await?;
        return Ok(match done {
            Outcome::Executed(created) => {
                (StatusCode::CREATED, Json(RecordsCreated { created })).into_response()
            }
            Outcome::Replayed(answer) => replay(answer),
        });
    }
    let Ok(Keyed { once, body }) = Keyed::<NewRecord>::from_request(request, &()).await;
    let checked = id.and(once).and(body).accept(&actor, &context, Action::Record).await?;
    let ((id, once), record) = checked;
    Ok(match create_record(&actor, &context, id, record.into(), once.as_ref()).await? {
        Outcome::Executed(()) => StatusCode::CREATED.into_response(),
        Outcome::Replayed(answer) => replay(answer),
    })
}

//! `POST /metrics/{id}/metric-records`

use std::sync::Arc;

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use chrono::NaiveDateTime;
use deserr::Deserr;
use metricd_application::{
    idempotency::Done,
    ports::Ports,
    records::{CreateRecord, create_record},
};
use metricd_core::{
    actor::Action,
    record::{RecordValues, parse_moment},
};
use utoipa::ToSchema;

use crate::{
    check::{Faults, Refused},
    extract::{Caller, Keyed, MetricPath},
    failures::{Forbidden, Invalid, MetricNotFound, NotJson, TooLarge, Unavailable, UnderWay},
    problem::Problem,
    replay::replay,
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

/// Add a record to a metric's data
#[utoipa::path(
    post, path = "/metrics/{id}/metric-records", operation_id = "create_metric_record", tag = "records",
    params(
        ("id" = Uuid, Path, description = "The metric"),
        ("Idempotency-Key" = Option<String>, Header, description = "The caller's name for this request: sent again within a day, it has no further effect and the same answer"),
    ),
    request_body = NewRecord,
    responses(
        (status = 201, description = "Stored"),
        Forbidden, MetricNotFound, UnderWay, TooLarge, NotJson, Invalid, Unavailable,
    ),
)]
pub(crate) async fn handler(
    Caller(actor): Caller,
    State(ports): State<Arc<Ports>>,
    MetricPath(id): MetricPath,
    Keyed { once, body }: Keyed<NewRecord>,
) -> Result<Response, Problem> {
    let checked = id.and(once).and(body).accept(&actor, &ports, Action::Record).await?;
    let ((id, once), record) = checked;
    Ok(match create_record(&actor, &ports, id, record.into(), once.as_ref()).await? {
        Done::Now(()) => StatusCode::CREATED.into_response(),
        Done::Before(answer) => replay(answer),
    })
}

//! `POST /metrics/{id}/metric-records`

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use chrono::NaiveDateTime;
use deserr::Deserr;
use metricd_application::{
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
    extract::{Body, Caller, MetricPath},
    failures::{Forbidden, Invalid, MetricNotFound, NotJson, TooLarge, Unavailable},
    problem::Problem,
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
    params(("id" = Uuid, Path, description = "The metric")),
    request_body = NewRecord,
    responses(
        (status = 201, description = "Stored"),
        Forbidden, MetricNotFound, TooLarge, NotJson, Invalid, Unavailable,
    ),
)]
pub(crate) async fn handler(
    Caller(actor): Caller,
    State(ports): State<Arc<Ports>>,
    MetricPath(id): MetricPath,
    Body(body): Body<NewRecord>,
) -> Result<StatusCode, Problem> {
    let (id, record) = id.and(body).accept(&actor, &ports, Action::Record).await?;
    create_record(&actor, &ports, id, record.into()).await?;
    Ok(StatusCode::CREATED)
}

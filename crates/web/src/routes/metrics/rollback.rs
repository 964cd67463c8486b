//! `POST /metrics/{id}/rollback`

use std::sync::Arc;

use axum::{Json, extract::State};
use deserr::Deserr;
use metricd_application::{context::Context, metrics::rollback_metric};
use metricd_core::actor::Action;
use utoipa::ToSchema;

use crate::{
    extract::{Caller, JsonBody, MetricPath},
    failures::ChangesSql,
    problem::Problem,
    validation::{InvalidValue, ValidationErrors},
    wire::MetricBody,
};

/// Where to go back to.
#[derive(Debug, Deserr, ToSchema)]
#[deserr(error = ValidationErrors)]
pub(crate) struct Rollback {
    /// A version that the query had.
    #[deserr(try_from(i64) = at_least_one -> InvalidValue)]
    #[schema(minimum = 1, example = 1)]
    version: i64,
}

fn at_least_one(version: i64) -> Result<i64, InvalidValue> {
    if version >= 1 {
        Ok(version)
    } else {
        Err(InvalidValue::range("must be at least 1".to_owned()))
    }
}

/// Give a metric the SQL that it had before
///
/// A change like any other: the SQL is checked and compiled as of now, becomes a new version, and
/// changes every other metric that the same query answers.
#[utoipa::path(
    post, path = "/metrics/{id}/rollback", operation_id = "rollback_metric", tag = "metrics",
    params(("id" = Uuid, Path, description = "The metric")),
    request_body = Rollback,
    responses(
        (status = 200, description = "The metric as it is now", body = MetricBody),
        ChangesSql,
    ),
)]
pub(crate) async fn handler(
    Caller(actor): Caller,
    State(context): State<Arc<Context>>,
    MetricPath(id): MetricPath,
    JsonBody(body): JsonBody<Rollback>,
) -> Result<Json<MetricBody>, Problem> {
    let (id, rollback) = id.and(body).accept(&actor, &context, Action::Edit).await?;
    let compiled = rollback_metric(&actor, &context, id, rollback.version).await?;
    Ok(Json((&compiled.metric).into()))
}

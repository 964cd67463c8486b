//! `POST /metrics/{id}/approve`

use std::sync::Arc;

use axum::{Json, extract::State};
use metricd_application::{context::Context, metrics::approve_metric};
use metricd_core::actor::Action;

use crate::{
    check::Checked,
    extract::{Caller, MetricPath, QueryParams},
    failures::{Forbidden, Invalid, MetricNotFound, Moved, Unavailable},
    problem::Problem,
    validation::ValidationErrors,
    wire::MetricBody,
};

/// Let a metric that a sentence became answer
///
/// A metric that waits for nothing is left as it is. An edit of its query voids the approval.
#[utoipa::path(
    post, path = "/metrics/{id}/approve", operation_id = "approve_metric", tag = "metrics",
    params(
        ("id" = Uuid, Path, description = "The metric"),
        ("query_version" = Option<i64>, Query, description = "The version of the query that was looked at; if it has another by now, nothing is approved"),
    ),
    responses(
        (status = 200, description = "The metric as it is now", body = MetricBody),
        Forbidden, MetricNotFound, Moved, Invalid, Unavailable,
    ),
)]
pub(crate) async fn handler(
    Caller(actor): Caller,
    State(context): State<Arc<Context>>,
    MetricPath(id): MetricPath,
    query: QueryParams,
) -> Result<Json<MetricBody>, Problem> {
    let (id, version) = id.and(version(&query)).accept(&actor, &context, Action::Approve).await?;
    let metric = approve_metric(&actor, &context, id, version).await?;
    Ok(Json((&metric).into()))
}

fn version(query: &QueryParams) -> Checked<Option<i64>> {
    let mut errors = ValidationErrors::default();
    let version = query.whole_number("query_version", &mut errors, |text| {
        let version = text.parse().ok().filter(|version| *version >= 1);
        version.ok_or("must be the number of a version, from 1")
    });
    Checked::new(version, errors)
}

//! `DELETE /metrics/{id}`

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use metricd_application::{context::Context, metrics::delete_metric};
use metricd_core::actor::Action;

use crate::{
    extract::{Caller, MetricPath},
    failures::{Forbidden, Invalid, Locked, MetricNotFound, Unavailable},
    problem::Problem,
};

/// Remove a metric
///
/// Its records stay in the table `metrics`.
#[utoipa::path(
    delete, path = "/metrics/{id}", operation_id = "delete_metrics_configuration", tag = "metrics",
    params(("id" = Uuid, Path, description = "The metric")),
    responses(
        (status = 204, description = "Removed"),
        Forbidden, MetricNotFound, Locked, Invalid, Unavailable,
    ),
)]
pub(crate) async fn handler(
    Caller(actor): Caller,
    State(context): State<Arc<Context>>,
    MetricPath(id): MetricPath,
) -> Result<StatusCode, Problem> {
    delete_metric(&actor, &context, id.accept(&actor, &context, Action::Delete).await?).await?;
    Ok(StatusCode::NO_CONTENT)
}

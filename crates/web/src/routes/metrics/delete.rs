//! `DELETE /metrics/{id}`

use axum::{extract::State, http::StatusCode};
use metricd_application::{authorize, metrics::delete_metric, ports::Ports};
use metricd_core::actor::Action;

use crate::{
    extract::{Caller, MetricPath},
    problem::{Problem, ProblemBody},
};

/// Remove a metric
///
/// Its records stay in the table `metrics`.
#[utoipa::path(
    delete, path = "/metrics/{id}", operation_id = "delete_metrics_configuration", tag = "metrics",
    params(("id" = Uuid, Path, description = "The metric")),
    responses(
        (status = 204, description = "Removed"),
        (status = 403, description = "Not allowed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "Metric not found", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The metric is locked", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "The request has faults", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The database is not reachable", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn handler(
    Caller(actor): Caller,
    State(ports): State<Ports>,
    MetricPath(id): MetricPath,
) -> Result<StatusCode, Problem> {
    authorize(&actor, Action::DeleteMetric)?;
    delete_metric(&actor, &ports, id.accept()?).await?;
    Ok(StatusCode::NO_CONTENT)
}

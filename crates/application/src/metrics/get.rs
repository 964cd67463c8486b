//! Answers a metric for a window.

use chrono::{DateTime, Utc};
use metricd_core::{
    actor::{Action, Actor},
    answer_key::AnswerKey,
    ids::MetricId,
    metric::{CompiledMetric, Review},
    window::{Window, WindowFault, WindowRequest},
};
use thiserror::Error;
use tracing::info;

use crate::{
    Forbidden, authorize, deny,
    ports::{Ports, Rows, RunError, StoreError},
    rights::find_readable,
};

/// A metric's answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The metric and its query.
    pub compiled: CompiledMetric,
    /// What it was run for.
    pub key: AnswerKey,
    /// What came of it.
    pub rows: Rows,
    /// When the rows were read.
    pub as_of: DateTime<Utc>,
}

/// Why a metric was not answered.
#[derive(Debug, Error)]
pub enum GetError {
    /// The caller may not read metrics, or their token lacks a claim that this one needs.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// No metric has this id, or the caller may not know of it.
    #[error("Metric not found")]
    NotFound,
    /// The metric waits for approval.
    #[error("Metric waits for approval")]
    Waiting,
    /// The window makes no sense.
    #[error("the window is refused")]
    Window(Vec<WindowFault>),
    /// The metric's query gave no rows.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The catalog could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Runs the query of the metric `id` for the window that `request` asks for.
///
/// # Errors
/// See [`GetError`].
pub async fn get_metric(
    actor: &Actor,
    ports: &Ports,
    id: MetricId,
    request: &WindowRequest,
) -> Result<Answer, GetError> {
    authorize(actor, ports, Action::Read, id.into()).await?;
    let compiled = find_readable(actor, ports, id).await?.ok_or(GetError::NotFound)?;
    if compiled.query.review == Review::Waiting {
        return Err(GetError::Waiting);
    }
    let template = &compiled.query.template;
    let scope = match actor.scope(&template.claims) {
        Ok(scope) => scope,
        Err(fault) => {
            info!(%fault, "Claim missing");
            return Err(deny(actor, ports, Action::Read, id.into()).await.into());
        }
    };
    let as_of = ports.clock.now();
    let window = Window::resolve(&template.slots, request, as_of).map_err(GetError::Window)?;
    record_window(&window);
    let key = AnswerKey::new(&compiled, window, scope);
    let values = key.values(&compiled).map_err(|fault| RunError::Failed(fault.into()))?;
    let runner = ports.runner.together().await?;
    ports.admission.admit(runner.as_ref(), template, key.window(), &values).await?;
    let rows = runner.run(template, &values, ports.max_rows).await?;
    Ok(Answer { compiled, key, rows, as_of })
}

/// Writes the window into the request's span, so that every later log line carries it.
fn record_window(window: &Window) {
    let span = tracing::Span::current();
    if let Some(day) = window.start_date {
        span.record("start_date", tracing::field::display(day));
    }
    if let Some(day) = window.end_date {
        span.record("end_date", tracing::field::display(day));
    }
    if let Some(days) = window.day_range {
        span.record("day_range", days);
    }
    if window.uses_timezone {
        span.record("timezone", window.timezone.name());
    }
}

//! Answers a metric.

use std::{sync::Arc, time::Duration};

use metricd_core::{
    actor::{Action, Actor},
    answer_key::AnswerKey,
    ids::MetricId,
    metric::Review,
    parameters::{ParameterRequest, Parameters},
    window::WindowFault,
};
use thiserror::Error;
use tracing::info;

use crate::{
    Forbidden,
    admission::Admission,
    authorize,
    context::Context,
    deny,
    freshness::{Definition, Fetched, Question, Served},
    ports::{QueryRunner, RunError, StoreError},
    rights::find_definition,
};

/// What somebody asks a metric.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AnswerRequest {
    /// With which parameters.
    pub parameters: ParameterRequest,
    /// How old the answer may be at most, if the caller minds; zero asks for a new one.
    pub max_age: Option<Duration>,
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
    Run(#[from] Arc<RunError>),
    /// The catalog, or what has changed, could not be read.
    #[error(transparent)]
    Store(#[from] Arc<StoreError>),
}

impl From<StoreError> for GetError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

/// Answers the metric `id` as `request` asks: from memory, as long as that is as good, else by running
/// its query.
///
/// # Errors
/// See [`GetError`].
pub async fn get_metric(
    actor: &Actor,
    context: &Context,
    id: MetricId,
    request: &AnswerRequest,
) -> Result<Served, GetError> {
    let question = ask(actor, context, id, request).await?;
    let read = |question: &Question| {
        let (definition, key) = (Arc::clone(&question.definition), question.key.clone());
        let (runner, admission) = (Arc::clone(&context.runner), context.admission.clone());
        let (clock, max_rows) = (Arc::clone(&context.clock), context.max_rows);
        async move {
            let runner = admitted(&*runner, &admission, &definition, &key).await?;
            let as_of = clock.now();
            let template = &definition.compiled.query.template;
            let rows = runner.run(template, key.values(), max_rows).await?;
            Ok(Fetched { rows, as_of })
        }
    };
    context.answers.get(question, read).await
}

/// Returns a runner that may run the query now.
pub(super) async fn admitted(
    runner: &dyn QueryRunner,
    admission: &Admission,
    definition: &Definition,
    key: &AnswerKey,
) -> Result<Box<dyn QueryRunner>, RunError> {
    let template = &definition.compiled.query.template;
    let runner = runner.session().await?;
    admission.admit(runner.as_ref(), template, key.parameters(), key.values()).await?;
    Ok(runner)
}

/// What `request` asks, if the caller may ask it.
pub(super) async fn ask(
    actor: &Actor,
    context: &Context,
    id: MetricId,
    request: &AnswerRequest,
) -> Result<Question, GetError> {
    authorize(actor, context, Action::Read, id.into()).await?;
    let definition = find_definition(actor, context, id).await?.ok_or(GetError::NotFound)?;
    let query = &definition.compiled.query;
    if query.review == Review::Waiting {
        return Err(GetError::Waiting);
    }
    let scope = match actor.scope(&query.template.claims) {
        Ok(scope) => scope,
        Err(fault) => {
            info!(%fault, "Claim missing");
            return Err(Box::pin(deny(actor, context, Action::Read, id.into())).await.into());
        }
    };
    let now = context.clock.now();
    let parameters = Parameters::resolve(&query.template.slots, &request.parameters, now)
        .map_err(GetError::Window)?;
    record(&parameters);
    let key = AnswerKey::new(&definition.compiled, parameters, scope)
        .map_err(|fault| Arc::new(RunError::Failed(fault.into())))?;
    Ok(Question { key, definition, max_age: request.max_age })
}

/// Records the parameters in the request's span, so that every later log line carries them.
fn record(parameters: &Parameters) {
    let (span, shown) = (tracing::Span::current(), parameters.shown());
    if let Some(day) = shown.start_date {
        span.record("start_date", tracing::field::display(day));
    }
    if let Some(day) = shown.end_date {
        span.record("end_date", tracing::field::display(day));
    }
    if let Some(days) = shown.day_range {
        span.record("day_range", days);
    }
    if let Some(timezone) = shown.timezone_name() {
        span.record("timezone", timezone);
    }
}

//! AnswerCache a metric for a window.

use std::{sync::Arc, time::Duration};

use metricd_core::{
    actor::{Action, Actor},
    answer_key::AnswerKey,
    ids::MetricId,
    metric::Review,
    sql::Value,
    window::{Window, WindowFault, WindowRequest},
};
use thiserror::Error;
use tracing::info;

use crate::{
    Forbidden,
    admission::Admission,
    authorize,
    context::Context,
    deny,
    error::{Cause, Classified, Classify},
    freshness::{Definition, Fetched, Question, Served},
    ports::{QueryRunner, RunError, StoreError},
    rights::find_definition,
};

/// What somebody asks a metric.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AnswerRequest {
    /// For which window.
    pub window: WindowRequest,
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
    #[error("The metric awaits approval")]
    Waiting,
    /// The window makes no sense.
    #[error("the window is invalid")]
    Window(Vec<WindowFault>),
    /// The metric's query gave no rows.
    #[error(transparent)]
    Run(#[from] Arc<RunError>),
    /// The catalog, or what has changed, could not be read.
    #[error(transparent)]
    Store(#[from] Arc<StoreError>),
}

impl Classify for GetError {
    fn classify(&self) -> Classified {
        match self {
            Self::Forbidden(error) => error.classify(),
            Self::NotFound => Cause::MetricNotFound.into(),
            Self::Waiting => Cause::MetricAwaitsApproval.into(),
            Self::Window(faults) => Classified {
                faults: faults.iter().map(Into::into).collect(),
                ..Cause::InvalidWindow.into()
            },
            Self::Run(error) => error.classify(),
            Self::Store(error) => error.classify(),
        }
    }
}

impl From<StoreError> for GetError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

/// AnswerCache the metric `id` as `request` asks: from memory, as long as that is as good, else by running
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
            let (runner, values) = admitted(&*runner, &admission, &definition, &key).await?;
            let as_of = clock.now();
            let template = &definition.compiled.query.template;
            let rows = runner.run(template, &values, max_rows).await?;
            Ok(Fetched { rows, as_of })
        }
    };
    context.answers.get(question, read).await
}

/// A runner that may run the query now, and the values of its parameters.
pub(super) async fn admitted(
    runner: &dyn QueryRunner,
    admission: &Admission,
    definition: &Definition,
    key: &AnswerKey,
) -> Result<(Box<dyn QueryRunner>, Vec<Value>), RunError> {
    let template = &definition.compiled.query.template;
    let values =
        key.values(&definition.compiled).map_err(|fault| RunError::Failed(fault.into()))?;
    let runner = runner.session().await?;
    admission.admit(runner.as_ref(), template, key.window(), &values).await?;
    Ok((runner, values))
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
    let window =
        Window::resolve(&query.template.slots, &request.window, now).map_err(GetError::Window)?;
    record_window(&window);
    let key = AnswerKey::new(&definition.compiled, window, scope);
    Ok(Question { key, definition, max_age: request.max_age })
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

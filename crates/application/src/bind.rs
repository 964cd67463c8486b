//! The first half of every read of a metric: authorizes the caller, finds the metric and binds its query to what the
//! request asks. The second half is [`rows`](crate::rows), or the answer cache in front of it.

use std::sync::Arc;

use metricd_core::{
    actor::{Action, Actor},
    ids::MetricId,
    metric::{CompiledMetric, Review},
    parameters::{ParameterRequest, Parameters},
    window::WindowFault,
};
use thiserror::Error;
use tracing::info;

use crate::{
    FailedQuery, Forbidden, authorize,
    context::Context,
    deny,
    error::{Cause, Classified, Classify},
    failed_query::own_fault,
    freshness::{BoundQuery, Definition, FetchError, Fresh},
    ports::{RunError, StoreError},
    rights::find_definition,
};

/// The reason why a metric's rows were not read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The caller may not read metrics, or their token lacks a claim that this one needs.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// No metric has this id, or the caller may not know of it.
    #[error("Metric not found")]
    NotFound,
    /// The metric has not been approved yet.
    #[error("The metric awaits approval")]
    AwaitingApproval,
    /// The window is invalid.
    #[error("the window is invalid")]
    Window(Vec<WindowFault>),
    /// The metric's query failed.
    #[error(transparent)]
    Query(#[from] FailedQuery),
    /// The metric's query could not be run.
    #[error(transparent)]
    Run(#[from] Arc<RunError>),
    /// The catalog or the log of changes could not be read.
    #[error(transparent)]
    Store(#[from] Arc<StoreError>),
}

impl Classify for ReadError {
    fn classify(&self) -> Classified {
        match self {
            Self::Forbidden(error) => error.classify(),
            Self::NotFound => Cause::MetricNotFound.into(),
            Self::AwaitingApproval => Cause::MetricAwaitsApproval.into(),
            Self::Window(faults) => Classified {
                faults: faults.iter().map(Into::into).collect(),
                ..Cause::InvalidWindow.into()
            },
            Self::Query(error) => error.classify(),
            Self::Run(error) => error.classify(),
            Self::Store(error) => error.classify(),
        }
    }
}

impl From<StoreError> for ReadError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl From<RunError> for ReadError {
    fn from(error: RunError) -> Self {
        Self::Run(Arc::new(error))
    }
}

impl From<FetchError> for ReadError {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Run(error) => Self::Run(error),
            FetchError::Store(error) => Self::Store(error),
        }
    }
}

/// Binds the query of the metric `id` to `request` for `actor`, and returns it with the token to read its answer with.
///
/// # Errors
/// See [`ReadError`].
pub(crate) async fn bind(
    actor: &Actor,
    context: &Context,
    id: MetricId,
    request: &ParameterRequest,
) -> Result<(BoundQuery, Fresh), ReadError> {
    authorize(actor, context, Action::Read, id.into()).await?;
    let found = find_definition(actor, context, id).await?;
    let (definition, fresh) = found.ok_or(ReadError::NotFound)?;
    let query = &definition.compiled.query;
    if query.review == Review::Waiting {
        return Err(ReadError::AwaitingApproval);
    }
    let scope = match actor.scope(&query.template.claims) {
        Ok(scope) => scope,
        Err(fault) => {
            info!(%fault, "Claim missing");
            return Err(Box::pin(deny(actor, context, Action::Read, id.into())).await.into());
        }
    };
    let description = match context.definitions.describe(&definition, actor.identity()).await {
        Ok(description) => description,
        Err(error) => {
            return Err(read_failed(actor, context, &definition.compiled, error));
        }
    };
    let slots = context.zones.slots_of(&query.template, &description);
    let parameters =
        Parameters::resolve(&slots, request, context.now()).map_err(ReadError::Window)?;
    record(&parameters);
    let query =
        BoundQuery::new(definition, description, parameters, scope, Arc::clone(actor.identity()));
    Ok((query.map_err(|fault| RunError::Failed(fault.into()))?, fresh))
}

/// Returns why a metric was not read, for `actor`, after its query could not be run.
pub(crate) fn read_failed(
    actor: &Actor,
    context: &Context,
    compiled: &CompiledMetric,
    error: Arc<RunError>,
) -> ReadError {
    match own_fault(actor, context, compiled, &error) {
        Some(failed) => failed.into(),
        None => error.into(),
    }
}

/// How often a query is described anew and read again because its tables were redefined meanwhile.
const MAX_READS: u32 = 3;

/// Counts the reads of a query whose tables were redefined since it was described.
#[derive(Debug, Default)]
pub(crate) struct Redefinitions(u32);

impl Redefinitions {
    /// Whether to bind and read once more after `error`: then the query is described anew.
    pub(crate) fn read_again(&mut self, definition: &Definition, error: &RunError) -> bool {
        self.0 += 1;
        let again = matches!(error, RunError::Redefined) && self.0 < MAX_READS;
        if again {
            definition.forget_description();
        }
        again
    }
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

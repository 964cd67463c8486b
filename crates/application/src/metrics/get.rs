//! Answers a metric.

use std::time::Duration;

use metricd_core::{actor::Actor, ids::MetricId, parameters::ParameterRequest};

use crate::{
    bind::{ReadError, bind},
    context::Context,
    freshness::SourcedAnswer,
};

/// What a caller asks of a metric.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AnswerRequest {
    /// The parameters.
    pub parameters: ParameterRequest,
    /// The greatest age of the answer that the caller accepts; zero asks for a new one.
    pub max_age: Option<Duration>,
}

/// Answers the metric `id` as `request` asks: from the cache as long as that is as good, else by running its query.
///
/// # Errors
/// See [`ReadError`].
pub async fn get_metric(
    actor: &Actor,
    context: &Context,
    id: MetricId,
    request: &AnswerRequest,
) -> Result<SourcedAnswer, ReadError> {
    let (query, fresh) = bind(actor, context, id, &request.parameters).await?;
    Ok(context.answers.get(query, request.max_age, fresh).await?)
}

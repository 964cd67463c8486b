//! Reads the answer of a metric, from the cache or the database.

use std::time::Duration;

use metricd_core::{actor::Actor, ids::MetricId, parameters::ParameterRequest};

use crate::{
    bind::{ReadError, bind},
    context::Context,
    freshness::SourcedAnswer,
};

/// A request for the answer of a metric.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AnswerRequest {
    /// The parameters.
    pub parameters: ParameterRequest,
    /// The maximum age of the answer; zero bypasses the cache.
    pub max_age: Option<Duration>,
}

/// Reads the answer of the metric `id` to `request`: from the cache while that is fresh enough, else by
/// running its query.
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

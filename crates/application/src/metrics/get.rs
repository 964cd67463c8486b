//! Reads the answer of a metric, from the cache or the database.

use std::{sync::Arc, time::Duration};

use metricd_core::{actor::Actor, ids::MetricId, parameters::ParameterRequest};

use crate::{
    bind::{ReadError, Redefinitions, bind, read_failed},
    context::Context,
    freshness::{AnswerSource, FetchError, SourcedAnswer},
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
    let mut redefinitions = Redefinitions::default();
    loop {
        let (query, fresh) = bind(actor, context, id, &request.parameters).await?;
        let definition = Arc::clone(query.definition());
        match context.answers.get(query, request.max_age, fresh).await {
            Err(FetchError::Run(error)) if redefinitions.read_again(&definition, &error) => {}
            Err(FetchError::Run(error)) => {
                return Err(read_failed(actor, context, &definition.compiled, error));
            }
            Err(FetchError::Store(error)) => return Err(error.into()),
            Ok(answer) => {
                if matches!(answer.source, AnswerSource::Miss { .. }) {
                    context.health.ran(id);
                }
                return Ok(answer);
            }
        }
    }
}

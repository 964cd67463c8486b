//! Gives all rows of a metric for a window, however many, as they are taken. Nothing of them is kept.

use std::sync::Arc;

use metricd_core::{actor::Actor, ids::MetricId, parameters::ParameterRequest};

use super::get::{AnswerRequest, GetError, admitted, ask};
use crate::{
    context::Context,
    freshness::{Definition, Question},
    ports::{RowStream, RunError},
};

/// A metric's rows on their way.
#[derive(Debug)]
pub struct Export {
    /// The metric with its query.
    pub definition: Arc<Definition>,
    /// The rows.
    pub rows: RowStream,
}

/// Runs the query of the metric `id` for a window and gives all of its rows. Whoever may have the
/// metric's answer may have these, and nobody else.
///
/// # Errors
/// See [`GetError`]: there is no other way to fail before the first row.
pub async fn export_metric(
    actor: &Actor,
    context: &Context,
    id: MetricId,
    parameters: ParameterRequest,
) -> Result<Export, GetError> {
    let request = AnswerRequest { parameters, ..AnswerRequest::default() };
    let Question { key, definition, .. } = ask(actor, context, id, &request).await?;
    let run = async {
        let runner = &*context.runner;
        let runner = admitted(runner, &context.admission, &definition, &key).await?;
        runner.stream(&definition.compiled.query.template, key.values()).await
    };
    let rows = run.await.map_err(|error: RunError| Arc::new(error))?;
    Ok(Export { definition, rows })
}

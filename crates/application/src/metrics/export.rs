//! Streams every row of a metric. Must never cache them.

use std::sync::Arc;

use metricd_core::{actor::Actor, ids::MetricId, parameters::ParameterRequest};

use crate::{
    bind::{ReadError, Redefinitions, bind, read_failed},
    context::Context,
    freshness::{BoundQuery, Definition},
    ports::{RowStream, RunError, TemplateDescription},
    rows,
};

/// A metric with the stream of its rows.
#[derive(Debug)]
pub struct MetricExport {
    /// The metric with its query.
    pub definition: Arc<Definition>,
    /// What the database says of the query.
    pub description: Arc<TemplateDescription>,
    /// The rows.
    pub rows: RowStream,
}

/// Runs the query of the metric `id` and streams its rows. Requires the same permission as reading its
/// answer.
///
/// # Errors
/// See [`ReadError`].
pub async fn export_metric(
    actor: &Actor,
    context: &Context,
    id: MetricId,
    parameters: ParameterRequest,
) -> Result<MetricExport, ReadError> {
    let mut redefinitions = Redefinitions::default();
    loop {
        let (query, _) = bind(actor, context, id, &parameters).await?;
        match stream(context, &query).await {
            Err(error) if redefinitions.read_again(query.definition(), &error) => {}
            Err(error) => {
                let compiled = &query.definition().compiled;
                return Err(read_failed(actor, context, compiled, Arc::new(error)));
            }
            Ok(rows) => {
                context.health.planned(id);
                return Ok(MetricExport {
                    definition: Arc::clone(query.definition()),
                    description: Arc::clone(query.description()),
                    rows,
                });
            }
        }
    }
}

async fn stream(context: &Context, query: &BoundQuery) -> Result<RowStream, RunError> {
    let open = rows::open_export(context.runner.as_ref(), &context.admission, query).await?;
    open.stream().await
}

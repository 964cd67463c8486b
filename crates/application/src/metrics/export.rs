//! Streams every row of a metric. Must never cache them.

use std::sync::Arc;

use metricd_core::{actor::Actor, ids::MetricId, parameters::ParameterRequest};

use crate::{
    bind::{ReadError, bind},
    context::Context,
    freshness::Definition,
    ports::RowStream,
    rows,
};

/// A metric with the stream of its rows.
#[derive(Debug)]
pub struct MetricExport {
    /// The metric with its query.
    pub definition: Arc<Definition>,
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
    let (query, _) = bind(actor, context, id, &parameters).await?;
    let open = rows::open_query(context.runner.as_ref(), &context.admission, &query).await?;
    let rows = open.stream().await?;
    Ok(MetricExport { definition: Arc::clone(query.definition()), rows })
}

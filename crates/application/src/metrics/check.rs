//! Checks whether the queries of all metrics still fit the database. Runs none of them.

use metricd_core::{
    actor::{Action, Actor, Object},
    ids::MetricId,
    metric::{CompiledMetric, MetricName},
};
use thiserror::Error;

use super::MAX_PAGE;
use crate::{
    Forbidden,
    admission::name_all,
    authorize_on,
    context::Context,
    error::{Classified, Classify},
    error_chain,
    ports::{MetricFilter, RunError, StoreError},
};

/// What was found out about the metrics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MetricCheck {
    /// How many were checked.
    pub checked: u64,
    /// Those whose query no longer fits the database, by their ids.
    pub broken: Vec<BrokenMetric>,
}

/// A metric whose query no longer fits the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenMetric {
    /// The metric.
    pub id: MetricId,
    /// Its name.
    pub name: MetricName,
    /// Why it is broken, with PostgreSQL's message.
    pub reason: String,
}

/// The reason why the metrics could not be checked.
#[derive(Debug, Error)]
pub enum CheckError {
    /// The caller may not load catalogs, of which this is a part.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// The catalog could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The database could not be asked.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl Classify for CheckError {
    fn classify(&self) -> Classified {
        match self {
            Self::Forbidden(error) => error.classify(),
            Self::Store(error) => error.classify(),
            Self::Run(error) => error.classify(),
        }
    }
}

/// Checks every metric of the catalog.
///
/// # Errors
/// See [`CheckError`].
pub async fn check_metrics(actor: &Actor, context: &Context) -> Result<MetricCheck, CheckError> {
    authorize_on(actor, context, Action::Import, Object::Catalog).await?;
    let mut filter = MetricFilter { limit: MAX_PAGE, after: None, text: None };
    let mut check = MetricCheck::default();
    loop {
        let page = context.catalog.list(&filter).await?;
        let is_last = page.len() < filter.limit as usize;
        for metric in page {
            filter.after = Some(metric.id);
            let Some(compiled) = context.catalog.find(metric.id).await? else { continue };
            check.checked += 1;
            if let Some(reason) = broken(context, &compiled).await? {
                let (id, name) = (metric.id, metric.details.name);
                check.broken.push(BrokenMetric { id, name, reason });
            }
        }
        if is_last {
            return Ok(check);
        }
    }
}

/// Why the metric is broken, if it is.
async fn broken(context: &Context, compiled: &CompiledMetric) -> Result<Option<String>, RunError> {
    let template = &compiled.query.template;
    let contents = match context.admission.gate().recheck(template) {
        Ok(contents) => contents,
        Err(error) => return Ok(Some(error_chain(&error))),
    };
    match context.runner.describe_template(template).await {
        Ok(_) => {}
        Err(RunError::Query(fault)) => return Ok(Some(fault.whole())),
        Err(error) => return Err(error),
    }
    // To prepare a statement needs no grant.
    let tables: Vec<_> = contents.tables.into_iter().collect();
    let unreadable = context.runner.unreadable(&tables).await?;
    Ok((!unreadable.is_empty())
        .then(|| format!("stored SQL may no longer read {}", name_all(&unreadable))))
}

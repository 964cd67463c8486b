//! Checks whether the queries of all metrics still fit the database. Runs none of them.

use metricd_core::{
    actor::{Action, Actor, Object},
    ids::MetricId,
    metric::{CompiledMetric, MetricName},
    parameters::{ParameterRequest, Parameters},
    sql::{SqlError, Template},
};
use thiserror::Error;

use super::MAX_PAGE;
use crate::{
    Forbidden,
    admission::name_all,
    authorize_on,
    compile::before,
    context::Context,
    error::{Classified, Classify},
    error_chain,
    failed_query::position_in,
    ports::{MetricFilter, QueryFault, RunError, StoreError, TemplateDescription},
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
            if let Some(reason) = broken(actor, context, &compiled).await? {
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
async fn broken(
    actor: &Actor,
    context: &Context,
    compiled: &CompiledMetric,
) -> Result<Option<String>, RunError> {
    let template = &compiled.query.template;
    let description = match context.admission.describe(context.runner.as_ref(), template).await {
        Ok(description) => description,
        Err(RunError::Query(fault)) => return Ok(Some(with_place(compiled, &fault))),
        Err(RunError::Refused(reason)) => return Ok(Some(error_chain(reason.as_ref()))),
        Err(error) => return Err(error),
    };
    // To prepare a statement needs no grant.
    let tables: Vec<_> = template.tables.iter().cloned().collect();
    let unreadable = context.runner.unreadable(&tables).await?;
    if !unreadable.is_empty() {
        return Ok(Some(format!("stored SQL may no longer read {}", name_all(&unreadable))));
    }
    match plan(actor, context, template, &description).await {
        // What only data can do to it is found when it runs.
        Err(RunError::Query(fault)) if fault.is_broken() => Ok(Some(with_place(compiled, &fault))),
        Err(error) if !error.is_query_fault() => Err(error),
        _ => Ok(None),
    }
}

/// PostgreSQL's whole message, after the line and column that it is about.
fn with_place(compiled: &CompiledMetric, fault: &QueryFault) -> String {
    format!("{}{}", before(position_in(compiled, fault)), fault.whole())
}

/// Has the database plan the query for its default window, which needs the grants of its views' owners, too.
async fn plan(
    actor: &Actor,
    context: &Context,
    template: &Template,
    description: &TemplateDescription,
) -> Result<(), RunError> {
    let refused = |error: SqlError| RunError::Refused(error.into());
    let unscoped = template.with_unknown_claims().map_err(refused)?;
    let slots = context.zones.slots_of(&unscoped, description);
    let window = Parameters::resolve(&slots, &ParameterRequest::default(), context.now());
    let Ok(parameters) = window else { return Ok(()) };
    let scope = actor.scope(&unscoped.claims).map_err(|fault| RunError::Failed(fault.into()))?;
    let values = unscoped.bind(&parameters, &scope);
    let values = values.map_err(|fault| RunError::Failed(fault.into()))?;
    context.runner.cost(&unscoped, &values).await.map(drop)
}

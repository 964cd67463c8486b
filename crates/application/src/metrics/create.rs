//! Makes a metric from SQL or from a sentence.

use metricd_core::{
    actor::{Action, Actor, Object},
    audit::AuditEvent,
    ids::{MetricId, QueryId},
    layout::LayoutItem,
    metric::{CacheTtl, Column, Metric, MetricDetails, MetricName, Query, Review, Tag},
    sql::Template,
};
use thiserror::Error;

use crate::{
    Forbidden, authorize_on,
    compile::{CompileError, compile},
    context::{Approval, Context},
    error::{Classified, Classify},
    generation::{Generation, GenerationError, generate},
    idempotency::{ClaimError, KeyError, Outcome, Replayable, claim, store_response},
    ports::StoreError,
    rights::permits,
};

/// The metric to make.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateMetric {
    /// Whether it may be changed later.
    pub is_editable: bool,
    /// Its tiles.
    pub layouts: Vec<LayoutItem>,
    /// Where its SQL comes from.
    pub source: QuerySource,
    /// Its name; by default the SQL's leading comment.
    pub name: Option<MetricName>,
    /// A longer explanation.
    pub description: Option<String>,
    /// Words to find it by.
    pub tags: Vec<Tag>,
    /// How long its answers are used again, where that is not the same for all metrics.
    pub cache_ttl: Option<CacheTtl>,
}

/// Where a new metric's SQL comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuerySource {
    /// The caller wrote it.
    Sql(String),
    /// A generator writes it.
    Prompt {
        /// The sentence.
        text: String,
        /// Whether a sentence that is not understood is an error.
        strict: bool,
    },
}

/// A metric that was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Created {
    /// Its id.
    pub id: MetricId,
    /// How its SQL was written, when it came from a sentence.
    pub generation: Option<Generation>,
    /// Whether its maker may see its SQL.
    pub shows_sql: bool,
}

/// Why no metric was made.
#[derive(Debug, Error)]
pub enum CreateError {
    /// The caller may not make metrics.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// The SQL that the caller wrote does not compile.
    #[error("the query does not compile")]
    Query(#[source] CompileError),
    /// No query could be generated.
    #[error(transparent)]
    Generate(#[from] GenerationError),
    /// Its key is not free.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The metric could not be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Classify for CreateError {
    fn classify(&self) -> Classified {
        match self {
            Self::Forbidden(error) => error.classify(),
            Self::Query(error) => error.classify(),
            Self::Generate(error) => error.classify(),
            Self::Key(error) => error.classify(),
            Self::Store(error) => error.classify(),
        }
    }
}

/// Makes a metric with a query of its own. Whoever makes it owns it, until somebody changes that.
///
/// # Errors
/// See [`CreateError`].
pub async fn create_metric(
    actor: &Actor,
    context: &Context,
    command: CreateMetric,
    replayable: Option<Replayable<'_, Created>>,
) -> Result<Outcome<Created>, CreateError> {
    authorize_on(actor, context, Action::Create, Object::Catalog).await?;
    let request = replayable.as_ref().map(|replayable| replayable.request);
    if request.is_some() {
        // A sentence is not read again for a metric that is there. The key is free again until the
        // metric is stored.
        let mut work = context.store.begin().await?;
        if let Err(unclaimed) = claim(actor, context, work.as_mut(), request).await {
            return unclaimed_outcome(unclaimed);
        }
    }
    let id = MetricId(context.ids.fresh());
    let query_id = QueryId::from(context.ids.fresh());
    let (sql, template, columns, generation) = match command.source {
        QuerySource::Sql(sql) => {
            let (template, columns) =
                compile(actor, context, &sql).await.map_err(CreateError::Query)?;
            (sql, template, columns, None)
        }
        QuerySource::Prompt { text, strict } => {
            let (generation, trial) = generate(actor, context, &query_id, &text, strict).await?;
            (generation.sql.clone(), trial.template, trial.columns, Some(generation))
        }
    };
    let is_generated = generation.is_some();
    let (query, mut metric) =
        planned(actor, context, (id, query_id), sql, (template, columns), is_generated);
    metric.is_editable = command.is_editable;
    metric.layouts = command.layouts;
    metric.details.description = command.description;
    metric.details.tags = command.tags;
    metric.details.cache_ttl = command.cache_ttl;
    if let Some(name) = command.name {
        metric.details.name = name;
    }

    let shows_sql = permits(actor, context, Action::ReadSql, Object::Metric(&metric));
    let created = Created { id, generation, shows_sql };
    let mut work = context.store.begin().await?;
    if let Err(unclaimed) = claim(actor, context, work.as_mut(), request).await {
        return unclaimed_outcome(unclaimed);
    }
    work.insert_query(&query).await?;
    work.insert_metric(&metric).await?;
    if let Some(Replayable { request, response }) = replayable {
        store_response(actor, context, work.as_mut(), Some(request), || response(&created)).await?;
    }
    let (now, version) = (context.clock.now(), Some(metric.query_version));
    work.commit(&AuditEvent::done(actor, now, Action::Create, id.into(), version), &[]).await?;
    Ok(Outcome::Executed(created))
}

fn unclaimed_outcome(unclaimed: ClaimError) -> Result<Outcome<Created>, CreateError> {
    match unclaimed {
        ClaimError::Replayed(response) => Ok(Outcome::Replayed(response)),
        ClaimError::Refused(error) => Err(error.into()),
        ClaimError::Store(error) => Err(error.into()),
    }
}

/// A query and its metric as `actor` would make them, with nothing said of the metric yet.
pub(crate) fn planned(
    actor: &Actor,
    context: &Context,
    (id, query_id): (MetricId, QueryId),
    sql: String,
    (template, columns): (Template, Vec<Column>),
    is_generated: bool,
) -> (Query, Metric) {
    let name = MetricName::from_query(&sql, &query_id);
    let review = match context.approval {
        Approval::Required if is_generated => Review::Waiting,
        _ => Review::NotNeeded,
    };
    let details = MetricDetails {
        owner: (!actor.is_operator()).then(|| actor.subject().to_owned()),
        ..MetricDetails::named(name)
    };
    let metric = Metric { review, ..Metric::new(id, query_id.clone(), details) };
    let query = Query { columns, review, ..Query::new(query_id, sql, template) };
    (query, metric)
}

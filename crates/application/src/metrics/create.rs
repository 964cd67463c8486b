//! Creates a metric from SQL or from a prompt.

use metricd_core::{
    actor::{Action, Actor, Object},
    audit::AuditEvent,
    ids::{MetricId, QueryId},
    layout::LayoutItem,
    metric::{CacheTtl, Column, Display, Metric, MetricDetails, MetricName, Query, Review, Tag},
    sql::{NoteSeverity, SlotNote, Template},
};
use thiserror::Error;

use crate::{
    Forbidden, authorize_on,
    compile::{CompileError, compile},
    context::{Approval, Context},
    error::{Classified, Classify},
    generation::{Generation, GenerationError, generate, try_stored},
    idempotency::{KeyError, Outcome, Replayable, claim, store_response},
    ports::StoreError,
    rights::permits,
};

/// The metric to create.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateMetric {
    /// Whether it may be changed later.
    pub is_editable: bool,
    /// Its layouts.
    pub layouts: Vec<LayoutItem>,
    /// Where its SQL comes from.
    pub source: QuerySource,
    /// Its name; by default the SQL's leading comment.
    pub name: Option<MetricName>,
    /// A longer explanation.
    pub description: Option<String>,
    /// Its owner; by default the caller.
    pub owner: Option<String>,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// How the dashboard draws it.
    pub display: Display,
    /// The time to live of its cached answers, if not the default.
    pub cache_ttl: Option<CacheTtl>,
}

impl CreateMetric {
    /// Returns a metric that may be changed and has nothing but its `source`.
    #[must_use]
    pub fn new(source: QuerySource) -> Self {
        Self {
            is_editable: true,
            layouts: Vec::new(),
            source,
            name: None,
            description: None,
            owner: None,
            tags: Vec::new(),
            display: Display::default(),
            cache_ttl: None,
        }
    }
}

/// The source of a new metric's SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuerySource {
    /// The caller wrote it.
    Sql(String),
    /// A generator writes it.
    Prompt {
        /// The prompt.
        text: String,
        /// Whether a prompt that is not understood is an error.
        strict: bool,
    },
}

/// A created metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Created {
    /// Its id.
    pub id: MetricId,
    /// How its SQL was generated, if it came from a prompt.
    pub generation: Option<Generation>,
    /// Whether the caller may see its SQL.
    pub shows_sql: bool,
    /// The notes on its SQL; of generated SQL, the warnings. What is stored of them has no values of rows.
    pub notes: Vec<SlotNote>,
}

/// The reason why the metric was not created.
#[derive(Debug, Error)]
pub enum CreateError {
    /// The caller may not create metrics.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// The SQL that the caller wrote does not compile.
    #[error("the query does not compile")]
    Query(#[source] CompileError),
    /// No query could be generated.
    #[error(transparent)]
    Generate(#[from] GenerationError),
    /// The idempotency key could not be acquired.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The database failed.
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

/// Creates a metric with a query of its own. The caller becomes its owner, unless another one is given.
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
        // A replayed request must not generate a query again. The key is released until the metric is
        // stored.
        let mut work = context.store.begin().await?;
        let replayed = claim::<CreateError>(actor, context, work.as_mut(), request).await?;
        if let Some(response) = replayed {
            return Ok(Outcome::Replayed(response));
        }
    }
    let id = MetricId(context.ids.fresh());
    let query_id = QueryId::from(context.ids.fresh());
    let (sql, template, columns, generation, whole_notes) = match command.source {
        QuerySource::Sql(sql) => {
            let (mut template, description) =
                compile(actor, context, &sql).await.map_err(CreateError::Query)?;
            let tried = try_stored(actor, context, &sql, &mut template, &description).await;
            let notes = tried.map_err(|error| CreateError::Query(error.into()))?;
            (sql, template, description.columns, None, Some(notes))
        }
        QuerySource::Prompt { text, strict } => {
            let (generation, trial) = generate(actor, context, &query_id, &text, strict).await?;
            let (sql, columns) = (generation.sql.clone(), trial.description.columns);
            (sql, trial.template, columns, Some(generation), None)
        }
    };
    let is_generated = generation.is_some();
    let (query, mut metric) =
        planned(actor, context, (id, query_id), sql, (template, columns), is_generated);
    metric.is_editable = command.is_editable;
    metric.layouts = command.layouts;
    metric.details.description = command.description;
    metric.details.tags = command.tags;
    metric.details.display = command.display;
    metric.details.cache_ttl = command.cache_ttl;
    if let Some(name) = command.name {
        metric.details.name = name;
    }
    if command.owner.is_some() {
        metric.details.owner = command.owner;
    }

    let shows_sql = permits(actor, context, Action::ReadSql, Object::Metric(&metric));
    let notes = notes_for(&query.template, generation.as_ref(), shows_sql);
    let mut created = Created { id, generation, shows_sql, notes };
    let mut work = context.store.begin().await?;
    let replayed = claim::<CreateError>(actor, context, work.as_mut(), request).await?;
    if let Some(response) = replayed {
        return Ok(Outcome::Replayed(response));
    }
    work.insert_query(&query).await?;
    work.insert_metric(&metric).await?;
    if let Some(Replayable { request, response }) = replayable {
        store_response(actor, context, work.as_mut(), Some(request), || response(&created)).await?;
    }
    let (now, version) = (context.clock.now(), Some(metric.query_version));
    work.commit(&AuditEvent::done(actor, now, Action::Create, id.into(), version), &[]).await?;
    if let Some(notes) = whole_notes {
        created.notes = notes;
    }
    Ok(Outcome::Executed(created))
}

/// Returns the notes on a query's SQL: all to a caller who wrote it, and the warnings alone to one who may see
/// what a generator wrote.
pub(super) fn notes_for(
    template: &Template,
    generation: Option<&Generation>,
    shows_sql: bool,
) -> Vec<SlotNote> {
    let is_shown = |note: &&SlotNote| {
        generation.is_none() || shows_sql && note.severity == NoteSeverity::Warning
    };
    template.notes.iter().filter(is_shown).cloned().collect()
}

/// Returns a new query and its metric, owned by `actor`, without details.
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

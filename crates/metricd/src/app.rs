//! The composition root: which adapter stands behind which port.

use std::{path::Path, sync::Arc};

use metricd_application::{
    admission::Admission,
    context::Context,
    freshness::{AnswerCache, ChangeFeed, DefinitionCache},
    ports::{Clock, Policies, QueryGenerator},
};
use metricd_infrastructure::{
    db::{Database, DatabaseConfig, Target},
    generation::{model::ModelGenerator, offline::OfflineGenerator},
    policy::{CedarPolicies, PolicyError, PolicySource},
    secret::Redacted,
    system::{FixedClock, RandomIds, SystemClock},
};

use metricd_web::JsonAnswers;

use crate::config::Config;

/// Connects to the database that the settings name, or starts the embedded one.
pub(crate) async fn connect(config: &Config) -> anyhow::Result<Database> {
    let target = match &config.database.url {
        Some(url) => Target::Url(url.expose().to_owned()),
        None => Target::Embedded { data_dir: config.data_dir.clone() },
    };
    let database = Database::connect(DatabaseConfig {
        target,
        max_connections: config.database.max_connections,
        acquire_timeout: config.database.acquire_timeout,
        query_deadline: config.limits.query_timeout,
        reader_role: config.database.reader_role.clone(),
        reader_url: config
            .database
            .reader_url
            .as_ref()
            .map(|url| Redacted::new(url.expose().to_owned())),
        concurrent_queries: config.limits.concurrent_queries,
        queued_queries: config.limits.queued_queries,
        max_rows: config.limits.max_rows,
        max_result_bytes: config.limits.max_result_bytes.into(),
        export_deadline: config.limits.export_timeout,
        gate: Arc::clone(&config.gate),
    });
    Ok(database.await?)
}

/// The machine's clock, or the one that the settings stop.
pub(crate) fn clock(config: &Config) -> Arc<dyn Clock> {
    match config.clock {
        Some(instant) => Arc::new(FixedClock(instant)),
        None => Arc::new(SystemClock),
    }
}

/// Who may do what: the policies of `file`, or else of the settings' file, or else those that come
/// with metricd.
pub(crate) fn policies(
    config: &Config,
    file: Option<&Path>,
) -> Result<Arc<CedarPolicies>, PolicyError> {
    let file = file.or(config.policy_file.as_deref());
    let source = file.map_or(PolicySource::Default, |file| PolicySource::File(file.to_owned()));
    CedarPolicies::load(source, &config.auth.claim_names()).map(Arc::new)
}

/// Who turns a sentence into SQL: the model first, if there is one, then metricd's own grammar.
fn generators(config: &Config) -> anyhow::Result<Arc<[Arc<dyn QueryGenerator>]>> {
    let mut generators: Vec<Arc<dyn QueryGenerator>> = Vec::new();
    if let Some(model) = &config.generation.model {
        generators.push(Arc::new(ModelGenerator::new(model.clone())?));
    }
    generators.push(Arc::new(OfflineGenerator));
    Ok(generators.into())
}

/// Every port, on `database`.
pub(crate) fn context(
    config: &Config,
    database: &Database,
    policies: Arc<dyn Policies>,
) -> anyhow::Result<Context> {
    let (catalog, changes) = (database.catalog(), database.changes());
    let change_feed = Arc::new(ChangeFeed::new(Arc::clone(&changes), database.is_shared()));
    let definitions = DefinitionCache::new(
        Arc::clone(&catalog),
        Arc::clone(&change_feed),
        config.cache.max_definition_bytes,
    );
    let answers = AnswerCache::new(
        definitions.clone(),
        Arc::clone(&change_feed),
        Arc::new(JsonAnswers),
        config.cache.answers(),
    );
    Ok(Context {
        policies,
        audit: database.audit(),
        claims: Arc::new(config.auth.claim_names()),
        catalog,
        definitions,
        answers,
        store: database.store(Arc::clone(&change_feed) as _),
        change_feed,
        changes,
        runner: database.runner(),
        admission: Admission::new(Arc::clone(&config.gate), f64::from(config.limits.max_cost)),
        schema: database.schema(),
        generators: generators(config)?,
        generation_time: config.limits.request_timeout * 5 / 6,
        approval: config.generation.approval,
        clock: clock(config),
        ids: Arc::new(RandomIds),
        max_rows: config.limits.max_rows,
    })
}

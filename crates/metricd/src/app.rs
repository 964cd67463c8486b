//! The composition root: which adapter implements which port.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::Context as _;
use metricd_application::{
    admission::Admission,
    context::{Adapters, Context, ContextSettings},
    ports::{Clock, Policies, QueryGenerator},
};
use metricd_infrastructure::{
    db::{Database, DatabaseConfig, EngineCommand, Target},
    generation::{model::ModelGenerator, offline::OfflineGenerator},
    policy::{CedarPolicies, PolicyError, PolicySource},
    system::{FixedClock, RandomIds, SystemClock},
};
use metricd_web::JsonAnswers;

use crate::config::Config;

/// The command by which metricd starts the process of its embedded PostgreSQL.
pub(crate) const ENGINE_COMMAND: &str = "embedded-engine";

/// Connects to the database that the settings name, or starts the embedded one. A server that is not there yet is waited
/// for as long as `start_timeout`.
pub(crate) async fn connect(config: &Config, start_timeout: Duration) -> anyhow::Result<Database> {
    let target = match &config.database.url {
        Some(url) => Target::Url(url.clone()),
        None => Target::Embedded {
            data_dir: config.general.data_dir.clone(),
            command: engine_command()?,
        },
    };
    let database = Database::connect(DatabaseConfig {
        target,
        max_connections: config.database.max_connections,
        acquire_timeout: config.database.acquire_timeout,
        start_timeout,
        query_deadline: config.limits.query_timeout,
        reader_role: config.database.reader_role.clone(),
        reader_url: config.database.reader_url.clone(),
        concurrent_queries: config.limits.concurrent_queries,
        queued_queries: config.limits.queued_queries,
        max_rows: config.limits.max_rows,
        max_result_bytes: config.limits.max_result_bytes.into(),
        max_temp_bytes: config.limits.max_temp_bytes.into(),
        export_deadline: config.limits.export_timeout,
        request_deadline: config.limits.request_timeout,
        upload_deadline: config.limits.upload_timeout,
        embedded_memory: config.database.embedded_memory.into(),
        gate: Arc::clone(&config.sql.gate),
    });
    Ok(database.await?)
}

/// This program, as the process of the embedded PostgreSQL.
fn engine_command() -> anyhow::Result<EngineCommand> {
    let program = std::env::current_exe().context("the path of this program is not known")?;
    Ok(EngineCommand { program, arguments: vec![ENGINE_COMMAND.into()] })
}

/// Returns the machine's clock, or one that the settings have fixed.
pub(crate) fn clock(config: &Config) -> Arc<dyn Clock> {
    match config.general.clock {
        Some(instant) => Arc::new(FixedClock(instant)),
        None => Arc::new(SystemClock),
    }
}

/// Loads the policies of `file`, or else of the settings' file, or else the built-in ones.
pub(crate) fn policies(
    config: &Config,
    file: Option<&Path>,
) -> Result<Arc<CedarPolicies>, PolicyError> {
    let file = file.or(config.policy.file.as_deref());
    let source = file.map_or(PolicySource::Default, |file| PolicySource::File(file.to_owned()));
    CedarPolicies::load(source, &config.auth.claim_names()).map(Arc::new)
}

/// Returns the query generators: the model first, if there is one, then metricd's own grammar.
fn generators(config: &Config) -> anyhow::Result<Arc<[Arc<dyn QueryGenerator>]>> {
    let mut generators: Vec<Arc<dyn QueryGenerator>> = Vec::new();
    if let Some(model) = &config.generation.model {
        generators.push(Arc::new(ModelGenerator::new(model.clone())?));
    }
    generators.push(Arc::new(OfflineGenerator));
    Ok(generators.into())
}

/// Wires every port to `database`.
pub(crate) fn context(
    config: &Config,
    database: &Database,
    policies: Arc<dyn Policies>,
) -> anyhow::Result<Context> {
    let adapters = Adapters {
        catalog: database.catalog(),
        changes: database.changes(),
        is_shared: database.is_shared(),
        audit: database.audit(),
        runner: database.runner(),
        schema: database.schema(),
        store: Box::new(|sink| database.store(sink)),
        policies,
        generators: generators(config)?,
        writer: Arc::new(JsonAnswers),
        clock: clock(config),
        ids: Arc::new(RandomIds),
    };
    let settings = ContextSettings {
        admission: Admission::new(
            Arc::clone(&config.sql.gate),
            f64::from(config.limits.max_cost),
            f64::from(config.limits.quick_cost),
        ),
        answers: config.cache.answers(),
        max_definition_bytes: config.cache.max_definition_bytes,
        generation_time: config.limits.request_timeout * 5 / 6,
        approval: config.generation.approval,
        claims: Arc::new(config.auth.claim_names()),
        max_rows: config.limits.max_rows,
        zones: config.query.zones(),
    };
    Ok(Context::new(adapters, settings))
}

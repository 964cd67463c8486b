//! From a sentence to a stored metric, with a model that does as it likes.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use metricd_application::{
    compile::CompileError,
    context::Context,
    generation::{Generation, GenerationError},
    metrics::{
        CreateError, CreateMetric, Created, PreviewError, QuerySource, create_metric,
        preview_metric,
    },
    ports::{
        GenerateError, GenerationSource, Policies, QueryGenerator, SchemaSource, StoreError,
        Suggestion, SuggestionRequest,
    },
};
use metricd_core::{
    actor::{Action, Actor, Call, Identity, Object, Role},
    claim::Claims,
    metric::{CompiledMetric, Tag},
    schema::{ColumnKind, ColumnSamples, SampledSchema, Schema, Table, TableColumn},
    sql::{Draft, Gate, TableName},
};
use metricd_infrastructure::{
    db::{Database, Target},
    generation::model::{ModelConfig, ModelGenerator},
};

use super::server::{Act, ModelServer, written};
use crate::support::*;

const PROMPT: &str = "Alerts that need approval, per day";
const GOOD: &str = "-- Alerts per day\nSELECT date_trunc('day', date)::date AS day, count(*) AS n\n\
                    FROM metrics WHERE date >= '2025-06-01' AND date < '2025-07-01'\n\
                    GROUP BY 1 ORDER BY 1";
/// Does not compile.
const BAD: &str = "SELECT nope AS n FROM metrics";

/// The records' table, as a schema that stands still.
struct Records;

#[async_trait]
impl SchemaSource for Records {
    async fn sampled(&self) -> Result<Arc<SampledSchema>, StoreError> {
        let column = |name: &str, ty: &str, kind| TableColumn {
            name: name.into(),
            ty: ty.into(),
            kind,
            comment: None,
        };
        let columns = vec![
            column("date", "timestamp", ColumnKind::Timestamp),
            column("alert_category", "text", ColumnKind::Text),
        ];
        let name = TableName { schema: None, name: "metrics".into() };
        let mut samples = ColumnSamples::default();
        samples.insert(&name, "alert_category", vec!["Hush-hush".into()]);
        let table = Table { name, comment: None, columns, foreign_keys: Vec::new() };
        let schema = Arc::new(Schema { tables: vec![table] });
        Ok(Arc::new(SampledSchema { schema, samples }))
    }

    async fn schema(&self) -> Result<Arc<Schema>, StoreError> {
        Ok(Arc::clone(&self.sampled().await?.schema))
    }
}

/// A generator that always has an answer, and needs no network.
struct Grammar;

#[async_trait]
impl QueryGenerator for Grammar {
    fn source(&self) -> GenerationSource {
        GenerationSource::Offline
    }

    fn attempts(&self) -> u32 {
        1
    }

    fn patience(&self) -> Duration {
        Duration::from_mins(5)
    }

    async fn suggest(&self, _: &SuggestionRequest<'_>) -> Result<Suggestion, GenerateError> {
        let sql = "SELECT count(*) AS counted FROM metrics".to_owned();
        Ok(Suggestion::Query { sql, explanation: "Counts them.".into() })
    }
}

fn ports_with(db: &Database, generators: Vec<Arc<dyn QueryGenerator>>) -> Context {
    Context { schema: Arc::new(Records), generators: generators.into(), ..context(db) }
}

fn asking(db: &Database, config: ModelConfig) -> Context {
    ports_with(db, vec![Arc::new(ModelGenerator::new(config).unwrap())])
}

async fn create_as(caller: &Actor, context: &Context) -> Result<Created, CreateError> {
    let command = CreateMetric::new(QuerySource::Prompt { text: PROMPT.into(), strict: false });
    create_metric(caller, context, command, None).await.map(|done| done.executed().unwrap())
}

/// Makes a metric of the sentence, and gives what was stored beside what was said of it.
async fn made(context: &Context) -> (CompiledMetric, Generation) {
    let created = create_as(&Actor::operator(), context).await.unwrap();
    let stored = context.catalog.find(created.id).await.unwrap().unwrap();
    (stored, created.generation.unwrap())
}

fn is_raw_records(stored: &CompiledMetric) -> bool {
    stored.query.sql.contains("CURRENT_DATE - :day_range")
        && stored.query.sql.contains("WHERE id =")
}

async fn native() -> (NativeServer, Database) {
    let server = NativeServer::start();
    let db = connect(Target::Url(server.url().into())).await;
    db.migrate().await.unwrap();
    (server, db)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_models_query_becomes_a_metric() {
    on_each_engine_migrated(async |db, _| {
        let model = ModelServer::that([Act::query(GOOD)]).await;
        let (stored, generation) = made(&asking(db, model.config())).await;
        assert_eq!(generation.source, GenerationSource::Model);
        assert!(generation.grounded);
        assert_eq!((generation.attempts, generation.sql.as_str()), (1, GOOD));
        assert_eq!(generation.explanation, "What was asked for.");
        assert_eq!(stored.query.sql, GOOD);
        assert_eq!(stored.metric.details.name.as_str(), "Alerts per day");
        let names: Vec<_> = stored.query.columns.iter().map(|column| &column.name).collect();
        assert_eq!(names, ["day", "n"]);
        assert!(!model.requests()[0].body.to_string().contains("Hush-hush"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_is_told_why_its_query_was_rejected() {
    let (_server, db) = native().await;
    let two = "SELECT 1 AS a; DROP TABLE metrics";
    let refused_by_the_gate = Draft::parse(two, &Gate::default()).unwrap_err().to_string();
    for (bad, reason) in [
        (written(two), refused_by_the_gate.as_str()),
        (written(BAD), "column \\\"nope\\\" does not exist"),
        (written("SELECT x FROM secrets"), "may not read `secrets`"),
        (written("SELECT 1 / (count(*) - count(*)) AS n FROM metrics"), "division by zero"),
        ("I'd rather not.".to_owned(), "it holds no JSON object"),
    ] {
        let model = ModelServer::that([Act::Says(bad.clone()), Act::query(GOOD)]).await;
        let (stored, generation) = made(&asking(&db, model.config())).await;
        assert_eq!((generation.source, generation.attempts), (GenerationSource::Model, 2));
        assert_eq!(stored.query.sql, GOOD);
        let requests = model.requests();
        assert_eq!(requests.len(), 2, "{bad}");
        let [_, _, answered, told] = requests[1].turns()[..] else { panic!("{bad}") };
        assert_eq!((answered.0, told.0), ("assistant", "user"));
        assert!(told.1.contains(&reason.replace('\\', "")), "{reason} is missing in {}", told.1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_model_may_not_write_is_never_stored_and_never_run() {
    let (_server, db) = native().await;
    execute(db.pool(), "CREATE TABLE loot (n int); CREATE SEQUENCE counter").await;
    for hostile in [
        "DROP TABLE metrics",
        "SELECT 1 AS a; DROP TABLE metrics",
        "DELETE FROM metrics",
        "TRUNCATE metrics",
        "INSERT INTO loot VALUES (1)",
        "WITH gone AS (DELETE FROM metrics RETURNING 1 AS x) SELECT x FROM gone",
        "SELECT 1 AS n INTO loot2",
        "SELECT date FROM metrics FOR UPDATE",
        "COPY metrics TO PROGRAM 'touch /tmp/x'",
        "SET ROLE postgres",
        "EXPLAIN ANALYZE SELECT 1",
        "DO $$ BEGIN DROP TABLE metrics; END $$",
        "SELECT n FROM loot3",
        "SELECT pg_sleep(100) AS n",
        "SELECT set_config('role', 'none', true) AS n",
        "SELECT sql FROM metricd.queries",
        "SELECT usename FROM pg_stat_activity",
        "SELECT table_name FROM information_schema.tables",
    ] {
        let model = ModelServer::that([Act::query(hostile)]).await;
        let (stored, generation) = made(&asking(&db, model.config())).await;
        assert_eq!(generation.source, GenerationSource::Fallback, "{hostile}");
        assert!(!generation.grounded, "{hostile}");
        assert_eq!(generation.attempts, 4, "{hostile}");
        assert_eq!(model.requests().len(), 3, "{hostile}");
        assert!(is_raw_records(&stored), "{hostile}: {}", stored.query.sql);
    }
    assert_eq!(number(db.pool(), "SELECT count(*) FROM loot").await, 0);
    assert_eq!(number(db.pool(), "SELECT count(*) FROM metrics").await, 0);
    let words =
        "SELECT count(*) FROM metricd.queries WHERE sql NOT LIKE '%CURRENT_DATE - :day_range%'";
    assert_eq!(number(db.pool(), words).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_model_is_of_no_use_the_next_one_answers() {
    let (_server, db) = native().await;
    let not_understood = r#"{"understood": false, "explanation": "No idea."}"#;
    for (act, requests) in [
        (Act::query(BAD), 3),
        (Act::Says("no".into()), 3),
        (Act::Says(not_understood.into()), 1),
        (Act::Status(429, ""), 1),
        (Act::Status(500, ""), 1),
        (Act::Raw(Vec::new()), 1),
        (Act::Endless, 1),
    ] {
        let model = ModelServer::that([act.clone()]).await;
        let asked: Arc<dyn QueryGenerator> = Arc::new(model.generator());
        let (stored, generation) = made(&ports_with(&db, vec![asked, Arc::new(Grammar)])).await;
        assert_eq!(generation.source, GenerationSource::Offline, "{act:?}");
        assert!(generation.grounded, "{act:?}");
        assert_eq!(generation.attempts, requests + 1, "{act:?}");
        assert_eq!(stored.query.sql, "SELECT count(*) AS counted FROM metrics");
        assert_eq!(model.requests().len(), requests as usize, "{act:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sentence_without_a_generator_that_understands_falls_back() {
    let (_server, db) = native().await;
    let text = r#"{"understood": false, "sql": null, "explanation": "There are no prices."}"#;
    let model = ModelServer::that([Act::Says(text.into())]).await;
    let (stored, generation) = made(&asking(&db, model.config())).await;
    assert!(!generation.grounded && is_raw_records(&stored));
    assert!(generation.explanation.starts_with("There are no prices. "));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_model_times_out() {
    on_each_engine_migrated(async |db, _| {
        for act in [Act::Silent, Act::Drips] {
            let model = ModelServer::that([act]).await;
            let mut timeout = Duration::from_millis(50);
            // On a busy machine the time may be over before the request was sent.
            wait_until(async || {
                let config = ModelConfig { timeout, ..model.config() };
                let asked: Arc<dyn QueryGenerator> = Arc::new(ModelGenerator::new(config).unwrap());
                let (_, generation) = made(&ports_with(db, vec![asked, Arc::new(Grammar)])).await;
                assert_eq!(generation.source, GenerationSource::Offline);
                timeout *= 2;
                !model.requests().is_empty()
            })
            .await;
            wait_until(async || model.left() > 0).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_are_as_many_as_was_set() {
    let (_server, db) = native().await;
    for attempts in [1, 5] {
        let model = ModelServer::that([Act::query(BAD)]).await;
        let config = ModelConfig { attempts, ..model.config() };
        let (_, generation) = made(&asking(&db, config)).await;
        assert_eq!(model.requests().len(), attempts as usize);
        assert_eq!(generation.attempts, attempts + 1);
    }
}

/// One that has no end: it never answers, and has a time that no test reaches.
struct Endless(GenerationSource);

#[async_trait]
impl QueryGenerator for Endless {
    fn source(&self) -> GenerationSource {
        self.0
    }

    fn attempts(&self) -> u32 {
        1
    }

    fn patience(&self) -> Duration {
        Duration::from_hours(1)
    }

    async fn suggest(&self, _: &SuggestionRequest<'_>) -> Result<Suggestion, GenerateError> {
        std::future::pending().await
    }
}

/// A database whose tables take for ever to look at.
#[async_trait]
impl SchemaSource for Endless {
    async fn sampled(&self) -> Result<Arc<SampledSchema>, StoreError> {
        std::future::pending().await
    }

    async fn schema(&self) -> Result<Arc<Schema>, StoreError> {
        Ok(Arc::clone(&self.sampled().await?.schema))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_generator_leaves_time_for_the_others() {
    let (_server, db) = native().await;
    let model: Arc<dyn QueryGenerator> = Arc::new(Endless(GenerationSource::Model));
    let last: Arc<dyn QueryGenerator> = Arc::new(Endless(GenerationSource::Offline));

    // A model that uses up its time leaves the last one's alone, which is long here.
    let context = ports_with(&db, vec![Arc::clone(&model), Arc::new(Grammar)]);
    let mut generation_time = Duration::from_secs(5);
    // A fifth of the time is the last one's: on a busy machine it may need more.
    wait_until(async || {
        let (_, generation) = made(&Context { generation_time, ..context.clone() }).await;
        generation_time *= 2;
        generation.source == GenerationSource::Offline
    })
    .await;

    let no_answer = Context { generators: [model, last].into(), ..context.clone() };
    let no_tables = Context { schema: Arc::new(Endless(GenerationSource::Model)), ..context };
    for context in [no_answer, no_tables] {
        let context = Context { generation_time: Duration::from_millis(50), ..context };
        let (stored, generation) = made(&context).await;
        assert_eq!(generation.source, GenerationSource::Fallback);
        assert!(is_raw_records(&stored));
        assert!(generation.explanation.starts_with("The sentence was not understood in time. "));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strict_caller_is_told_what_was_not_understood_without_a_fallback() {
    let (_server, db) = native().await;
    let text = r#"{"understood": false, "sql": null, "explanation": "There are no prices."}"#;
    let model = ModelServer::that([Act::Says(text.into())]).await;
    // The raw records' query would be refused.
    let context = Context { policies: Arc::new(NoRecords), ..asking(&db, model.config()) };
    let source = QuerySource::Prompt { text: PROMPT.into(), strict: true };
    match preview_metric(&caller(), &context, source).await {
        Err(PreviewError::Generate(GenerationError::Ungrounded { explanation })) => {
            assert_eq!(explanation, "There are no prices.");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(denials(&db).await, 0);
}

/// Everything but writing SQL.
struct NoSql;

impl Policies for NoSql {
    fn permits(&self, _: &Arc<Identity>, action: Action, _: &Object<'_>) -> bool {
        action != Action::WriteSql
    }

    fn might_permit(&self, _: &Arc<Identity>, action: Action) -> bool {
        action != Action::WriteSql
    }
}

/// Writing SQL, but not over the records.
struct NoRecords;

impl Policies for NoRecords {
    fn permits(&self, _: &Arc<Identity>, _: Action, object: &Object<'_>) -> bool {
        !matches!(object, Object::Table(table) if table.name == "metrics")
    }

    fn might_permit(&self, _: &Arc<Identity>, _: Action) -> bool {
        true
    }
}

#[expect(clippy::disallowed_methods, reason = "a caller whom policies can refuse")]
fn caller() -> Actor {
    let identity = Identity {
        issuer: "https://issuer.example".into(),
        subject: "ann".into(),
        client: None,
        roles: [Role::Editor].into(),
        scopes: BTreeSet::new(),
        claims: Claims::default(),
    };
    Actor::verified(Arc::new(identity), Call::default())
}

async fn refused(context: &Context) -> bool {
    let created = create_as(&caller(), context).await;
    matches!(
        created,
        Err(CreateError::Generate(GenerationError::Query(CompileError::Forbidden(_))))
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_may_not_write_sql_calls_no_model() {
    let (_server, db) = native().await;
    let model = ModelServer::that([Act::query(GOOD)]).await;
    let context = Context { policies: Arc::new(NoSql), ..asking(&db, model.config()) };
    assert!(refused(&context).await);
    assert!(model.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_neither_sees_nor_opens_tables_that_its_caller_may_not() {
    let (_server, db) = native().await;
    let model = ModelServer::that([Act::query(GOOD)]).await;
    let context = Context { policies: Arc::new(NoRecords), ..asking(&db, model.config()) };
    assert!(refused(&context).await);
    let requests = model.requests();
    assert_eq!(requests.len(), 3);
    assert!(requests[0].turns()[1].1.contains("\"tables\":[]"));
    assert!(requests[1].turns()[3].1.contains("the caller may not write SQL over"));
    // The records' table is what the caller was refused, once; the model's wishes are not theirs.
    assert_eq!(denials(&db).await, 1);
}

/// Everything, but nothing that touches the table of the model's own making.
struct NoSecrets;

impl Policies for NoSecrets {
    fn permits(&self, _: &Arc<Identity>, _: Action, object: &Object<'_>) -> bool {
        !matches!(object, Object::Table(table) if table.name == "secrets")
    }

    fn might_permit(&self, _: &Arc<Identity>, _: Action) -> bool {
        true
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_the_model_makes_up_is_no_denial_of_the_caller() {
    let (_server, db) = native().await;
    let model = ModelServer::that([Act::query("SELECT x FROM secrets"), Act::query(GOOD)]).await;
    let context = Context { policies: Arc::new(NoSecrets), ..asking(&db, model.config()) };
    let created = create_as(&caller(), &context).await.unwrap();
    assert_eq!(created.generation.unwrap().attempts, 2);
    assert_eq!(denials(&db).await, 0);
}

async fn denials(db: &Database) -> i64 {
    number(db.pool(), "SELECT count(*) FROM metricd.audit_events WHERE outcome = 'denied'").await
}

/// Seeing the SQL of metrics that are tagged `open`, and everything else.
struct OpenSql;

impl Policies for OpenSql {
    fn permits(&self, _: &Arc<Identity>, action: Action, object: &Object<'_>) -> bool {
        let is_open = |tag: &Tag| tag.as_str() == "open";
        match object {
            Object::Metric(metric) if action == Action::ReadSql => {
                metric.details.tags.iter().any(is_open)
            }
            _ => true,
        }
    }

    fn might_permit(&self, _: &Arc<Identity>, _: Action) -> bool {
        true
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_shows_the_sql_to_whom_the_metric_would() {
    let (_server, db) = native().await;
    let of = |policies: Arc<dyn Policies>| Context {
        policies,
        ..ports_with(&db, vec![Arc::new(Grammar)])
    };
    let policies: [(Arc<dyn Policies>, bool); 2] =
        [(Arc::new(OpenSql), false), (Arc::new(NoSecrets), true)];
    for (policies, shown) in policies {
        let context = of(policies);
        let source = QuerySource::Prompt { text: PROMPT.into(), strict: false };
        let preview = preview_metric(&caller(), &context, source).await.unwrap();
        assert_eq!(preview.shows_sql, shown);
        assert_eq!(create_as(&caller(), &context).await.unwrap().shows_sql, shown);
    }
}

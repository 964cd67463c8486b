//! What follows a definition in the database, and what no definition there can change.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use metricd_application::{
    admission::Admission,
    bind::ReadError,
    context::Context,
    freshness::AnswerCacheSettings,
    metrics::{AnswerRequest, get_metric},
    ports::RunError,
};
use metricd_core::{
    actor::Actor,
    changes::DefinedName,
    ids::MetricId,
    sql::{Gate, GateExtension, TableName},
};
use metricd_infrastructure::db::{Database, DatabaseConfig, Target};

use crate::support::*;

fn relation(name: &str) -> DefinedName {
    DefinedName::Relation(TableName { schema: Some("public".into()), name: name.into() })
}

fn called(name: &str) -> DefinedName {
    DefinedName::Called(name.into())
}

const MADE: &str = "
    CREATE FUNCTION step(n int) RETURNS int LANGUAGE sql AS 'SELECT n + 1';
    CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 2 * step(n); END;
    CREATE FUNCTION added(n int, more int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n + more';
    CREATE AGGREGATE total (int) (SFUNC = added, STYPE = int, INITCOND = '0');
    CREATE OPERATOR +! (LEFTARG = int, RIGHTARG = int, FUNCTION = added);
    CREATE TYPE mood AS ENUM ('ok', 'bad');
    CREATE TYPE place AS (street text, number int);
    CREATE FUNCTION is_short(t text) RETURNS bool LANGUAGE sql AS 'SELECT length(t) < 10';
    CREATE DOMAIN word AS text CHECK (is_short(VALUE));
    CREATE TABLE parts (n int) PARTITION BY RANGE (n);
    CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
    CREATE TABLE people (id int, mood mood, moods mood[], place place, word word);
    CREATE VIEW stepped AS SELECT twice(n) AS n FROM parts;
    CREATE VIEW above AS SELECT n FROM stepped;
    CREATE VIEW summed AS SELECT total(n) AS n, 1 +! 2 AS m FROM parts;
    CREATE VIEW worded AS SELECT id::text::word AS word FROM people;
    CREATE TABLE others (n int);
    CREATE FUNCTION may_see(n int) RETURNS bool LANGUAGE sql AS 'SELECT n > 0';
    ALTER TABLE others ENABLE ROW LEVEL SECURITY;
    CREATE POLICY positive ON others USING (may_see(n))";

/// Each redefinition, with the names whose versions it moves.
const REDEFINITIONS: [(&str, &[&str]); 13] = [
    (
        "CREATE OR REPLACE FUNCTION step(n int) RETURNS int LANGUAGE sql AS 'SELECT n + 2'",
        &["step()", "twice()", "stepped", "above"],
    ),
    ("CREATE FUNCTION step(n text) RETURNS text LANGUAGE sql AS 'SELECT n'", &["step()"]),
    ("DROP FUNCTION step(text)", &["step()"]),
    ("ALTER FUNCTION added(int, int) STABLE", &["added()", "total()", "summed"]),
    ("ALTER TYPE mood RENAME VALUE 'ok' TO 'fine'", &["mood()", "people", "worded"]),
    ("ALTER TYPE mood ADD VALUE 'mixed'", &["mood()", "people", "worded"]),
    ("ALTER TYPE place ADD ATTRIBUTE town text", &["place()", "people", "worded"]),
    (
        "CREATE OR REPLACE FUNCTION is_short(t text) RETURNS bool LANGUAGE sql AS 'SELECT length(t) < 20'",
        &["is_short()", "word()", "people", "worded"],
    ),
    (
        "CREATE OR REPLACE FUNCTION may_see(n int) RETURNS bool LANGUAGE sql AS 'SELECT n > 1'",
        &["may_see()", "others"],
    ),
    ("ALTER TABLE parts_1 ADD CHECK (n < 10)", &["parts", "stepped", "above", "summed"]),
    ("CREATE OR REPLACE VIEW stepped AS SELECT n FROM parts", &["stepped", "above"]),
    ("ALTER POLICY positive ON others USING (true)", &["others"]),
    (
        "CREATE TABLE more (n int); CREATE FUNCTION again() RETURNS int LANGUAGE sql AS 'SELECT 1'; ANALYZE people; INSERT INTO parts VALUES (1)",
        &[],
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_version_moves_with_a_definition_and_all_that_it_is_made_of() {
    on_each_engine_migrated(async |db, engine| {
        execute(db.pool(), MADE).await;
        let tables = ["people", "parts", "stepped", "above", "summed", "worded", "others", "gone"];
        let calls = [
            "step", "twice", "added", "total", "mood", "place", "word", "is_short", "may_see",
            "lower",
        ];
        let names: Vec<_> =
            tables.iter().copied().map(relation).chain(calls.iter().copied().map(called)).collect();
        let changes = db.changes();
        let mut before = changes.definitions(&names).await.unwrap();
        assert_eq!(before.len(), names.len() - 2, "what is not there, or PostgreSQL's own");
        for (redefinition, expected) in REDEFINITIONS {
            execute(db.pool(), redefinition).await;
            let after = changes.definitions(&names).await.unwrap();
            assert_eq!(moved(&before, &after), sorted(expected), "{engine:?}: {redefinition}");
            before = after;
        }
    })
    .await;
}

fn moved(
    before: &BTreeMap<DefinedName, String>,
    after: &BTreeMap<DefinedName, String>,
) -> Vec<String> {
    let moved = before.iter().filter(|(name, version)| after.get(*name) != Some(*version));
    let written = moved.map(|(name, _)| match name {
        DefinedName::Relation(table) => table.name.clone(),
        DefinedName::Called(name) => format!("{name}()"),
    });
    let mut written: Vec<_> = written.collect();
    written.sort();
    written
}

fn sorted(names: &[&str]) -> Vec<String> {
    let mut names: Vec<_> = names.iter().copied().map(str::to_owned).collect();
    names.sort();
    names
}

/// The rows of a metric as the cache has them, and the types of its columns.
async fn answer(context: &Context, id: MetricId) -> Result<(String, String), ReadError> {
    let served = get_metric(&Actor::operator(), context, id, &AnswerRequest::default()).await?;
    let rows = String::from_utf8(served.answer.rows().to_vec()).unwrap();
    let columns = &served.query.description().columns;
    Ok((rows, columns.iter().map(|column| column.ty.as_str()).collect::<Vec<_>>().join(" ")))
}

fn cached(db: &Database, gate: Arc<Gate>) -> Context {
    let hour = Duration::from_hours(1);
    let settings = AnswerCacheSettings { ttl: hour, max_stale: hour, max_bytes: 1 << 20 };
    context_caching(db, settings, db.runner(), Admission::new(gate, f64::INFINITY, 0.0))
}

#[tokio::test(flavor = "multi_thread")]
async fn cached_answers_end_with_the_functions_that_they_were_made_by() {
    let native = NativeServer::start();
    let db = connect(Target::Url(native.url().into())).await;
    db.migrate().await.unwrap();
    let level = |returns: &str| {
        format!("CREATE OR REPLACE FUNCTION level() RETURNS {returns} LANGUAGE sql STABLE AS")
    };
    execute(
        db.pool(),
        &format!(
            "{} 'SELECT 1'; CREATE VIEW seen AS SELECT level() AS n; \
             GRANT SELECT ON seen TO metricd_reader; CREATE TABLE once (n int); \
             GRANT SELECT ON once TO metricd_reader; INSERT INTO once VALUES (0)",
            level("int")
        ),
    )
    .await;
    let functions = vec!["level".to_owned()];
    let gate = Gate::extended(&GateExtension { functions, ..GateExtension::default() }).unwrap();
    let context = cached(&db, Arc::new(gate));
    let direct = made(&context, "SELECT level() AS n").await;
    let beside = made(&context, "SELECT level() + o.n AS n FROM once o").await;
    let viewed = made(&context, "SELECT n FROM seen").await;
    let plain = made(&context, "SELECT o.n FROM once o").await;
    for id in [direct, beside, viewed] {
        assert_eq!(answer(&context, id).await.unwrap(), ("[{\"n\":1}]".into(), "int4".into()));
    }
    let unmoved = answer(&context, plain).await.unwrap();
    execute(db.pool(), &format!("{} 'SELECT 2'", level("int"))).await;
    context.change_feed.catch_up().await.unwrap();
    for id in [direct, beside, viewed] {
        assert_eq!(answer(&context, id).await.unwrap(), ("[{\"n\":2}]".into(), "int4".into()));
    }
    assert_eq!(answer(&context, plain).await.unwrap(), unmoved);

    // Before the change feed knows of it, a run has the type of the new one.
    execute(
        db.pool(),
        &format!("DROP FUNCTION level() CASCADE; {} 'SELECT 3::int8'", level("int8")),
    )
    .await;
    let anew = AnswerRequest { max_age: Some(Duration::ZERO), ..AnswerRequest::default() };
    for id in [direct, beside] {
        let served = get_metric(&Actor::operator(), &context, id, &anew).await.unwrap();
        assert_eq!(served.answer.rows(), "[{\"n\":3}]");
        assert_eq!(served.query.description().columns[0].ty, "int8");
    }
    assert!(matches!(answer_anew(&context, viewed).await, Err(ReadError::Query(_))));
    db.close().await;
}

async fn answer_anew(context: &Context, id: MetricId) -> Result<(), ReadError> {
    let anew = AnswerRequest { max_age: Some(Duration::ZERO), ..AnswerRequest::default() };
    get_metric(&Actor::operator(), context, id, &anew).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn many_callers_of_an_unknown_metric_do_not_fill_the_queue() {
    let native = NativeServer::start();
    let config = DatabaseConfig {
        concurrent_queries: 2,
        queued_queries: 10,
        ..DatabaseConfig::new(Target::Url(native.url().into()))
    };
    let db = Database::connect(config).await.unwrap();
    db.migrate().await.unwrap();
    let id = made(&cached(&db, Arc::default()), "SELECT count(*) AS n FROM metrics").await;
    // A server that has not described it yet.
    let context = cached(&db, Arc::default());
    let asked: Vec<_> = (0..200)
        .map(|_| {
            let context = context.clone();
            tokio::spawn(async move { answer(&context, id).await })
        })
        .collect();
    for asked in asked {
        assert_eq!(asked.await.unwrap().unwrap(), ("[{\"n\":0}]".into(), "int8".into()));
    }
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_and_columns_agree_while_a_view_is_made_anew() {
    let native = NativeServer::start();
    let db = connect(Target::Url(native.url().into())).await;
    db.migrate().await.unwrap();
    let made_anew = |columns: &str| {
        format!(
            "BEGIN; DROP VIEW IF EXISTS swapped; CREATE VIEW swapped AS SELECT {columns}; \
                 GRANT SELECT ON swapped TO metricd_reader; COMMIT"
        )
    };
    execute(db.pool(), &made_anew("'a' AS a, 'b' AS b")).await;
    let context = cached(&db, Arc::default());
    let id = made(&context, "SELECT * FROM swapped").await;
    let pool = db.pool().clone();
    let swapping = tokio::spawn(async move {
        for _ in 0..40 {
            for columns in ["'b' AS b, 'a' AS a", "'c' AS c", "'a' AS a, 'b' AS b"] {
                execute(&pool, &made_anew(columns)).await;
            }
        }
    });
    let anew = AnswerRequest { max_age: Some(Duration::ZERO), ..AnswerRequest::default() };
    while !swapping.is_finished() {
        let served = match get_metric(&Actor::operator(), &context, id, &anew).await {
            Ok(served) => served,
            Err(ReadError::Run(error)) if matches!(*error, RunError::Redefined) => continue,
            Err(error) => panic!("{error:?}"),
        };
        let names = served.query.description().columns.iter().map(|column| {
            let name = &column.name;
            format!("\"{name}\":\"{name}\"")
        });
        let expected = format!("[{{{}}}]", names.collect::<Vec<_>>().join(","));
        assert_eq!(served.answer.rows(), expected);
    }
    swapping.await.unwrap();
    db.close().await;
}

/// What would be called in place of PostgreSQL's own, where a statement of metricd's left it a choice.
const SHADOWS: &str = "
    CREATE FUNCTION public.shadow() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'it was called'; END $$;
    CREATE FUNCTION public.starts_with(name, text) RETURNS bool LANGUAGE sql AS 'SELECT shadow() IS NULL';
    CREATE FUNCTION public.quote_ident(name) RETURNS text LANGUAGE sql AS 'SELECT shadow()';
    CREATE FUNCTION public.format(text, name) RETURNS text LANGUAGE sql AS 'SELECT shadow()';
    CREATE FUNCTION public.format(text, name, name) RETURNS text LANGUAGE sql AS 'SELECT shadow()';
    CREATE FUNCTION public.concat_ws(text, oid, xid) RETURNS text LANGUAGE sql AS 'SELECT shadow()';
    CREATE FUNCTION public.concat_ws(text, oid, oid, text) RETURNS text LANGUAGE sql AS 'SELECT shadow()';
    CREATE FUNCTION public.concat_ws(text, int2, xid) RETURNS text LANGUAGE sql AS 'SELECT shadow()';
    CREATE FUNCTION public.has_table_privilege(regclass, text) RETURNS bool LANGUAGE sql AS 'SELECT shadow() IS NULL';
    CREATE FUNCTION public.format_type(oid, int4) RETURNS text LANGUAGE sql AS 'SELECT shadow()';
    CREATE FUNCTION public.unnest(text[]) RETURNS SETOF text LANGUAGE sql AS 'SELECT shadow()';
    CREATE FUNCTION public.unnest(oid[]) RETURNS SETOF oid LANGUAGE sql AS 'SELECT shadow()::oid';
    CREATE FUNCTION public.unnest(int2[]) RETURNS SETOF int2 LANGUAGE sql AS 'SELECT shadow()::int2';
    CREATE FUNCTION public.array_agg_step(oid[], oid) RETURNS oid[] LANGUAGE sql AS 'SELECT ARRAY[shadow()]::oid[]';
    CREATE AGGREGATE public.array_agg (oid) (SFUNC = public.array_agg_step, STYPE = oid[]);
    CREATE FUNCTION public.pg_advisory_xact_lock(int4) RETURNS text LANGUAGE sql AS 'SELECT shadow()';
    CREATE FUNCTION public.to_regclass(name) RETURNS regclass LANGUAGE sql AS 'SELECT shadow()::regclass';
    CREATE FUNCTION public.of_oid(oid, regclass) RETURNS bool LANGUAGE sql AS 'SELECT shadow() IS NULL';
    CREATE FUNCTION public.of_schema(oid, regnamespace) RETURNS bool LANGUAGE sql AS 'SELECT shadow() IS NULL';
    CREATE FUNCTION public.of_int(oid, int4) RETURNS bool LANGUAGE sql AS 'SELECT shadow() IS NULL';
    CREATE OPERATOR public.= (LEFTARG = oid, RIGHTARG = regclass, FUNCTION = public.of_oid);
    CREATE OPERATOR public.<> (LEFTARG = oid, RIGHTARG = regclass, FUNCTION = public.of_oid);
    CREATE OPERATOR public.= (LEFTARG = oid, RIGHTARG = regnamespace, FUNCTION = public.of_schema);
    CREATE OPERATOR public.<> (LEFTARG = oid, RIGHTARG = regnamespace, FUNCTION = public.of_schema);
    CREATE OPERATOR public.= (LEFTARG = oid, RIGHTARG = int4, FUNCTION = public.of_int);
    CREATE OPERATOR public.<> (LEFTARG = oid, RIGHTARG = int4, FUNCTION = public.of_int);
    CREATE OPERATOR public.>= (LEFTARG = oid, RIGHTARG = int4, FUNCTION = public.of_int)";

#[tokio::test(flavor = "multi_thread")]
async fn nothing_in_public_is_called_in_place_of_what_comes_with_postgresql() {
    let native = NativeServer::start();
    let target = || Target::Url(native.url().into());
    let db = connect(target()).await;
    db.migrate().await.unwrap();
    execute(
        db.pool(),
        "CREATE TYPE mood AS ENUM ('ok'); CREATE TABLE people (id int, mood mood, at timestamptz); \
         CREATE VIEW seen AS SELECT p.id, p.mood, p.at FROM people p; \
         INSERT INTO people VALUES (1, 'ok', '2025-08-01'); GRANT SELECT ON people, seen TO metricd_reader",
    )
    .await;
    execute(db.pool(), SHADOWS).await;
    db.close().await;

    let db = connect(target()).await;
    db.migrate().await.unwrap();
    let context = cached(&db, Arc::default());
    let id =
        made(&context, "SELECT s.id, s.mood, s.at FROM seen s JOIN people p ON p.id = s.id").await;
    let rows = "[{\"id\":1,\"mood\":\"ok\",\"at\":\"2025-08-01T00:00:00+00:00\"}]";
    for _ in 0..2 {
        let expected = (rows.to_owned(), "int4 mood timestamptz".to_owned());
        assert_eq!(answer(&context, id).await.unwrap(), expected);
        context.change_feed.catch_up().await.unwrap();
    }
    let schema = db.schema().schema().await.unwrap();
    assert!(schema.tables.iter().any(|table| table.name.name == "people"));
    commit(context.store.as_ref(), async |work| {
        let people = TableName { schema: None, name: "people".into() };
        assert_eq!(work.watch(&people).await.unwrap().len(), 1);
    })
    .await;
    db.close().await;
}

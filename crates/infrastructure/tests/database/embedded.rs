//! The embedded engine as a process: what it takes, what ends it, and that it comes back.

use std::{path::Path, time::Duration};

use metricd_application::ports::{QueryRunner, Rows, RunError};
use metricd_infrastructure::db::{Database, DatabaseConfig};
use tempfile::TempDir;

use crate::support::*;

const MEBIBYTE: u64 = 1024 * 1024;

async fn run(runner: &dyn QueryRunner, sql: &str) -> Result<Rows, RunError> {
    runner.run(&template(sql), &[], 100).await
}

async fn migrated(config: DatabaseConfig) -> Database {
    let db = Database::connect(config).await.unwrap();
    db.migrate().await.unwrap();
    db
}

/// Waits until the engine answers, and returns the id of its process.
async fn answering(runner: &dyn QueryRunner, dir: &Path) -> u32 {
    wait_until(async || run(runner, "SELECT 1 AS n").await.is_ok()).await;
    engine_pid(dir).expect("the engine runs")
}

/// Statements that recurse as deep as the text that they read is nested, `depth` times.
fn nested(depth: usize) -> Vec<String> {
    let around = |open: &str, middle: &str, close: &str| {
        format!("(repeat('{open}', {depth}) || '{middle}' || repeat('{close}', {depth}))")
    };
    let (array, object) = (around("[", "", "]"), around("{\"a\":", "1", "}"));
    let (group, text) = (around("(", "a", ")"), around("(a|", "a", ")"));
    let mut all = Vec::new();
    for json in ["json", "jsonb"] {
        all.push(format!("SELECT length({array}::{json}::text) AS n"));
        all.push(format!("SELECT length({object}::{json}::text) AS n"));
        all.push(format!("SELECT length(({array}::{json} -> 0)::text) AS n"));
    }
    all.extend([
        format!("SELECT count(*) AS n FROM (SELECT jsonb_path_query({array}::jsonb, '$.**')) AS q"),
        format!("SELECT {}::jsonpath::text IS NULL AS n", around("(", "$", ")")),
        format!("SELECT {}::jsonpath::text IS NULL AS n", around("!(", "$ == 1", ")")),
        format!("SELECT ('$' || {})::jsonpath::text IS NULL AS n", around("?(@", "== 1", ")")),
        format!("SELECT (repeat('-', {depth}) || '1')::jsonpath::text IS NULL AS n"),
        format!("SELECT {}::int[] IS NULL AS n", around("{", "", "}")),
        format!("SELECT repeat('(', {depth})::tsquery IS NULL AS n"),
        format!("SELECT {group}::tsquery::text IS NULL AS n"),
        format!("SELECT (repeat('!', {depth}) || 'a')::tsquery IS NULL AS n"),
        format!("SELECT length({text}::tsquery::text) AS n"),
        format!("SELECT to_tsquery('english', {group}) IS NULL AS n"),
        format!("SELECT to_tsvector('english', 'a') @@ (repeat('a & ', {depth}) || 'a')::tsquery AS n"),
        format!("SELECT repeat('a', {depth}) LIKE repeat('%a', {depth}) AS n"),
        format!("SELECT 'a' ~ {group} AS n"),
        format!("SELECT 'a' ~ {text} AS n"),
        format!("SELECT 'a' ~ {} AS n", around("(?=", "a", ")")),
        format!("SELECT 'a' SIMILAR TO {group} AS n"),
        format!("WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM r WHERE i < {depth}) SELECT max(i) AS n FROM r"),
    ]);
    all
}

/// Statements that are nested themselves, deeper than the gate lets through.
fn nested_expressions() -> Vec<String> {
    const DEPTH: usize = 100;
    let around = |open: &str, close: &str| {
        format!("SELECT {}1{} AS n", open.repeat(DEPTH), close.repeat(DEPTH))
    };
    vec![
        around("(", ")"),
        around("- ", ""),
        around("abs(", ")"),
        around("ARRAY[", "]"),
        around("(SELECT ", ")"),
        around("CASE WHEN true THEN ", " END"),
        format!("SELECT {}1 AS n", "1 + ".repeat(1_000)),
        format!("SELECT {}true AS n", "NOT ".repeat(1_000)),
        format!("SELECT 1 AS n {}", "UNION ALL SELECT 1 ".repeat(1_000)),
        "SELECT length(power(9.9::numeric, 9999)::text) AS n".into(),
        "SELECT power(1e1000::numeric, 100) AS n".into(),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_nested_deep_is_refused_or_answered_by_the_same_process() {
    let dir = TempDir::new().unwrap();
    let config = DatabaseConfig {
        query_deadline: Duration::from_mins(2),
        ..DatabaseConfig::new(embedded(dir.path()))
    };
    let db = migrated(config).await;
    let runner = db.runner();
    let pid = answering(runner.as_ref(), dir.path()).await;
    let depths = [1_500, 5_000, 6_000, 10_000];
    for sql in depths.into_iter().flat_map(nested).chain(nested_expressions()) {
        let answer = run(runner.as_ref(), &sql).await;
        let is_lost = matches!(answer, Err(RunError::Unavailable(_) | RunError::Deadline));
        assert!(!is_lost, "{sql:.200}: {answer:?}");
        assert_eq!(answering(runner.as_ref(), dir.path()).await, pid, "{sql:.200}");
    }
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_nested_deeper_than_its_stack_ends_it_before_its_memory_is_damaged() {
    let dir = TempDir::new().unwrap();
    let db = migrated(DatabaseConfig::new(embedded(dir.path()))).await;
    let runner = db.runner();
    let deep =
        |open: &str, cast: &str| format!("SELECT repeat('{open}', 1000000)::{cast} IS NULL AS n");
    for sql in [deep("[", "json"), deep("[", "jsonb"), deep("(", "tsquery")] {
        let pid = answering(runner.as_ref(), dir.path()).await;
        let answer = run(runner.as_ref(), &sql).await;
        assert!(matches!(answer, Err(RunError::Unavailable(_))), "{sql}: {answer:?}");
        assert_ne!(answering(runner.as_ref(), dir.path()).await, pid, "{sql}");
    }
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_past_its_deadline_is_ended_and_after_three_times_refused() {
    let dir = TempDir::new().unwrap();
    let config = DatabaseConfig {
        query_deadline: Duration::from_millis(200),
        acquire_timeout: Duration::from_mins(1),
        ..DatabaseConfig::new(embedded(dir.path()))
    };
    let db = migrated(config).await;
    commit(db.uncached_store().as_ref(), async |uow| uow.insert_query(&query("q")).await.unwrap())
        .await;
    let runner = db.runner();
    let endless =
        "SELECT count(*) AS n FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b";
    for time in 0..3 {
        let answer = match time {
            // To be planned or described counts as to be run; here it is quick.
            0 => {
                runner.cost(&template(endless), &[]).await.unwrap();
                run(runner.as_ref(), endless).await
            }
            // Its caller leaves.
            1 => {
                dropped_after(20, run(runner.as_ref(), endless)).await;
                run(runner.as_ref(), endless).await
            }
            _ => run(runner.as_ref(), endless).await,
        };
        if time == 2 && matches!(answer, Err(RunError::Refused(_))) {
            break;
        }
        assert!(matches!(answer, Err(RunError::Deadline)), "{answer:?}");
        // The next one waits until the engine is back.
        answering(runner.as_ref(), dir.path()).await;
    }
    for refused in [
        run(runner.as_ref(), endless).await.map(drop),
        runner.cost(&template(endless), &[]).await.map(drop),
        runner.describe(endless).await.map(drop),
        runner.stream(&template(endless), &[]).await.map(drop),
    ] {
        let Err(RunError::Refused(reason)) = refused else { panic!("{refused:?}") };
        assert!(reason.to_string().contains("it took longer than it may"), "{reason}");
    }
    let mut uow = db.uncached_store().begin().await.unwrap();
    assert_eq!(uow.counts().await.unwrap().queries, 1, "what was committed");
    drop(uow);
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_has_the_time_of_its_request_and_not_that_of_a_query() {
    let dir = TempDir::new().unwrap();
    let config = DatabaseConfig {
        query_deadline: Duration::from_millis(1),
        request_deadline: Duration::from_millis(1),
        ..DatabaseConfig::new(embedded(dir.path()))
    };
    let db = migrated(config).await;
    let pid = engine_pid(dir.path());
    let mut uow = db.uncached_store().begin().await.unwrap();
    // Its caller has the deadline, and is there.
    tokio::time::sleep(Duration::from_secs(4)).await;
    uow.insert_query(&query("q")).await.unwrap();
    uow.commit(&event(), &[]).await.unwrap();
    assert_eq!(engine_pid(dir.path()), pid);
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_given_back_when_the_engine_is_idle() {
    let dir = TempDir::new().unwrap();
    let config = DatabaseConfig {
        embedded_memory: 450 * MEBIBYTE,
        ..DatabaseConfig::new(embedded(dir.path()))
    };
    let db = migrated(config).await;
    let runner = db.runner();
    let pid = answering(runner.as_ref(), dir.path()).await;
    let large =
        "SELECT length(string_agg(repeat('x', 10000), '')) AS n FROM generate_series(1, 20000)";
    assert_eq!(run(runner.as_ref(), large).await.unwrap().json, r#"[{"n":200000000}]"#);
    wait_until(async || engine_pid(dir.path()).is_some_and(|other| other != pid)).await;
    for _ in 0..20 {
        run(runner.as_ref(), "SELECT 1 AS n").await.unwrap();
    }
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_takes_too_much_memory_is_ended_and_after_three_times_refused() {
    let dir = TempDir::new().unwrap();
    let config = DatabaseConfig {
        embedded_memory: 350 * MEBIBYTE,
        query_deadline: Duration::from_mins(2),
        acquire_timeout: Duration::from_mins(1),
        ..DatabaseConfig::new(embedded(dir.path()))
    };
    let db = migrated(config).await;
    let runner = db.runner();
    // It holds much, and for as long as it is left to.
    let hungry = "SELECT count(*) AS n FROM (SELECT array_agg(repeat('x', 10000)) AS a \
                  FROM generate_series(1, 60000)) AS q, generate_series(1, 1000000) b, \
                  generate_series(1, 1000000) c WHERE array_length(q.a, 1) > b";
    let mut attempts = 0..20;
    let refusal = loop {
        assert!(attempts.next().is_some(), "it is not refused");
        match run(runner.as_ref(), hungry).await {
            Err(RunError::Unavailable(_)) => {}
            Err(RunError::Refused(reason)) => break reason.to_string(),
            other => panic!("{other:?}"),
        }
        answering(runner.as_ref(), dir.path()).await;
    };
    assert!(refusal.contains("MiB of memory"), "{refusal}");
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_is_lost_is_said_to_be_and_nothing_committed_is_lost() {
    let dir = TempDir::new().unwrap();
    let db = migrated(DatabaseConfig::new(embedded(dir.path()))).await;
    let (store, catalog, runner) = (db.uncached_store(), db.catalog(), db.runner());
    for number in 1..=5 {
        let id = format!("q{number}");
        commit(store.as_ref(), async |uow| uow.insert_query(&query(&id)).await.unwrap()).await;
        // In the middle of a unit of work, and between two.
        let open = if number % 2 == 0 { store.begin().await.ok() } else { None };
        signal_engine(dir.path(), "KILL");
        drop(open);
        wait_until(async || catalog.is_reachable().await).await;
        let mut uow = loop {
            if let Ok(uow) = store.begin().await {
                break uow;
            }
        };
        assert_eq!(uow.counts().await.unwrap().queries, number);
        drop(uow);
    }
    signal_engine(dir.path(), "STOP");
    wait_until(async || !catalog.is_reachable().await).await;
    answering(runner.as_ref(), dir.path()).await;
    wait_until(async || catalog.is_reachable().await).await;
    db.close().await;
    assert_eq!(engine_pid(dir.path()), None, "it ends with its database");
}

//! The limits of a run, and the reuse of sessions: cancelled when the caller is gone, reused unless
//! they failed.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use metricd_application::ports::{QueryRunner, Rows, RunError, SessionNeeds};
use metricd_infrastructure::db::{Database, DatabaseConfig, Target};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::support::*;

async fn migrated(config: DatabaseConfig) -> Database {
    let db = Database::connect(config).await.unwrap();
    db.migrate().await.unwrap();
    db
}

/// Runs `test` on each engine, connected as `config` says.
async fn with_limits(
    config: impl Fn(Target) -> DatabaseConfig,
    test: impl AsyncFn(&Database, Engine),
) {
    let server = NativeServer::start();
    let db = migrated(config(Target::Url(server.url().into()))).await;
    test(&db, Engine::Native).await;
    db.close().await;
    drop(server);
    let dir = TempDir::new().unwrap();
    let db = migrated(config(embedded(dir.path()))).await;
    test(&db, Engine::Embedded).await;
    db.close().await;
}

async fn run(runner: &dyn QueryRunner, sql: &str) -> Result<Rows, RunError> {
    runner.run(&template(sql), &[], 100).await
}

async fn pid(runner: &dyn QueryRunner) -> String {
    run(runner, "SELECT pg_backend_pid() AS pid").await.unwrap().json
}

const SLEEPING: &str = "SELECT count(*) FROM pg_stat_activity \
                        WHERE query LIKE '%pg_sleep(600)%' AND state = 'active' \
                        AND pid <> pg_backend_pid()";
const ENDLESS: &str = "SELECT pg_sleep(600)";

/// What sleeps by now: a session that is `active` may still parse, and is idle before it executes.
const ASLEEP: &str = "SELECT count(*) FROM pg_stat_activity \
                      WHERE query LIKE '%pg_sleep(600)%' AND wait_event = 'PgSleep'";

/// Starts the endless query, and returns when the server executes it.
async fn started(db: &Database) -> JoinHandle<Result<Rows, RunError>> {
    let runner = db.runner();
    let running = tokio::spawn(async move { run(runner.as_ref(), ENDLESS).await });
    wait_for_number(db.pool(), ASLEEP, 1).await;
    running
}

/// Aborts what was started, as a client that disconnects does.
async fn abandon(running: JoinHandle<Result<Rows, RunError>>) {
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_one_prepared_statement_with_nothing_around_it() {
    let server = NativeServer::start_logging();
    let one = DatabaseConfig {
        max_connections: 1,
        ..DatabaseConfig::new(Target::Url(server.url().into()))
    };
    let db = migrated(one).await;
    let runner = db.runner();
    let sql = "SELECT 41 + 1 AS answer";
    // The first one opens a session and prepares.
    run(runner.as_ref(), sql).await.unwrap();
    let before = server.log().len();
    for _ in 0..3 {
        run(runner.as_ref(), sql).await.unwrap();
    }
    let log = server.log();
    let told = &log[before..];
    let executed = told.lines().filter(|line| line.contains("LOG:  execute ")).count();
    assert_eq!(executed, 3, "{told}");
    assert!(!told.contains(" parse ") && !told.contains("LOG:  statement: "), "{told}");
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_used_again_unless_it_had_trouble() {
    let server = NativeServer::start();
    let one = DatabaseConfig {
        max_connections: 1,
        query_deadline: Duration::from_secs(5),
        ..DatabaseConfig::new(Target::Url(server.url().into()))
    };
    let db = migrated(one).await;
    let runner = db.runner();
    let first = pid(runner.as_ref()).await;
    assert_eq!(pid(runner.as_ref()).await, first);

    // The statement's own faults are none of the session's.
    for fault in ["SELECT 1/0", "SELECT * FROM metricd.queries", "SELECT * FROM nowhere"] {
        assert!(matches!(run(runner.as_ref(), fault).await, Err(RunError::Query(_))), "{fault}");
        assert_eq!(pid(runner.as_ref()).await, first, "{fault}");
    }

    abandon(started(&db).await).await;
    // It has the place until the server was told to end it.
    let second = pid(runner.as_ref()).await;
    assert_ne!(second, first, "abandoned");
    wait_for_number(db.pool(), SLEEPING, 0).await;

    let late = run(runner.as_ref(), ENDLESS).await;
    assert!(matches!(late, Err(RunError::Deadline)), "{late:?}");
    let third = pid(runner.as_ref()).await;
    assert_ne!(third, second, "past the deadline");
    wait_for_number(db.pool(), SLEEPING, 0).await;

    // The server's own timeout: the caller is told the same, and the session is not trusted.
    let own = "SELECT set_config('statement_timeout', '50', false), current_setting('role')";
    run(runner.as_ref(), own).await.unwrap();
    let timed_out = run(runner.as_ref(), ENDLESS).await;
    assert!(matches!(timed_out, Err(RunError::Deadline)), "{timed_out:?}");
    assert_ne!(pid(runner.as_ref()).await, third, "timed out");
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_opened_for_the_next_caller_where_one_had_to_end() {
    // As it is opened, before anything else is run on it.
    const NEW: &str = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle' AND pid <> pg_backend_pid() \
                       AND query LIKE '%FROM pg_stat_activity WHERE pid = pg_backend_pid()'";
    let server = NativeServer::start();
    let db = migrated(DatabaseConfig::new(Target::Url(server.url().into()))).await;
    let runner = db.runner();
    let first = pid(runner.as_ref()).await;
    wait_for_number(db.pool(), NEW, 0).await;
    abandon(started(&db).await).await;
    wait_for_number(db.pool(), NEW, 1).await;
    assert_ne!(pid(runner.as_ref()).await, first);
    wait_for_number(db.pool(), NEW, 0).await;
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_run_is_cancelled_at_any_moment() {
    let server = NativeServer::start();
    let config = DatabaseConfig {
        // Nothing but our ending it ends a query: the server's own timeout lies behind this.
        query_deadline: Duration::from_hours(1),
        ..DatabaseConfig::new(Target::Url(server.url().into()))
    };
    let db = migrated(config).await;
    let runner = db.runner();
    for polls in 1..40 {
        let dropped = dropped_after(polls, run(runner.as_ref(), ENDLESS));
        let _ = tokio::time::timeout(Duration::from_millis(200), dropped).await;
    }
    for milliseconds in [0, 1, 2, 5, 10, 20, 50] {
        let wait = Duration::from_millis(milliseconds);
        let abandoned = tokio::time::timeout(wait, run(runner.as_ref(), ENDLESS)).await;
        assert!(abandoned.is_err());
    }
    wait_for_number(db.pool(), SLEEPING, 0).await;
    assert_eq!(run(runner.as_ref(), "SELECT 1 AS n").await.unwrap().json, r#"[{"n":1}]"#);

    // Describing waits for a lock, too, and is ended like a run.
    let mut held = db.pool().begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE metrics").execute(&mut *held).await.unwrap();
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    let describing = tokio::spawn(async move { runner.describe("SELECT id FROM metrics").await });
    wait_for_number(db.pool(), waiting, 1).await;
    describing.abort();
    assert!(describing.await.unwrap_err().is_cancelled());
    wait_for_number(db.pool(), waiting, 0).await;
    drop(held);
    db.close().await;
}

/// Whether the server is rid of what sleeps within a second from now.
async fn is_gone_within_a_second(db: &Database) -> bool {
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(1) {
        if number(db.pool(), SLEEPING).await == 0 {
            return since.elapsed() < Duration::from_secs(1);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    wait_until(async || {
        execute(db.pool(), END_SLEEPING).await;
        number(db.pool(), SLEEPING).await == 0
    })
    .await;
    false
}

const END_SLEEPING: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                            WHERE query LIKE '%pg_sleep(600)%' AND wait_event = 'PgSleep'";

/// A machine may be busy for a while. Where nothing ends the query, none of them is in time.
const ATTEMPTS: u32 = 10;

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_cancelled_within_a_second_of_a_disconnect() {
    let server = NativeServer::start();
    let config = DatabaseConfig {
        // Neither this nor the server's own timeout behind it comes near.
        query_deadline: Duration::from_mins(1),
        ..DatabaseConfig::new(Target::Url(server.url().into()))
    };
    let db = migrated(config).await;
    for attempt in 1..=ATTEMPTS {
        abandon(started(&db).await).await;
        if is_gone_within_a_second(&db).await {
            break;
        }
        assert!(attempt < ATTEMPTS, "the query went on for longer than a second each time");
    }
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_cancelled_within_a_second_of_its_deadline() {
    let server = NativeServer::start();
    let config = DatabaseConfig {
        // The server's own timeout is two seconds later.
        query_deadline: Duration::from_millis(500),
        ..DatabaseConfig::new(Target::Url(server.url().into()))
    };
    let db = migrated(config).await;
    for attempt in 1..=ATTEMPTS {
        let answer = run(db.runner().as_ref(), ENDLESS).await;
        assert!(matches!(answer, Err(RunError::Deadline)), "{answer:?}");
        if is_gone_within_a_second(&db).await {
            break;
        }
        assert!(attempt < ATTEMPTS, "the query went on for longer than a second each time");
    }
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_was_cancelled_outside_is_not_retried() {
    let server = NativeServer::start();
    let config = DatabaseConfig {
        query_deadline: Duration::from_hours(1),
        ..DatabaseConfig::new(Target::Url(server.url().into()))
    };
    let db = migrated(config).await;
    for _ in 0..3 {
        // In a session that was used before, and in a fresh one after it was ended.
        let asking = started(&db).await;
        // Found and ended in one statement: a sleeping process wakes up now and then.
        wait_for_number(db.pool(), END_SLEEPING, 1).await;
        let answer = tokio::time::timeout(Duration::from_mins(1), asking).await;
        let answer = answer.expect("it was run again").unwrap();
        assert!(matches!(answer, Err(RunError::Unavailable(_))), "{answer:?}");
        wait_for_number(db.pool(), SLEEPING, 0).await;
        assert_eq!(run(db.runner().as_ref(), "SELECT 1 AS n").await.unwrap().json, r#"[{"n":1}]"#);
    }
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_has_one_deadline() {
    let server = NativeServer::start();
    let config = DatabaseConfig {
        query_deadline: Duration::from_secs(8),
        ..DatabaseConfig::new(Target::Url(server.url().into()))
    };
    let db = migrated(config).await;
    // Two of them are past the deadline; one leaves a busy machine more than three seconds.
    let pause = "SELECT pg_sleep(4.5)::text AS s";
    let runner = db.runner().session(SessionNeeds::default()).await.unwrap();
    assert!(run(runner.as_ref(), pause).await.is_ok());
    let late = run(runner.as_ref(), pause).await;
    assert!(matches!(late, Err(RunError::Deadline)), "{late:?}");
    let later = runner.cost(&template("SELECT 1 AS n"), &[]).await;
    assert!(matches!(later, Err(RunError::Deadline)), "{later:?}");
    assert!(run(db.runner().as_ref(), pause).await.is_ok(), "each alone has all of the time");
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_takes_one_permit() {
    let config = |target| DatabaseConfig {
        concurrent_queries: 1,
        queued_queries: 0,
        ..DatabaseConfig::new(target)
    };
    with_limits(config, async |db, engine| {
        let runner = db.runner();
        let together = runner.session(SessionNeeds::default()).await.unwrap();
        for _ in 0..3 {
            together.cost(&template("SELECT 1 AS n"), &[]).await.unwrap();
            assert!(run(together.as_ref(), "SELECT 1 AS n").await.is_ok(), "{engine:?}");
            let other = run(runner.as_ref(), "SELECT 1 AS n").await;
            assert!(matches!(other, Err(RunError::QueueFull)), "{engine:?}: {other:?}");
            assert!(
                matches!(
                    runner.session(SessionNeeds::default()).await.err(),
                    Some(RunError::QueueFull)
                ),
                "{engine:?}"
            );
        }
        drop(together);
        // The permit is held until the session is set up anew, which an EXPLAIN is followed by.
        wait_until(async || match run(runner.as_ref(), "SELECT 1 AS n").await {
            Err(RunError::QueueFull) => false,
            outcome => {
                assert!(outcome.is_ok(), "{engine:?}: {outcome:?}");
                true
            }
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_timeout_is_reported() {
    let server = NativeServer::start();
    let config = DatabaseConfig {
        // A lock is waited for no longer than this.
        query_deadline: Duration::from_secs(1),
        ..DatabaseConfig::new(Target::Url(server.url().into()))
    };
    let db = migrated(config).await;
    let mut held = db.pool().begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE metrics").execute(&mut *held).await.unwrap();
    let answer = run(db.runner().as_ref(), "SELECT id FROM metrics").await;
    // Whichever comes first: neither blames the query.
    assert!(matches!(answer, Err(RunError::Unavailable(_) | RunError::Deadline)), "{answer:?}");
    drop(held);
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_hold_on_every_session() {
    let server = NativeServer::start();
    let db = migrated(DatabaseConfig::new(Target::Url(server.url().into()))).await;
    // Settings that another role gives to this one do not reach its sessions.
    let theirs = "ALTER ROLE metricd_reader SET search_path = 'elsewhere'; \
                  ALTER ROLE metricd_reader IN DATABASE postgres SET work_mem = '1GB'; \
                  ALTER ROLE metricd_reader IN DATABASE postgres SET TimeZone = 'Asia/Tokyo'; \
                  ALTER ROLE metricd_reader IN DATABASE postgres \
                      SET default_transaction_read_only = 'off'";
    execute(db.pool(), theirs).await;
    let runner = db.runner();
    let settings = "SELECT current_setting('default_transaction_read_only') || ' ' || \
                    current_setting('transaction_read_only') || ' ' || \
                    current_setting('statement_timeout') || ' ' || \
                    current_setting('lock_timeout') || ' ' || \
                    current_setting('idle_in_transaction_session_timeout') || ' ' || \
                    current_setting('work_mem') || ' ' || current_setting('search_path') || ' ' || \
                    current_setting('TimeZone') AS s, \
                    pg_advisory_xact_lock_shared(1)::text AS pause";
    // All that run at once wait until each has a session of its own; one permit is kept for quick queries.
    let mut held = db.pool().acquire().await.unwrap();
    sqlx::raw_sql("SELECT pg_advisory_lock(1)").execute(&mut *held).await.unwrap();
    let release = async {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory'";
        wait_for_number(db.pool(), waiting, 9).await;
        sqlx::raw_sql("SELECT pg_advisory_unlock(1)").execute(&mut *held).await.unwrap();
    };
    let all = futures::future::join_all((0..9).map(|_| run(runner.as_ref(), settings)));
    let (all, ()) = futures::join!(all, release);
    drop(held);
    for rows in all {
        let expected = r#"[{"s":"on on 27s 1250ms 10s 16MB public UTC","pause":""}]"#;
        assert_eq!(rows.unwrap().json, expected);
    }
    let sessions = "SELECT count(*) FROM pg_stat_activity \
                    WHERE usename = 'metricd_reader' AND query LIKE '%current_setting%'";
    assert_eq!(number(db.pool(), sessions).await, 9);
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_run_up_to_the_limit_then_queue_then_are_rejected() {
    let config = |target| DatabaseConfig {
        concurrent_queries: 1,
        queued_queries: 1,
        acquire_timeout: Duration::from_secs(3),
        ..DatabaseConfig::new(target)
    };
    with_limits(config, async |db, engine| {
        let runner = db.runner();
        // The first poll takes a permit or a position in the queue.
        #[expect(clippy::async_yields_async, reason = "the task runs while others are queued")]
        let asked = async |sql: &'static str| {
            let runner = Arc::clone(&runner);
            let mut asking = Box::pin(async move { run(runner.as_ref(), sql).await });
            assert!(futures::poll!(&mut asking).is_pending(), "{engine:?}: {sql}");
            tokio::spawn(asking)
        };
        // What runs: a query on a server, a unit of work where there is one connection.
        let held = db.uncached_store().begin().await.unwrap();
        let first = if engine == Engine::Native {
            asked("SELECT pg_sleep(600)").await
        } else {
            asked("SELECT 1 AS n").await
        };
        let waiting = asked("SELECT 2 AS n").await;
        assert!(!first.is_finished() && !waiting.is_finished(), "{engine:?}");
        for _ in 0..3 {
            let answer = run(runner.as_ref(), "SELECT 3 AS n").await;
            assert!(matches!(answer, Err(RunError::QueueFull)), "{engine:?}: {answer:?}");
            let described = runner.describe("SELECT 3 AS n").await;
            assert!(matches!(described, Err(RunError::QueueFull)), "{engine:?}: {described:?}");
        }
        let waited = waiting.await.unwrap();
        assert!(matches!(waited, Err(RunError::Unavailable(_))), "{engine:?}: {waited:?}");
        drop(held);
        first.abort();
        let _ = first.await;
        let answer = run(runner.as_ref(), "SELECT 4 AS n").await.unwrap();
        assert_eq!(answer.json, r#"[{"n":4}]"#, "{engine:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_has_no_more_bytes_than_it_may() {
    let config = |target| DatabaseConfig { max_result_bytes: 1_024, ..DatabaseConfig::new(target) };
    with_limits(config, async |db, engine| {
        let runner = db.runner();
        // {"t":"…"} is 8 bytes and what stands in it, and `ü` is two.
        let rows = |length: usize, count: u32| {
            format!("SELECT repeat('ü', {length} / 2) AS t FROM generate_series(1, {count})")
        };
        let count = |rows: &Rows| rows.json.matches("{\"t\"").count();
        for (length, given, expected, cut) in [
            (120, 8, 8, false),
            (120, 9, 8, true),
            (1_016, 1, 1, false),
            (1_016, 2, 1, true),
            (504, 2, 2, false),
            (506, 2, 1, true),
        ] {
            let answer = run(runner.as_ref(), &rows(length, given)).await.unwrap();
            let name = format!("{given} of {length} on {engine:?}");
            assert_eq!((count(&answer), answer.truncated), (expected, cut), "{name}");
            assert!(answer.json.starts_with('[') && answer.json.ends_with(']'), "{name}");
        }
        for too_large in [
            rows(1_018, 1),
            rows(1_000_000, 50),
            "SELECT 1 AS n UNION ALL SELECT NULL".to_owned() + " LIMIT 0",
        ] {
            let answer = run(runner.as_ref(), &too_large).await;
            if too_large.ends_with("LIMIT 0") {
                assert_eq!(answer.unwrap().json, "[]");
                continue;
            }
            let Err(RunError::RowTooLarge { max_bytes }) = answer else { panic!("{answer:?}") };
            assert_eq!(max_bytes, 1_024);
        }
        let after_small_ones = "SELECT repeat('x', n * 700) AS t FROM generate_series(0, 9) n";
        let answer = run(runner.as_ref(), after_small_ones).await;
        assert!(matches!(answer, Err(RunError::RowTooLarge { .. })), "{engine:?}: {answer:?}");
        assert!(run(runner.as_ref(), "SELECT 1 AS n").await.is_ok());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cost_is_the_planners_and_nothing_runs() {
    with_limits(DatabaseConfig::new, async |db, engine| {
        let runner = db.runner();
        execute(
            db.pool(),
            "CREATE TABLE orders AS SELECT n FROM generate_series(1, 20000) n; ANALYZE orders",
        )
        .await;
        if engine == Engine::Native {
            let sql = "SELECT n FROM orders";
            let refused = runner.cost(&template(sql), &[]).await;
            assert!(matches!(refused, Err(RunError::Query(_))), "{refused:?}");
            execute(db.pool(), "GRANT SELECT ON orders TO metricd_reader").await;
        }
        let cost = async |sql: &str| runner.cost(&template(sql), &[]).await.unwrap();
        let cheap = cost("SELECT 1 AS n").await;
        let dear = cost("SELECT count(*) AS n FROM orders a, orders b").await;
        assert!(cheap < 1.0 && dear > 1_000_000.0, "{engine:?}: {cheap} {dear}");
        // Of what is cut off nothing is counted.
        let all = cost("SELECT a.n FROM orders a, orders b").await;
        assert!(all < dear / 100.0, "{engine:?}: {all} {dear}");
        assert!(cost("SELECT pg_sleep(600)").await < 1.0, "{engine:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_of_many_zones_share_the_sessions() {
    let server = NativeServer::start();
    let few = DatabaseConfig {
        max_connections: 2,
        concurrent_queries: 2,
        queued_queries: 100,
        ..DatabaseConfig::new(Target::Url(server.url().into()))
    };
    let db = migrated(few).await;
    let runner = db.runner();
    let zones = ["UTC", "Asia/Tokyo", "Europe/Berlin", "America/St_Johns", "Pacific/Kiritimati"];
    // A literal that is folded when the statement is prepared.
    let sql = "SELECT current_setting('TimeZone') AS zone, '2025-06-30'::timestamptz AS midnight";
    let asked = zones.iter().cycle().take(40).map(async |zone| {
        let needs = SessionNeeds { timezone: zone.parse().unwrap(), ..SessionNeeds::default() };
        let session = runner.session(needs).await.unwrap();
        let rows = session.run(&template(sql), &[], 1).await.unwrap().json;
        let midnight = "2025-06-30T00:00:00";
        assert!(
            rows.starts_with(&format!(r#"[{{"zone":"{zone}","midnight":"{midnight}"#)),
            "{rows}"
        );
    });
    futures::future::join_all(asked).await;
    db.close().await;
}

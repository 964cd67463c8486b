//! Runs that do not end when they are told to: PostgreSQL looks for that between the steps of a statement, and one call of a
//! function is a step.

use std::{process::Command, time::Duration};

use metricd_application::ports::{QueryRunner, Rows, RunError};
use metricd_infrastructure::db::{Database, DatabaseConfig, MigrateError, ReaderError, Target};
use sqlx::{Connection as _, PgConnection};

use crate::support::*;

/// Searches for minutes within one call of `strpos`.
const UNENDING: &str = "WITH d AS MATERIALIZED (SELECT replace(repeat('a', 5000), 'a', repeat('a', 400)) s) \
                        SELECT strpos(s, 'b' || left(s, 1000000)) AS n FROM d";
const THEIR_PIDS: &str = "SELECT pid::text FROM pg_stat_activity \
                          WHERE query LIKE '%strpos(s,%' AND pid <> pg_backend_pid()";

async fn migrated(config: DatabaseConfig) -> Database {
    let db = Database::connect(config).await.unwrap();
    db.migrate().await.unwrap();
    db
}

async fn run(runner: &dyn QueryRunner, sql: &str) -> Result<Rows, RunError> {
    runner.run(&template(sql), &[], 100).await
}

/// Ends processes of a server, which starts anew then.
fn kill(pids: &[String]) {
    assert!(Command::new("kill").arg("-KILL").args(pids).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_cannot_be_ended_keeps_its_permit_until_its_process_is_gone() {
    let server = NativeServer::start();
    let config = DatabaseConfig {
        concurrent_queries: 2,
        acquire_timeout: Duration::from_secs(2),
        query_deadline: Duration::from_secs(1),
        ..DatabaseConfig::new(Target::Url(server.url().into()))
    };
    let db = migrated(config).await;
    let runner = db.runner();
    assert_eq!(runner.unended_runs(), 0);
    for unended in 1..=2 {
        let late = run(runner.as_ref(), UNENDING).await;
        assert!(matches!(late, Err(RunError::Deadline)), "{late:?}");
        wait_until(async || runner.unended_runs() == unended).await;
        let others = run(runner.as_ref(), "SELECT 1 AS n").await;
        match unended {
            1 => assert!(others.is_ok(), "others have the other permit: {others:?}"),
            _ => assert!(matches!(others, Err(RunError::Unavailable(_))), "{others:?}"),
        }
    }
    let pids = texts(db.pool(), THEIR_PIDS).await;
    assert_eq!((pids.len(), runner.unended_runs()), (2, 2), "no run begins beside them");
    assert!(db.catalog().is_reachable().await, "metricd itself goes on");

    kill(&pids);
    wait_until(async || runner.unended_runs() == 0).await;
    wait_until(async || run(runner.as_ref(), "SELECT 1 AS n").await.is_ok()).await;
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_waits_for_a_session_of_the_reader_and_says_what_has_them() {
    let server = NativeServer::start();
    let config = DatabaseConfig {
        acquire_timeout: Duration::from_millis(300),
        ..DatabaseConfig::new(Target::Url(server.url().into()))
    };
    let db = migrated(config.clone()).await;
    execute(db.pool(), "ALTER ROLE metricd_reader CONNECTION LIMIT 2").await;
    db.close().await;
    let as_reader = server.url_of("metricd_reader", "postgres");
    let mut held = Vec::new();
    // The server takes a moment to be rid of the sessions that were closed.
    wait_until(async || {
        held.extend(PgConnection::connect(&as_reader).await);
        held.len() == 2
    })
    .await;

    let next = Database::connect(config.clone()).await.unwrap();
    match next.migrate().await {
        Err(MigrateError::Reader(error @ ReaderError::LimitReached { .. })) => {
            let text = error.to_string();
            for told in ["`metricd_reader`", "process ", " since ", "pg_terminate_backend(pid)"] {
                assert!(text.contains(told), "{text}");
            }
        }
        other => panic!("{other:?}"),
    }
    next.close().await;

    let patient = DatabaseConfig { acquire_timeout: Duration::from_secs(20), ..config };
    let next = Database::connect(patient).await.unwrap();
    let migrating = next.migrate();
    let releasing = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        for connection in held {
            connection.close().await.unwrap();
        }
    };
    let (migrated, ()) = futures::join!(migrating, releasing);
    migrated.unwrap();
    next.close().await;
}

const FOLDS: &str = "SELECT length(repeat(repeat('abcdefgh', 10000), 100)) AS n";

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_has_taken_much_memory_is_not_kept() {
    let server = NativeServer::start();
    let one = DatabaseConfig {
        max_connections: 1,
        ..DatabaseConfig::new(Target::Url(server.url().into()))
    };
    let db = migrated(one.clone()).await;
    let pid = async |runner: &dyn QueryRunner| {
        let rows = run(runner, "SELECT pg_backend_pid() AS pid").await.unwrap();
        rows.json
    };
    let runner = db.runner();
    let first = pid(runner.as_ref()).await;
    // The planner makes a constant of it, which would stay with the statement.
    run(runner.as_ref(), FOLDS).await.unwrap();
    let second = pid(runner.as_ref()).await;
    assert_ne!(second, first, "its text says so");
    // Each made-up zone stays with the session, and it may not read how much it has.
    let zones = "SELECT count(now() AT TIME ZONE ('Foo' || translate(n::text, '0123456789', 'abcdefghij') || '1')) AS n \
                 FROM generate_series(1, 6000) n";
    run(runner.as_ref(), zones).await.unwrap();
    assert_eq!(pid(runner.as_ref()).await, second, "nothing tells");

    execute(
        db.pool(),
        "GRANT SELECT ON pg_backend_memory_contexts TO metricd_reader; \
         GRANT EXECUTE ON FUNCTION pg_get_backend_memory_contexts() TO metricd_reader",
    )
    .await;
    db.close().await;
    let db = migrated(one).await;
    let runner = db.runner();
    let third = pid(runner.as_ref()).await;
    // It is measured a while after it was opened.
    wait_until(async || {
        run(runner.as_ref(), zones).await.unwrap();
        pid(runner.as_ref()).await != third
    })
    .await;
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn temporary_files_are_limited() {
    let server = NativeServer::start();
    let config = DatabaseConfig {
        max_temp_bytes: 1024 * 1024,
        ..DatabaseConfig::new(Target::Url(server.url().into()))
    };
    let db = migrated(config).await;
    let sorted = "SELECT max(s) AS s FROM (SELECT md5(n::text) || repeat('x', 1000) AS s FROM \
                  generate_series(1, 100000) n ORDER BY 1 OFFSET 1) t";
    let refused = run(db.runner().as_ref(), sorted).await;
    let text = format!("{refused:?}");
    assert!(text.contains("temporary file size exceeds temp_file_limit"), "{text}");
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn planning_has_less_time_than_running() {
    let server = NativeServer::start();
    let db = migrated(DatabaseConfig::new(Target::Url(server.url().into()))).await;
    execute(
        db.pool(),
        "CREATE FUNCTION public.limits() RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN \
             IF current_setting('statement_timeout') <> '5s' THEN RAISE 'has %', current_setting('statement_timeout'); \
             END IF; RETURN 'x'; END $$",
    )
    .await;
    let runner = db.runner();
    let cost = runner.cost(&template("SELECT limits() AS n"), &[]).await;
    assert!(cost.is_ok(), "{cost:?}");
    let ran = format!("{:?}", run(runner.as_ref(), "SELECT limits() AS n").await);
    assert!(ran.contains("P0001"), "{ran}");
    // What fails leaves the session as it was.
    assert!(runner.cost(&template("SELECT 1 / 0 AS n"), &[]).await.is_err());
    assert!(run(runner.as_ref(), "SELECT 1 AS n").await.is_ok());
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_outside_the_server_stops_what_takes_memory() {
    let server = NativeServer::start_with_memory(700_000);
    let db = migrated(DatabaseConfig::new(Target::Url(server.url().into()))).await;
    let runner = db.runner();
    let bomb = "SELECT array_length(array_agg(repeat('x', 1000) || n), 1) AS n FROM generate_series(1, 2000000) n";
    for _ in 0..2 {
        let stopped = run(runner.as_ref(), bomb).await;
        let text = stopped.map(drop).map_err(|error| {
            use std::error::Error as _;
            error.source().map(ToString::to_string).unwrap_or_default()
        });
        assert!(text.as_ref().is_err_and(|text| text.contains("out of memory")), "{text:?}");
        assert!(run(runner.as_ref(), "SELECT 1 AS n").await.is_ok(), "others go on");
    }
    assert_eq!(runner.unended_runs(), 0);
    db.close().await;
}

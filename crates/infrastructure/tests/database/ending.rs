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
    let held = [
        PgConnection::connect(&as_reader).await.unwrap(),
        PgConnection::connect(&as_reader).await.unwrap(),
    ];

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

//! Databases to test on, and things to put into them.

mod certificates;
mod engine;
mod native;
mod samples;

use std::{
    future::{Future, poll_fn},
    path::Path,
    pin::pin,
    task::Poll,
    time::Duration,
};

use metricd_infrastructure::db::{Database, DatabaseConfig, Target};
use sqlx::{AssertSqlSafe, PgPool};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

pub(crate) use certificates::{Authority, Certified};
pub(crate) use engine::{engine_pid, signal_engine};
pub(crate) use native::NativeServer;
pub(crate) use samples::*;

/// Which database a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Native,
    Embedded,
}

/// Runs `test` on an empty database of each engine.
pub(crate) async fn on_each_engine(test: impl AsyncFn(&Database, Engine)) {
    let server = NativeServer::start();
    let db = connect(Target::Url(server.url().into())).await;
    test(&db, Engine::Native).await;
    db.close().await;
    drop(server);

    let dir = TempDir::new().unwrap();
    let db = connect(embedded(dir.path())).await;
    test(&db, Engine::Embedded).await;
    db.close().await;
}

/// Runs `test` on a migrated database of each engine.
pub(crate) async fn on_each_engine_migrated(test: impl AsyncFn(&Database, Engine)) {
    on_each_engine(async |db, engine| {
        db.migrate().await.unwrap();
        test(db, engine).await;
    })
    .await;
}

pub(crate) fn embedded(dir: &Path) -> Target {
    Target::Embedded { data_dir: dir.to_owned(), command: engine::command() }
}

pub(crate) async fn connect(target: Target) -> Database {
    Database::connect(DatabaseConfig::new(target)).await.unwrap()
}

/// Runs statements that nothing is expected of.
pub(crate) async fn execute(pool: &PgPool, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(pool).await.unwrap();
}

/// The one number that a statement gives.
pub(crate) async fn number(pool: &PgPool, sql: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(pool).await.unwrap()
}

/// The texts that a statement gives.
pub(crate) async fn texts(pool: &PgPool, sql: &str) -> Vec<String> {
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(pool).await.unwrap()
}

/// Longer than anything here takes, so that a test fails rather than hangs.
const DEADLINE: Duration = Duration::from_mins(2);

/// Polls until the condition holds, on a machine that may be busy.
pub(crate) async fn wait_until(mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds().await {
        assert!(Instant::now() < deadline, "it does not come to pass");
        sleep(Duration::from_millis(5)).await;
    }
}

/// Runs a statement until the one number that it gives is `expected`.
pub(crate) async fn wait_for_number(pool: &PgPool, sql: &str, expected: i64) {
    wait_until(async || number(pool, sql).await == expected).await;
}

/// Polls `future` so many times, then drops it, unless it is done before.
pub(crate) async fn dropped_after(polls: usize, future: impl Future) {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|context| {
        left -= 1;
        let done = future.as_mut().poll(context).is_ready();
        if done || left == 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Every connection of the pool takes a unit of work of its own, and is not in one before.
pub(crate) async fn assert_every_connection_is_clean(db: &Database, moment: &str) {
    let most = db.pool().options().get_max_connections();
    let mut connections = Vec::new();
    for _ in 0..most {
        let mut connection = db.pool().acquire().await.unwrap();
        let savepoint = sqlx::raw_sql("SAVEPOINT inside").execute(&mut *connection).await;
        assert!(savepoint.is_err(), "a transaction was left open, {moment}");
        connections.push(connection);
    }
    drop(connections);

    let store = db.uncached_store();
    let mut begun = Vec::new();
    for _ in 0..most {
        begun.push(store.begin().await.unwrap());
    }
    for (number, mut work) in begun.into_iter().enumerate() {
        let query = query(&format!("clean {number}"));
        work.insert_query(&query).await.unwrap();
        assert!(work.delete_unused_query(&query.id).await.unwrap());
        work.commit(&event(), &[]).await.unwrap();
    }
}

//! Databases to test on, and things to put into them.

mod native;
mod samples;

use std::path::Path;

use metricd_infrastructure::db::{Database, DatabaseConfig, Target};
use sqlx::{AssertSqlSafe, PgPool};
use tempfile::TempDir;

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
    let db = connect(Target::Url(server.url())).await;
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
    Target::Embedded { data_dir: dir.to_owned() }
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

//! Databases as older versions have left them: the schema of each level, with rows in it, is brought up to date and answers. And
//! databases that newer versions have migrated.

use std::time::Duration;

use metricd_application::{
    audit::list_audit,
    metrics::{AnswerRequest, Patch, get_metric, update_metric},
    ports::AuditFilter,
};
use metricd_core::{actor::Actor, ids::MetricId, parameters::ParameterRequest};
use metricd_infrastructure::db::{Database, DatabaseConfig, MigrateError, Target};
use tempfile::TempDir;

use crate::support::*;

/// The tables of the latest level that hold what must not be lost, in the order in which they are filled.
const TABLES: [&str; 7] = [
    "metricd.queries",
    "metricd.metric_configurations",
    "metricd.layout_items",
    "public.metrics",
    "metricd.audit_events",
    "metricd.query_versions",
    "metricd.idempotency_keys",
];

/// A metric that was changed once, and all that it left, as rows in JSON.
struct Content {
    metric: MetricId,
    rows: Vec<(&'static str, String)>,
    levels: u32,
}

impl Content {
    /// Fills a database of this version, and empties it again.
    async fn of(db: &Database) -> Self {
        db.migrate().await.unwrap();
        let context = context(db);
        let metric = made(&context, "SELECT 1 AS n").await;
        let patch =
            Patch { query: Some("SELECT count(*) AS n FROM metrics".into()), ..Patch::default() };
        update_metric(&Actor::operator(), &context, metric, patch, None).await.unwrap();
        let more = "
            INSERT INTO public.metrics (metric_id, id, date, parts_flagged)
            SELECT gen_random_uuid(), query_id, '2025-06-01', 7 FROM metricd.metric_configurations;
            INSERT INTO metricd.layout_items (metric_id, position, breakpoint, x, y, w, h)
            SELECT id, 0, 'lg', 0, 0, 4, 4 FROM metricd.metric_configurations;
            INSERT INTO metricd.idempotency_keys (issuer, subject, claims, key, fingerprint, at)
            VALUES ('i', 's', '', 'k', 'f', now())";
        execute(db.pool(), more).await;
        let mut rows = Vec::new();
        for table in TABLES {
            let all = format!("SELECT jsonb_agg(to_jsonb(t))::text FROM {table} t");
            rows.push((table, texts(db.pool(), &all).await.remove(0)));
        }
        let levels = db.schema_state().await.unwrap().applied.len().try_into().unwrap();
        db.migrate_down(None).await.unwrap();
        Self { metric, rows, levels }
    }

    /// Has `db` as a version with the first `level` migrations left it.
    async fn put(&self, db: &Database, level: u32) {
        db.migrate_down(None).await.unwrap();
        db.migrate_up(level).await.unwrap();
        for (table, rows) in &self.rows {
            let there = format!("SELECT count(to_regclass('{table}'))");
            if number(db.pool(), &there).await == 1 {
                // A column that this level does not have is passed over.
                let rows = rows.replace('\'', "''");
                let insert = format!(
                    "INSERT INTO {table} SELECT * FROM jsonb_populate_recordset(NULL::{table}, '{rows}')"
                );
                execute(db.pool(), &insert).await;
            }
        }
        if level >= 3 {
            let next = "SELECT setval('metricd.audit_events_sequence_seq', 100)";
            execute(db.pool(), next).await;
        }
    }

    /// Whatever the level had is there, and the database is written to.
    async fn check(&self, db: &Database, level: u32) {
        db.migrate().await.unwrap();
        let (context, actor) = (context(db), Actor::operator());
        let request = AnswerRequest {
            parameters: ParameterRequest::default(),
            max_age: Some(Duration::ZERO),
        };
        let answer = get_metric(&actor, &context, self.metric, &request).await.unwrap();
        let counted = format!(r#"[{{"n":{}}}]"#, i32::from(level >= 2));
        assert_eq!(String::from_utf8_lossy(&answer.answer.rows()), counted, "level {level}");
        let compiled = db.catalog().find(self.metric).await.unwrap().unwrap();
        assert_eq!(compiled.metric.layouts.len(), 1, "level {level}");
        let versions = db.catalog().versions(&compiled.query.id, 10, None).await.unwrap();
        assert_eq!(versions.len(), usize::from(level >= 5), "level {level}");
        let filter = AuditFilter { limit: 10, ..AuditFilter::default() };
        let events = list_audit(&actor, &context, filter).await.unwrap().items;
        assert_eq!(events.len(), if level >= 3 { 2 } else { 0 }, "level {level}");
        let keys = number(db.pool(), "SELECT count(*) FROM metricd.idempotency_keys").await;
        assert_eq!(keys, i64::from(level >= 8), "level {level}");
        made(&context, "SELECT 2 AS two").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_of_each_level_is_brought_up_to_date() {
    let server = NativeServer::start();
    let db = connect(Target::Url(server.url().into())).await;
    let content = Content::of(&db).await;
    for level in 1..=content.levels {
        content.put(&db, level).await;
        let copy = format!("level_{level}");
        server.copy_database("postgres", &copy);
        let target = Target::Url(server.url_of("postgres", &copy).into());
        let config =
            DatabaseConfig { reader_role: format!("{copy}_reader"), ..DatabaseConfig::new(target) };
        let restored = Database::connect(config).await.unwrap();
        content.check(&restored, level).await;
        restored.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_folder_of_each_level_is_brought_up_to_date() {
    let dir = TempDir::new().unwrap();
    let db = connect(embedded(dir.path())).await;
    let content = Content::of(&db).await;
    for level in 1..=content.levels {
        content.put(&db, level).await;
        content.check(&db, level).await;
    }
    db.close().await;
}

/// What a migration of the future leaves, after which `oldest` may still work.
fn newer(oldest: &str) -> String {
    format!(
        "INSERT INTO metricd.migrations VALUES ('m29990101_000001_later', 0); \
         CREATE TABLE metricd.later (n int); \
         UPDATE metricd.compatibility SET oldest = '{oldest}'"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_schema_is_worked_with_where_it_says_so() {
    on_each_engine_migrated(async |db, engine| {
        let last = db.schema_state().await.unwrap().applied.pop().unwrap();
        execute(db.pool(), &newer(&last)).await;
        let context = context(db);
        for _ in 0..2 {
            db.migrate().await.unwrap();
            let state = db.schema_state().await.unwrap();
            assert_eq!(state.newer(), ["m29990101_000001_later"], "{engine:?}");
            assert!(state.works(), "{engine:?}");
        }
        made(&context, "SELECT 1 AS n").await;
        // It does not know how to undo the newer one.
        db.migrate_down(Some(1)).await.unwrap_err();
        assert_eq!(number(db.pool(), "SELECT count(*) FROM metricd.later").await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_schema_is_refused_where_it_does_not_say_so() {
    on_each_engine_migrated(async |db, engine| {
        execute(db.pool(), &newer("m29990101_000001_later")).await;
        for silenced in
            ["SELECT 1", "DELETE FROM metricd.compatibility", "DROP TABLE metricd.compatibility"]
        {
            execute(db.pool(), silenced).await;
            assert!(!db.schema_state().await.unwrap().works(), "{engine:?}: {silenced}");
            let error = db.migrate().await.unwrap_err();
            let MigrateError::Newer { migrations } = error else { panic!("{error:?}") };
            assert_eq!(migrations, ["m29990101_000001_later"], "{engine:?}: {silenced}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_says_which_version_it_works_with() {
    on_each_engine_migrated(async |db, engine| {
        let oldest = texts(db.pool(), "SELECT oldest FROM metricd.compatibility").await;
        assert_eq!(oldest, ["m20250601_000010_compatibility"], "{engine:?}");
    })
    .await;
}

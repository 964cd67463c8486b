//! The log of changes: what is noted, by whom it is read, when it is forgotten.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use metricd_application::ports::{
    ChangeLog, ChangeSink, ResolvedTable, StagedRecord, WatchError, WatchStep, Watched,
};
use metricd_core::{
    changes::{Change, Changed, Snapshot},
    ids::RecordId,
    sql::TableName,
};
use metricd_infrastructure::db::{Database, Target};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

use crate::support::*;

const COUNT: &str = "SELECT count(*) FROM metricd.changes";

fn named(text: &str) -> TableName {
    let (schema, name) = text.split_once('.').unwrap_or(("public", text));
    TableName { schema: Some(schema.into()), name: name.into() }
}

fn records_of(ids: &[&str]) -> Changed {
    let ids = Some(ids.iter().map(|id| (*id).to_owned()).collect());
    Changed::Table { table: named("public.metrics"), ids }
}

fn any_rows_of(table: &str) -> Changed {
    Changed::rows_of(&named(table))
}

async fn now(log: &dyn ChangeLog) -> Snapshot {
    let batch = log.since(None).await.unwrap();
    assert!(batch.changes.is_empty(), "{batch:?}");
    assert!(batch.is_whole);
    batch.snapshot
}

/// What `seen` does not see, all of it.
async fn since(log: &dyn ChangeLog, seen: &Snapshot) -> Vec<Changed> {
    let batch = log.since(Some(seen)).await.unwrap();
    assert!(batch.is_whole, "{batch:?}");
    for change in &batch.changes {
        assert!(!seen.sees(change.by) && batch.snapshot.sees(change.by), "{batch:?}");
    }
    batch.changes.into_iter().map(|change| change.what).collect()
}

/// Records the changes.
#[derive(Default)]
struct RecordingSink(Mutex<Vec<Change>>);

impl ChangeSink for RecordingSink {
    fn changed(&self, changes: &[Change]) {
        self.0.lock().unwrap().extend_from_slice(changes);
    }
}

impl RecordingSink {
    fn take(&self) -> Vec<Change> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// A session of its own, beside the pool.
async fn session(server: &NativeServer) -> PgConnection {
    session_of(server, "postgres").await
}

async fn session_of(server: &NativeServer, role: &str) -> PgConnection {
    PgConnection::connect(&server.url_of(role, "postgres")).await.unwrap()
}

async fn run(session: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(session).await.unwrap();
}

async fn refused(session: &mut PgConnection, sql: &str) -> String {
    let error = sqlx::raw_sql(AssertSqlSafe(sql)).execute(session).await.unwrap_err();
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).unwrap().into_owned()
}

async fn native() -> (NativeServer, Database) {
    let server = NativeServer::start();
    let db = connect(Target::Url(server.url().into())).await;
    db.migrate().await.unwrap();
    (server, db)
}

fn staged(index: u64, id: &str) -> StagedRecord {
    let record = record(id, 1);
    let content_key = Uuid::new_v5(&Uuid::NAMESPACE_OID, id.as_bytes());
    StagedRecord { index, line: index + 1, content_key, record }
}

async fn watch(db: &Database, table: &str) -> Result<Vec<Watched>, WatchError> {
    let mut work = db.uncached_store().begin().await.unwrap();
    let watched = work.watch(&named(table)).await?;
    work.commit(&event(), &[]).await.unwrap();
    Ok(watched)
}

async fn unwatch(db: &Database, table: &str) -> Result<Vec<Watched>, WatchError> {
    let mut work = db.uncached_store().begin().await.unwrap();
    let watched = work.unwatch(&named(table)).await?;
    work.commit(&event(), &[]).await.unwrap();
    Ok(watched)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_write_is_logged_and_announced_after_its_commit() {
    on_each_engine_migrated(async |db, engine| {
        let (log, sink) = (db.changes(), Arc::new(RecordingSink::default()));
        let store = db.store(sink.clone());
        let mut seen = now(log.as_ref()).await;
        let mut noted = async |expected: &[Changed]| {
            let batch = log.since(Some(&seen)).await.unwrap();
            assert!(batch.is_whole);
            assert_eq!(batch.changes, sink.take(), "{engine:?}");
            let what: Vec<_> = batch.changes.into_iter().map(|change| change.what).collect();
            assert_eq!(what, expected, "{engine:?}");
            seen = batch.snapshot;
        };

        commit(store.as_ref(), async |_| {}).await;
        noted(&[]).await;
        assert_eq!(number(db.pool(), COUNT).await, 0, "{engine:?}");

        commit(store.as_ref(), async |work| {
            work.insert_query(&query("q")).await.unwrap();
            work.insert_query(&query("p")).await.unwrap();
            work.insert_metric(&metric(metric_id(1), "q")).await.unwrap();
            work.insert_record(RecordId(Uuid::nil()), &record("q", 1)).await.unwrap();
        })
        .await;
        let queries = [Changed::Query(query_id("p")), Changed::Query(query_id("q"))];
        let [p, q] = queries.clone();
        noted(&[records_of(&["q"]), Changed::Metric(metric_id(1)), p.clone(), q.clone()]).await;
        assert_eq!(number(db.pool(), COUNT).await, 3, "one row of each kind, {engine:?}");

        commit(store.as_ref(), async |work| {
            work.update_metric(&metric(metric_id(1), "q")).await.unwrap();
            work.update_query(&query("q")).await.unwrap();
            assert!(!work.delete_unused_query(&query_id("q")).await.unwrap());
        })
        .await;
        noted(&[Changed::Metric(metric_id(1)), q.clone()]).await;

        commit(store.as_ref(), async |work| {
            work.delete_metric(metric_id(1)).await.unwrap();
            assert!(work.delete_unused_query(&query_id("p")).await.unwrap());
            work.note(any_rows_of("sales.orders"));
        })
        .await;
        noted(&[any_rows_of("sales.orders"), Changed::Metric(metric_id(1)), p]).await;

        let mut dropped = store.begin().await.unwrap();
        dropped.insert_query(&query("dropped")).await.unwrap();
        drop(dropped);
        noted(&[]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_notes_whose_records_are_new() {
    on_each_engine_migrated(async |db, engine| {
        let (log, store) = (db.changes(), db.uncached_store());
        let load = async |ids: &[String]| {
            let seen = now(log.as_ref()).await;
            let batch: Vec<_> = (0..).zip(ids).map(|(index, id)| staged(index, id)).collect();
            let mut created = 0;
            commit(store.as_ref(), async |work| {
                work.stage_records(&batch).await.unwrap();
                created = work.merge_staged(false).await.unwrap().created;
            })
            .await;
            (created, since(log.as_ref(), &seen).await)
        };
        let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();

        assert_eq!(load(&ids(&["a", "b"])).await, (2, vec![records_of(&["a", "b"])]), "{engine:?}");
        // Of equal records the second has a key of its own.
        let again = load(&ids(&["a", "b", "b", "c"])).await;
        assert_eq!(again, (2, vec![records_of(&["b", "c"])]), "{engine:?}");
        assert_eq!(load(&ids(&["a", "b", "b", "c"])).await, (0, Vec::new()), "{engine:?}");

        let many: Vec<String> = (0..1_001).map(|id| format!("m{id}")).collect();
        assert_eq!(load(&many[..1_000]).await.1.len(), 1);
        let (created, changes) = load(&many).await;
        assert_eq!((created, changes), (1, vec![records_of(&["m1000"])]), "{engine:?}");
        let others: Vec<String> = (0..1_001).map(|id| format!("n{id}")).collect();
        assert_eq!(load(&others).await, (1_001, vec![any_rows_of("metrics")]), "{engine:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn caches_are_invalidated_though_the_caller_disconnects_during_the_commit() {
    on_each_engine_migrated(async |db, engine| {
        let sink = Arc::new(RecordingSink::default());
        let store = db.store(sink.clone());
        let mut committed = 0;
        for polls in 1..40 {
            let query = query(&format!("q{polls}"));
            dropped_after(polls, async {
                let mut work = store.begin().await.unwrap();
                work.insert_query(&query).await.unwrap();
                work.commit(&event(), &[]).await.unwrap();
            })
            .await;
            assert_every_connection_is_clean(db, &format!("{engine:?}, poll {polls}")).await;
            let changes = sink.take();
            let is_there = format!("SELECT count(*) FROM metricd.queries WHERE id = 'q{polls}'");
            let is_there = number(db.pool(), &is_there).await == 1;
            let what: Vec<_> = changes.into_iter().map(|change| change.what).collect();
            if is_there {
                assert_eq!(what, [Changed::Query(query.id)], "{engine:?}, poll {polls}");
                committed += 1;
            } else {
                assert!(what.is_empty(), "{what:?}, {engine:?}, poll {polls}");
            }
        }
        assert!(committed > 0, "{engine:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn caches_are_told_of_a_commit_with_unknown_outcome() {
    let (server, db) = native().await;
    let sink = Arc::new(RecordingSink::default());
    let store = db.store(sink.clone());
    // The session ends in the middle of the commit: its outcome is unknown.
    execute(
        db.pool(),
        "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(1); RETURN NULL; END $$; \
         CREATE CONSTRAINT TRIGGER die AFTER INSERT ON metricd.queries \
             DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION die()",
    )
    .await;
    let mut work = store.begin().await.unwrap();
    work.insert_query(&query("q")).await.unwrap();
    work.commit(&event(), &[]).await.unwrap_err();
    let what: Vec<_> = sink.take().into_iter().map(|change| change.what).collect();
    assert_eq!(what, [Changed::Query(query_id("q"))]);
    drop(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_commits_late_is_not_missed() {
    let (server, db) = native().await;
    let log = db.changes();
    let (mut early, mut late) = (session(&server).await, session(&server).await);
    let note = |table: &str| {
        format!(
            "INSERT INTO metricd.changes (kind, table_schema, table_name) \
             VALUES ('table', 'public', '{table}')"
        )
    };
    let start = now(log.as_ref()).await;

    run(&mut early, "BEGIN").await;
    run(&mut early, &note("early")).await;
    run(&mut late, &note("late")).await;
    let batch = log.since(Some(&start)).await.unwrap();
    assert_eq!(batch.changes.len(), 1);
    assert_eq!(batch.changes[0].what, any_rows_of("late"));

    // The one that began first commits last: after both were looked for, and after another one.
    run(&mut late, &note("later")).await;
    let between = log.since(Some(&batch.snapshot)).await.unwrap();
    assert_eq!(since(log.as_ref(), &batch.snapshot).await, [any_rows_of("later")]);
    run(&mut early, "COMMIT").await;
    assert_eq!(since(log.as_ref(), &between.snapshot).await, [any_rows_of("early")]);
    let all: BTreeSet<_> = since(log.as_ref(), &start).await.iter().map(text_of).collect();
    assert_eq!(all, BTreeSet::from(["early".into(), "late".into(), "later".into()]));

    // What was undone is never sink, and what its transaction was called is not waited for.
    let seen = now(log.as_ref()).await;
    run(&mut early, "BEGIN").await;
    run(&mut early, &note("undone")).await;
    run(&mut early, "ROLLBACK").await;
    assert_eq!(since(log.as_ref(), &seen).await, []);
}

fn text_of(changed: &Changed) -> String {
    match changed {
        Changed::Table { table, .. } => table.name.clone(),
        other => format!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_newer_version_notes_is_taken_for_anything() {
    on_each_engine_migrated(async |db, engine| {
        let log = db.changes();
        let seen = now(log.as_ref()).await;
        execute(db.pool(), "INSERT INTO metricd.changes (kind) VALUES ('dashboard')").await;
        let batch = log.since(Some(&seen)).await.unwrap();
        assert!(!batch.is_whole, "{engine:?}");
        assert_eq!(since(log.as_ref(), &batch.snapshot).await, [], "{engine:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_visible_for_long_enough_are_pruned_and_the_gap_is_reported() {
    on_each_engine_migrated(async |db, engine| {
        let (log, store) = (db.changes(), db.uncached_store());
        let before = now(log.as_ref()).await;
        for table in ["a", "b"] {
            commit(store.as_ref(), async |work| work.note(any_rows_of(table))).await;
        }
        let between = now(log.as_ref()).await;

        assert_eq!(log.prune(Duration::from_hours(1)).await.unwrap(), 0, "{engine:?}");
        assert_eq!(since(log.as_ref(), &before).await.len(), 2, "{engine:?}");
        assert_eq!(log.prune(Duration::ZERO).await.unwrap(), 2, "{engine:?}");
        assert_eq!(number(db.pool(), COUNT).await, 1, "the mark, {engine:?}");
        assert!(!log.since(Some(&before)).await.unwrap().is_whole, "{engine:?}");
        assert!(log.since(None).await.unwrap().is_whole, "{engine:?}");
        // Nothing that was removed is new to this one, and so it need not drop anything.
        let after = now(log.as_ref()).await;
        assert_eq!(since(log.as_ref(), &after).await, [], "{engine:?}");

        // Without anything to remove the mark stays where it is.
        assert_eq!(log.prune(Duration::ZERO).await.unwrap(), 0, "{engine:?}");
        assert_eq!(since(log.as_ref(), &after).await, [], "{engine:?}");
        commit(store.as_ref(), async |work| work.note(any_rows_of("c"))).await;
        assert_eq!(log.prune(Duration::ZERO).await.unwrap(), 1, "{engine:?}");
        assert_eq!(number(db.pool(), COUNT).await, 1, "the newest mark, {engine:?}");
        for seen in [&before, &between, &after] {
            assert!(!log.since(Some(seen)).await.unwrap().is_whole, "{engine:?}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_is_open_for_long_keeps_its_note() {
    let (server, db) = native().await;
    let log = db.changes();
    let mut job = session(&server).await;
    execute(db.pool(), "CREATE TABLE orders (id int)").await;
    watch(&db, "orders").await.unwrap();
    let seen = now(log.as_ref()).await;

    run(&mut job, "BEGIN; INSERT INTO orders VALUES (1)").await;
    for table in ["a", "b"] {
        commit(db.uncached_store().as_ref(), async |work| work.note(any_rows_of(table))).await;
        log.prune(Duration::ZERO).await.unwrap();
    }
    // However long it was open, it was not visible to any transaction yet.
    let while_open = now(log.as_ref()).await;
    run(&mut job, "COMMIT").await;
    assert_eq!(since(log.as_ref(), &while_open).await, [any_rows_of("orders")]);
    assert!(since(log.as_ref(), &seen).await.contains(&any_rows_of("orders")));
    assert_eq!(log.prune(Duration::ZERO).await.unwrap(), 3);
    assert!(!log.since(Some(&while_open)).await.unwrap().is_whole);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_read_by_its_index() {
    let (_server, db) = native().await;
    execute(
        db.pool(),
        "INSERT INTO metricd.changes (xid, kind) SELECT n::text::xid8, 'metric' \
         FROM generate_series(1, 100000) AS n; ANALYZE metricd.changes",
    )
    .await;
    let plan = texts(
        db.pool(),
        "EXPLAIN SELECT FROM metricd.changes WHERE kind <> 'pruned' \
         AND xid >= pg_snapshot_xmin('99990:99999:'::pg_snapshot) \
         AND NOT pg_visible_in_snapshot(xid, '99990:99999:'::pg_snapshot)",
    )
    .await
    .join("\n");
    assert!(plan.contains("changes_xid_idx"), "{plan}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_is_notified_by_others_and_after_a_reconnect() {
    let (server, db) = native().await;
    let log = db.changes();
    let soon = Duration::from_mins(1);
    let hint = async || tokio::time::timeout(soon, log.hint()).await.expect("no hint");
    let listening = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'";
    // What came before it listened.
    hint().await;
    wait_for_number(db.pool(), listening, 1).await;

    let other = connect(Target::Url(server.url().into())).await;
    let mut seen = now(log.as_ref()).await;
    for table in ["a", "b"] {
        commit(other.uncached_store().as_ref(), async |work| work.note(any_rows_of(table))).await;
        hint().await;
        let batch = log.since(Some(&seen)).await.unwrap();
        assert_eq!(batch.changes.len(), 1, "{batch:?}");
        seen = batch.snapshot;
    }
    let quiet = tokio::time::timeout(Duration::from_millis(100), log.hint()).await;
    assert!(quiet.is_err(), "a hint without a cause");

    for _ in 0..2 {
        let listener = "SELECT max(pid)::int8 FROM pg_stat_activity WHERE query LIKE 'LISTEN%'";
        let killed = number(db.pool(), listener).await;
        execute(db.pool(), &format!("SELECT pg_terminate_backend({killed})")).await;
        hint().await;
        let others = format!("{listening} AND pid <> {killed}");
        wait_for_number(db.pool(), &others, 1).await;
        let left = format!("{listening} AND pid = {killed}");
        wait_for_number(db.pool(), &left, 0).await;
        // The hint that follows upon listening again may be there still.
        while tokio::time::timeout(Duration::from_millis(500), log.hint()).await.is_ok() {}
        commit(other.uncached_store().as_ref(), async |work| work.note(any_rows_of("c"))).await;
        hint().await;
        assert_eq!(since(log.as_ref(), &seen).await.last(), Some(&any_rows_of("c")));
    }
    drop(log);
    wait_for_number(db.pool(), listening, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_engine_has_no_other_writers() {
    let dir = tempfile::TempDir::new().unwrap();
    let db = connect(embedded(dir.path())).await;
    db.migrate().await.unwrap();
    let log = db.changes();
    commit(db.uncached_store().as_ref(), async |work| work.note(any_rows_of("a"))).await;
    let waited = tokio::time::timeout(Duration::from_millis(100), log.hint()).await;
    assert!(waited.is_err());
    drop(log);
    db.close().await;
}

const TABLES: &str = "
    CREATE SCHEMA sales;
    CREATE TABLE sales.orders (id int, at date) PARTITION BY RANGE (at);
    CREATE TABLE sales.orders_2025 PARTITION OF sales.orders
        FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') PARTITION BY RANGE (at);
    CREATE TABLE sales.orders_june PARTITION OF sales.orders_2025
        FOR VALUES FROM ('2025-06-01') TO ('2025-07-01');
    CREATE TABLE sales.orders_2026 PARTITION OF sales.orders
        FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
    CREATE TABLE places (id int);
    CREATE TABLE shops () INHERITS (places);
    CREATE TABLE other_parent (name text);
    CREATE TABLE kiosks () INHERITS (shops, other_parent);
    CREATE VIEW june AS SELECT o.id FROM sales.orders_june o JOIN places p USING (id);
    CREATE VIEW \"of June\" AS SELECT count(*) FROM june WHERE id IN (SELECT id FROM shops);
    CREATE MATERIALIZED VIEW kept AS SELECT id FROM places;
    CREATE VIEW of_kept AS SELECT * FROM kept;
    CREATE FUNCTION total() RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE VIEW calls AS SELECT total() FROM places;
    CREATE VIEW catalogs AS SELECT relname FROM pg_catalog.pg_class;
    CREATE VIEW today AS SELECT id FROM sales.orders WHERE at = CURRENT_DATE;
    CREATE VIEW by_now AS SELECT id FROM sales.orders WHERE at < now();
    CREATE VIEW chance AS SELECT id, random() FROM places;
    CREATE VIEW harmless AS SELECT upper(max(id)::text), 'random() :relid 1259' AS \":relid 1259\" FROM places;
    CREATE TABLE guarded (id int);
    ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
    CREATE TABLE pg_class (id int)";

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_resolved_to_what_their_rows_come_from() {
    on_each_engine_migrated(async |db, engine| {
        execute(db.pool(), TABLES).await;
        let expected: &[(&str, &str, bool)] = &[
            ("places", "kiosks other_parent places shops", true),
            ("shops", "kiosks other_parent places shops", true),
            ("kiosks", "kiosks other_parent places shops", true),
            ("other_parent", "kiosks other_parent places shops", true),
            (
                "sales.orders",
                "sales.orders sales.orders_2025 sales.orders_2026 sales.orders_june",
                true,
            ),
            ("sales.orders_2026", "sales.orders sales.orders_2026", true),
            ("sales.orders_june", "sales.orders sales.orders_2025 sales.orders_june", true),
            (
                "june",
                "june kiosks other_parent places sales.orders sales.orders_2025 sales.orders_june \
                 shops",
                true,
            ),
            (
                "of June",
                "june kiosks of_June other_parent places sales.orders sales.orders_2025 \
                 sales.orders_june shops",
                true,
            ),
            ("kept", "kept", false),
            ("of_kept", "kept of_kept", false),
            ("calls", "calls kiosks other_parent places shops", false),
            ("catalogs", "catalogs", false),
            ("chance", "chance kiosks other_parent places shops", false),
            ("harmless", "harmless kiosks other_parent places shops", true),
            ("guarded", "guarded", false),
            ("metrics", "metrics", true),
            ("missing", "", false),
            ("sales.missing", "", false),
            ("missing.missing", "", false),
            ("metricd.queries", "metricd.queries", false),
            // As PostgreSQL finds it: its own comes first.
            ("pg_class", "pg_catalog.pg_class", false),
            ("public.pg_class", "pg_class", true),
        ];
        let log = db.changes();
        let tables: Vec<TableName> = expected
            .iter()
            .map(|(table, ..)| match table.split_once('.') {
                Some((schema, name)) => {
                    TableName { schema: Some(schema.into()), name: name.into() }
                }
                None => TableName { schema: None, name: (*table).into() },
            })
            .collect();
        let resolved = log.resolve(&tables).await.unwrap();
        assert_eq!(resolved.len(), expected.len());
        for ((table, names, is_whole), resolved) in expected.iter().zip(resolved) {
            assert_eq!(listed(&resolved), *names, "{table}, {engine:?}");
            assert_eq!(resolved.is_whole, *is_whole, "{table}, {engine:?}");
        }
        for view in ["today", "by_now"] {
            let resolved = log.resolve(&[named(view)]).await.unwrap();
            assert!(!resolved[0].is_whole, "{view}, {engine:?}");
        }
        assert_eq!(log.resolve(&[]).await.unwrap(), []);
    })
    .await;
}

fn listed(resolved: &ResolvedTable) -> String {
    let names: BTreeSet<String> = resolved
        .tables
        .iter()
        .map(|table| table.with_schema().trim_start_matches("public.").replace(' ', "_"))
        .collect();
    names.into_iter().collect::<Vec<_>>().join(" ")
}

fn steps(watched: &[Watched]) -> Vec<(String, WatchStep)> {
    watched.iter().map(|watched| (watched.table.to_string(), watched.step)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_write_to_a_watched_table_is_noted() {
    on_each_engine_migrated(async |db, engine| {
        execute(db.pool(), TABLES).await;
        let log = db.changes();
        let triggers = "SELECT count(*) FROM pg_trigger WHERE tgname = 'metricd_note_change'";
        let all = ["sales.orders", "sales.orders_2025", "sales.orders_2026", "sales.orders_june"];
        let each = |step| all.map(|table| (table.to_owned(), step)).to_vec();

        execute(db.pool(), "INSERT INTO sales.orders VALUES (1, '2025-06-01')").await;
        let unwatched = now(log.as_ref()).await;
        let mut first = steps(&watch(db, "sales.orders").await.unwrap());
        first.sort_by(|one, other| one.0.cmp(&other.0));
        assert_eq!(first, each(WatchStep::Done), "{engine:?}");
        let sink: BTreeSet<_> = since(log.as_ref(), &unwatched).await.iter().map(text_of).collect();
        assert_eq!(sink.len(), 4, "what came before is sink: {sink:?}");
        let again = watch(db, "sales.orders").await.unwrap();
        assert!(again.iter().all(|of| of.step == WatchStep::Unchanged), "{again:?}");
        assert_eq!(number(db.pool(), triggers).await, 4, "{engine:?}");

        for (statement, table) in [
            ("INSERT INTO sales.orders VALUES (2, '2025-06-02')", "sales.orders"),
            ("UPDATE sales.orders SET id = 3", "sales.orders"),
            ("DELETE FROM sales.orders_june", "sales.orders_june"),
            ("INSERT INTO sales.orders_2026 VALUES (2, '2026-06-02')", "sales.orders_2026"),
            ("TRUNCATE sales.orders_2026", "sales.orders_2026"),
            (
                "DO $$ BEGIN FOR n IN 1..5 LOOP \
                     INSERT INTO sales.orders VALUES (n, '2025-06-02'); END LOOP; END $$",
                "sales.orders",
            ),
        ] {
            let seen = now(log.as_ref()).await;
            execute(db.pool(), statement).await;
            assert_eq!(since(log.as_ref(), &seen).await, [any_rows_of(table)], "{statement}");
        }

        execute(db.pool(), "ALTER TABLE sales.orders_2026 DISABLE TRIGGER ALL").await;
        let mended = steps(&watch(db, "sales.orders_2026").await.unwrap());
        assert_eq!(mended, [("sales.orders_2026".to_owned(), WatchStep::Done)], "{engine:?}");

        let mut last = steps(&unwatch(db, "sales.orders").await.unwrap());
        last.sort_by(|one, other| one.0.cmp(&other.0));
        assert_eq!(last, each(WatchStep::Done), "{engine:?}");
        let again = unwatch(db, "sales.orders").await.unwrap();
        assert!(again.iter().all(|of| of.step == WatchStep::Unchanged), "{again:?}");
        let seen = now(log.as_ref()).await;
        execute(db.pool(), "TRUNCATE sales.orders").await;
        assert_eq!(since(log.as_ref(), &seen).await, [], "{engine:?}");

        // Undoing the migration leaves the tables of others as they can be written.
        watch(db, "places").await.unwrap();
        db.migrate_down(None).await.unwrap();
        assert_eq!(number(db.pool(), triggers).await, 0, "{engine:?}");
        execute(db.pool(), "INSERT INTO places VALUES (1)").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_watched_is_refused_with_the_reason() {
    on_each_engine_migrated(async |db, engine| {
        execute(db.pool(), TABLES).await;
        for (table, reason) in [
            ("june", "public.june is a view: watch the tables that its rows come from"),
            ("kept", "public.kept is a materialized view: watch the tables"),
            ("metrics", "POST /tables/public.metrics/changed"),
            ("missing", "the table public.missing does not exist"),
            ("metricd.queries", "metricd.queries is a system table"),
            ("pg_catalog.pg_class", "pg_catalog.pg_class is a system table"),
        ] {
            let error = watch(db, table).await.unwrap_err().to_string();
            assert!(error.contains(reason), "{error}, {engine:?}");
            let error = unwatch(db, table).await.unwrap_err().to_string();
            assert!(error.contains(reason), "{error}, {engine:?}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_distributed_table_is_announced_in_place_of_a_watch() {
    let (_server, db) = native().await;
    // As Citus 12 raises it. What else it refuses goes on as it is.
    execute(
        db.pool(),
        "CREATE TABLE orders (id int); CREATE TABLE broken (id int); \
         CREATE FUNCTION refuse_triggers() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF current_query() LIKE '%orders%' THEN \
                 RAISE 'triggers are not supported on distributed tables' USING ERRCODE = 'XX000'; \
             END IF; \
             RAISE 'cache lookup failed' USING ERRCODE = 'XX000'; \
         END $$; \
         CREATE EVENT TRIGGER citus ON ddl_command_start WHEN TAG IN ('CREATE TRIGGER') \
             EXECUTE FUNCTION refuse_triggers()",
    )
    .await;
    let error = watch(&db, "orders").await.unwrap_err();
    assert!(matches!(error, WatchError::Distributed { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        "public.orders is a distributed table, which can have no trigger; its writers announce their \
         changes by POST /tables/public.orders/changed"
    );
    let error = watch(&db, "broken").await.unwrap_err();
    assert!(matches!(error, WatchError::Store(_)), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_writer_waits_behind_a_watch_that_waits_for_a_table() {
    let (server, db) = native().await;
    execute(db.pool(), "CREATE TABLE orders (id int)").await;
    let mut job = session(&server).await;
    run(&mut job, "BEGIN; INSERT INTO orders VALUES (1)").await;
    let error = watch(&db, "orders").await.unwrap_err();
    assert!(matches!(error, WatchError::Busy { .. }), "{error:?}");
    run(&mut job, "COMMIT").await;
    watch(&db, "orders").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_may_write_a_table_notes_that_and_can_do_nothing_else_with_it() {
    let (server, db) = native().await;
    execute(
        db.pool(),
        "CREATE ROLE shop LOGIN; CREATE TABLE orders (id int); GRANT INSERT ON orders TO shop; \
         CREATE SCHEMA shop AUTHORIZATION shop; CREATE TABLE others (id int)",
    )
    .await;
    watch(&db, "orders").await.unwrap();
    let (log, mut shop) = (db.changes(), session_of(&server, "shop").await);

    // Things of our names, where the role finds them first.
    run(
        &mut shop,
        "SET search_path = shop, public; \
         CREATE TABLE shop.changes (kind text, table_schema text, table_name text); \
         CREATE TEMPORARY TABLE changes (xid xid8, kind text, table_schema text, table_name text); \
         CREATE FUNCTION shop.pg_notify(text, text) RETURNS void LANGUAGE plpgsql AS \
             $$ BEGIN CREATE ROLE taken SUPERUSER; END $$; \
         CREATE FUNCTION shop.pg_current_xact_id() RETURNS xid8 LANGUAGE plpgsql AS \
             $$ BEGIN CREATE ROLE taken SUPERUSER; RETURN '1'; END $$; \
         CREATE FUNCTION shop.hijacked(text, text) RETURNS boolean LANGUAGE plpgsql AS \
             $$ BEGIN CREATE ROLE taken SUPERUSER; RETURN true; END $$; \
         CREATE OPERATOR shop.= (LEFTARG = text, RIGHTARG = text, FUNCTION = shop.hijacked)",
    )
    .await;
    for isolation in ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"] {
        let seen = now(log.as_ref()).await;
        let write =
            format!("BEGIN ISOLATION LEVEL {isolation}; INSERT INTO orders VALUES (1); COMMIT");
        run(&mut shop, &write).await;
        assert_eq!(since(log.as_ref(), &seen).await, [any_rows_of("orders")], "{isolation}");
    }
    let taken = "SELECT count(*) FROM pg_roles WHERE rolname = 'taken'";
    assert_eq!(number(db.pool(), taken).await, 0);
    let caught = "SELECT (SELECT count(*) FROM shop.changes)";
    assert_eq!(number(db.pool(), caught).await, 0);

    for statement in [
        "SELECT metricd.note_change()",
        "INSERT INTO metricd.changes (kind) VALUES ('metric')",
        "SELECT FROM metricd.changes",
        "CREATE TABLE shop.mine (id int); CREATE TRIGGER mine AFTER INSERT ON shop.mine \
             FOR EACH STATEMENT EXECUTE FUNCTION metricd.note_change()",
    ] {
        assert_eq!(refused(&mut shop, statement).await, "42501", "{statement}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn serializable_writers_of_watched_tables_do_not_stand_in_each_others_way() {
    let (server, db) = native().await;
    execute(db.pool(), "CREATE TABLE a (id int); CREATE TABLE b (id int)").await;
    watch(&db, "a").await.unwrap();
    watch(&db, "b").await.unwrap();
    let (mut one, mut other) = (session(&server).await, session(&server).await);
    for session in [&mut one, &mut other] {
        run(session, "BEGIN ISOLATION LEVEL SERIALIZABLE").await;
    }
    run(&mut one, "INSERT INTO a VALUES (1)").await;
    run(&mut other, "INSERT INTO b VALUES (1)").await;
    run(&mut one, "INSERT INTO a VALUES (2)").await;
    run(&mut other, "INSERT INTO b VALUES (2)").await;
    run(&mut one, "COMMIT").await;
    run(&mut other, "COMMIT").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_another_role_are_watched_with_its_grants() {
    let server = NativeServer::start();
    let db = connect(Target::Url(server.url().into())).await;
    execute(db.pool(), "CREATE ROLE ours LOGIN CREATEROLE; CREATE ROLE shop LOGIN").await;
    execute(db.pool(), "CREATE DATABASE metricd OWNER ours").await;
    db.close().await;
    let db = connect(Target::Url(server.url_of("ours", "metricd").into())).await;
    let owner = connect(Target::Url(server.url_of("postgres", "metricd").into())).await;
    execute(
        owner.pool(),
        "GRANT ALL ON SCHEMA public TO ours; CREATE SCHEMA shop AUTHORIZATION shop; \
         CREATE TABLE shop.orders (id int); ALTER TABLE shop.orders OWNER TO shop",
    )
    .await;
    db.migrate().await.unwrap();
    let error = watch(&db, "shop.orders").await.unwrap_err();
    let WatchError::NotAllowed { remedy, .. } = error else { panic!("{error:?}") };
    execute(owner.pool(), &remedy).await;
    watch(&db, "shop.orders").await.unwrap();
    let log = db.changes();
    let seen = now(log.as_ref()).await;
    execute(owner.pool(), "INSERT INTO shop.orders VALUES (1)").await;
    assert_eq!(since(log.as_ref(), &seen).await, [any_rows_of("shop.orders")]);
    let error = unwatch(&db, "shop.orders").await.unwrap_err();
    let WatchError::NotAllowed { remedy, .. } = error else { panic!("{error:?}") };
    execute(owner.pool(), &remedy).await;
    assert_eq!(unwatch(&db, "shop.orders").await.unwrap()[0].step, WatchStep::Unchanged);
}

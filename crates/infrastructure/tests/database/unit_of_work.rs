use std::sync::Arc;

use metricd_application::ports::{CatalogCounts, Store, StoreError};
use metricd_core::{ids::RecordId, layout::LayoutItem, metric::Metric};
use metricd_infrastructure::db::Database;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::support::*;

async fn counts(db: &Database) -> CatalogCounts {
    db.uncached_store().begin().await.unwrap().counts().await.unwrap()
}

/// Writes through every repository, and commits nothing.
async fn write_everywhere(store: &dyn Store) -> Box<dyn metricd_application::ports::UnitOfWork> {
    let mut uow = store.begin().await.unwrap();
    uow.lock_catalog().await.unwrap();
    uow.insert_query(&query("q")).await.unwrap();
    uow.insert_metric(&metric(metric_id(1), "q")).await.unwrap();
    uow.insert_record(RecordId(Uuid::from_u128(1)), &record("q", 1)).await.unwrap();
    uow
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_makes_all_of_it_visible_and_anything_else_none_of_it() {
    on_each_engine_migrated(async |db, engine| {
        let store = db.uncached_store();

        drop(write_everywhere(store.as_ref()).await);
        assert_eq!(counts(db).await, CatalogCounts::default(), "dropped, {engine:?}");

        let mut uow = write_everywhere(store.as_ref()).await;
        let error = uow.insert_query(&query("q")).await.unwrap_err();
        assert!(matches!(error, StoreError::Duplicate { what: "query" }), "{error:?}");
        drop(uow);
        assert_eq!(counts(db).await, CatalogCounts::default(), "failed, {engine:?}");

        // The message of this panic in the test's output is expected.
        let panicking = {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let _uow = write_everywhere(store.as_ref()).await;
                panic!("in the middle of a unit of work");
            })
        };
        assert!(panicking.await.unwrap_err().is_panic());
        assert_eq!(counts(db).await, CatalogCounts::default(), "panicked, {engine:?}");

        let (written, is_written) = oneshot::channel();
        let waiting = {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let _uow = write_everywhere(store.as_ref()).await;
                written.send(()).unwrap();
                std::future::pending::<()>().await;
            })
        };
        is_written.await.unwrap();
        waiting.abort();
        assert!(waiting.await.unwrap_err().is_cancelled());
        assert_eq!(counts(db).await, CatalogCounts::default(), "aborted, {engine:?}");

        write_everywhere(store.as_ref()).await.commit(&event(), &[]).await.unwrap();
        let all = CatalogCounts { queries: 1, metrics: 1, has_records: true };
        assert_eq!(counts(db).await, all, "committed, {engine:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_of_work_dropped_at_any_moment_leaves_nothing_behind() {
    on_each_engine_migrated(async |db, engine| {
        let store = db.uncached_store();
        // Each round is aborted a little later than the one before, in the middle of a statement.
        for round in 0..60 {
            let task = {
                let store = Arc::clone(&store);
                tokio::spawn(async move {
                    let uow = write_everywhere(store.as_ref()).await;
                    drop(uow);
                })
            };
            for _ in 0..round {
                tokio::task::yield_now().await;
            }
            task.abort();
            let _ = task.await;
        }
        assert_eq!(counts(db).await, CatalogCounts::default(), "{engine:?}");
        drop(write_everywhere(store.as_ref()).await);

        for polls in 1..60 {
            dropped_after(polls, write_everywhere(store.as_ref())).await;
            assert_every_connection_is_clean(db, &format!("{engine:?}, poll {polls}")).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_stored_is_read_back_whole() {
    on_each_engine_migrated(async |db, _| {
        let store = db.uncached_store();
        let bare = Metric { layouts: Vec::new(), ..metric(metric_id(2), "q") };
        commit(store.as_ref(), async |uow| {
            uow.insert_query(&query("q")).await.unwrap();
            uow.insert_query(&query("unused")).await.unwrap();
            uow.insert_metric(&bare).await.unwrap();
            uow.insert_metric(&metric(metric_id(1), "q")).await.unwrap();
        })
        .await;

        let mut uow = store.begin().await.unwrap();
        assert_eq!(uow.lock_query(&query_id("q")).await.unwrap(), Some(query("q")));
        assert_eq!(uow.lock_query(&query_id("other")).await.unwrap(), None);
        assert_eq!(uow.lock_all_queries().await.unwrap(), [query("q"), query("unused")]);
        let both = [metric(metric_id(1), "q"), bare];
        assert_eq!(uow.lock_all_metrics().await.unwrap(), both);
        assert_eq!(uow.lock_metrics_of(&query_id("q")).await.unwrap(), both);
        assert_eq!(uow.lock_metric(metric_id(1)).await.unwrap(), Some(both[0].clone()));
        assert_eq!(uow.lock_metric(metric_id(3)).await.unwrap(), None);

        assert!(!uow.delete_unused_query(&query_id("q")).await.unwrap());
        assert!(uow.delete_unused_query(&query_id("unused")).await.unwrap());
        uow.delete_metric(metric_id(1)).await.unwrap();
        uow.delete_metric(metric_id(2)).await.unwrap();
        assert!(uow.delete_unused_query(&query_id("q")).await.unwrap());
        assert_eq!(uow.counts().await.unwrap(), CatalogCounts::default());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changing_a_metric_writes_its_layouts_only_when_they_differ() {
    on_each_engine_migrated(async |db, engine| {
        let store = db.uncached_store();
        let mut changed = metric(metric_id(1), "q");
        commit(store.as_ref(), async |uow| {
            uow.insert_query(&query("q")).await.unwrap();
            uow.insert_metric(&changed).await.unwrap();
        })
        .await;
        // The transaction that wrote each row.
        let writers =
            "SELECT string_agg(xmin::text, ' ' ORDER BY position) FROM metricd.layout_items";
        let before = texts(db.pool(), writers).await;

        changed.details.description = None;
        changed.layout_version = 8;
        commit(store.as_ref(), async |uow| uow.update_metric(&changed).await.unwrap()).await;
        assert_eq!(texts(db.pool(), writers).await, before, "{engine:?}");

        let moved: [Vec<LayoutItem>; 3] = [
            vec![tile("lg", 0, Some(true)), tile("lg", 4, None)],
            vec![tile("lg", 0, Some(true))],
            Vec::new(),
        ];
        for layouts in moved {
            changed.layouts = layouts;
            commit(store.as_ref(), async |uow| uow.update_metric(&changed).await.unwrap()).await;
            let stored = db.catalog().find(changed.id).await.unwrap().unwrap().metric;
            assert_eq!(stored, changed, "{engine:?}");
        }

        let newer = metricd_core::metric::Query { version: 4, ..query("q") };
        commit(store.as_ref(), async |uow| uow.update_query(&newer).await.unwrap()).await;
        let stored = db.catalog().find(changed.id).await.unwrap().unwrap();
        assert_eq!((stored.metric.query_version, stored.query), (4, newer));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_violated_key_is_reported_with_its_kind() {
    on_each_engine_migrated(async |db, _| {
        let store = db.uncached_store();
        commit(store.as_ref(), async |uow| {
            uow.insert_query(&query("q")).await.unwrap();
            uow.insert_metric(&metric(metric_id(1), "q")).await.unwrap();
            uow.insert_record(RecordId(Uuid::nil()), &record("q", 1)).await.unwrap();
        })
        .await;
        let begin = || async { store.begin().await.unwrap() };

        let error = begin().await.insert_metric(&metric(metric_id(1), "q")).await.unwrap_err();
        assert!(matches!(error, StoreError::Duplicate { what: "metric" }), "{error:?}");
        let error = begin().await.insert_metric(&metric(metric_id(2), "?")).await.unwrap_err();
        assert!(matches!(error, StoreError::Reference { what: "query" }), "{error:?}");
        let mut uow = begin().await;
        let error = uow.insert_record(RecordId(Uuid::nil()), &record("q", 2)).await.unwrap_err();
        assert!(matches!(error, StoreError::Duplicate { what: "record" }), "{error:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_read_is_named() {
    on_each_engine_migrated(async |db, _| {
        commit(db.uncached_store().as_ref(), async |uow| {
            uow.insert_query(&query("q")).await.unwrap();
            uow.insert_metric(&metric(metric_id(1), "q")).await.unwrap();
        })
        .await;
        let damage = [
            ("UPDATE metricd.metric_configurations SET chart = 'donut'", "metric"),
            (r#"UPDATE metricd.queries SET template = '{"format": 9}'"#, "query"),
        ];
        for (statement, named) in damage {
            execute(db.pool(), statement).await;
            let error = db.catalog().find(metric_id(1)).await.unwrap_err();
            let StoreError::Corrupt { what, .. } = error else { panic!("{error:?}") };
            assert_eq!(what, named);
            execute(db.pool(), "UPDATE metricd.metric_configurations SET chart = 'bar'").await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waited_for_a_metric_sees_it_as_the_other_left_it() {
    let server = NativeServer::start();
    let db = connect(metricd_infrastructure::db::Target::Url(server.url().into())).await;
    db.migrate().await.unwrap();
    let store = db.uncached_store();
    commit(store.as_ref(), async |uow| {
        uow.insert_query(&query("q")).await.unwrap();
        uow.insert_metric(&metric(metric_id(1), "q")).await.unwrap();
    })
    .await;

    let mut first = store.begin().await.unwrap();
    let mut changed = first.lock_metric(metric_id(1)).await.unwrap().unwrap();
    let waiting = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let mut second = store.begin().await.unwrap();
            second.lock_metric(metric_id(1)).await.unwrap().unwrap()
        })
    };
    let waiters = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    wait_for_number(db.pool(), waiters, 1).await;
    changed.layouts = vec![tile("sm", 1, Some(false))];
    changed.layout_version += 1;
    first.update_metric(&changed).await.unwrap();
    first.commit(&event(), &[]).await.unwrap();
    assert_eq!(waiting.await.unwrap(), changed);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_files_is_a_full_disk_where_the_engine_knows_no_other_code() {
    on_each_engine_migrated(async |db, engine| {
        execute(
            db.pool(),
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                 RAISE 'could not write' USING ERRCODE = NEW.id; END $$; \
             CREATE TRIGGER fail BEFORE INSERT ON metricd.queries FOR EACH ROW EXECUTE FUNCTION fail()",
        )
        .await;
        for (code, is_full) in [("53100", true), ("58030", engine == Engine::Embedded)] {
            let mut uow = db.uncached_store().begin().await.unwrap();
            let error = uow.insert_query(&query(code)).await.unwrap_err();
            assert_eq!(matches!(error, StoreError::DiskFull(_)), is_full, "{engine:?}: {error:?}");
        }
    })
    .await;
}

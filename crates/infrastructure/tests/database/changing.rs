//! Writers that meet: on a server, where there are more than one at a time.

use std::{path::Path, sync::mpsc};

use metricd_application::{
    catalog::{
        CatalogFiles, Findings, ImportOptions, Place, Progress, RecordSource, Report, import,
    },
    context::Context,
    metrics::{Patch, RollbackError, UpdateError, delete_metric, rollback_metric, update_metric},
    ports::StagedRecord,
};
use metricd_core::{
    actor::Actor,
    ids::MetricId,
    metric::{CompiledMetric, MetricName},
};
use metricd_infrastructure::{
    db::{Database, Target},
    loaders::{load_metrics, load_queries},
};
use tempfile::TempDir;
use tokio::{sync::oneshot, task::JoinHandle};
use uuid::Uuid;

use crate::support::*;

type Updated = JoinHandle<Result<CompiledMetric, UpdateError>>;

fn update(db: &Database, id: MetricId, patch: Patch) -> Updated {
    let context = context(db);
    tokio::spawn(async move { update_metric(&Actor::operator(), &context, id, patch, None).await })
}

fn new_sql(sql: String) -> Patch {
    Patch { query: Some(sql), ..Patch::default() }
}

/// Waits until so many sessions wait for a lock that another one holds.
async fn until_waiting<T>(db: &Database, sessions: i64, updates: &[&JoinHandle<T>]) {
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    wait_until(async || {
        assert!(updates.iter().all(|update| !update.is_finished()), "one did not wait");
        number(db.pool(), waiting).await >= sessions
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_a_shared_query_take_turns() {
    let server = NativeServer::start();
    let db = connect(Target::Url(server.url().into())).await;
    db.migrate().await.unwrap();
    commit(db.uncached_store().as_ref(), async |uow| {
        uow.insert_query(&query("q")).await.unwrap();
        uow.insert_metric(&metric(metric_id(1), "q")).await.unwrap();
        uow.insert_metric(&metric(metric_id(2), "q")).await.unwrap();
    })
    .await;

    for round in 0..30 {
        let both = [1, 2].map(|id| {
            update(&db, metric_id(id), new_sql(format!("SELECT {id} AS id, {round} AS round")))
        });
        for done in both {
            done.await.unwrap().unwrap();
        }
    }
    let found = db.catalog().find(metric_id(1)).await.unwrap().unwrap();
    assert_eq!(found.query.version, query("q").version + 60, "each text has its version");

    let (removed, changed) =
        (context(&db), update(&db, metric_id(2), new_sql("SELECT 1 AS x".into())));
    delete_metric(&Actor::operator(), &removed, metric_id(1), None).await.unwrap();
    changed.await.unwrap().unwrap();
    delete_metric(&Actor::operator(), &removed, metric_id(2), None).await.unwrap();
    assert_eq!(number(db.pool(), "SELECT count(*) FROM metricd.queries").await, 0);
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadlock_is_worth_another_attempt() {
    let server = NativeServer::start();
    let db = connect(Target::Url(server.url().into())).await;
    db.migrate().await.unwrap();
    let store = db.uncached_store();
    commit(store.as_ref(), async |uow| {
        uow.insert_query(&query("a")).await.unwrap();
        uow.insert_query(&query("b")).await.unwrap();
    })
    .await;
    let (mut first, mut second) = (store.begin().await.unwrap(), store.begin().await.unwrap());
    first.lock_query(&query_id("a")).await.unwrap();
    second.lock_query(&query_id("b")).await.unwrap();
    let (a, b) = (query_id("a"), query_id("b"));
    let crossing = futures::future::join(
        async {
            let locked = first.lock_query(&b).await;
            drop(first);
            locked
        },
        async {
            let locked = second.lock_query(&a).await;
            drop(second);
            locked
        },
    );
    let error = match crossing.await {
        (Err(error), Ok(_)) | (Ok(_), Err(error)) => error,
        both => panic!("{both:?}"),
    };
    let unavailable = matches!(error, metricd_application::ports::StoreError::Unavailable(_));
    assert!(unavailable, "{error:?}");
    db.close().await;
}

/// A file of records that lies still until it is told to end.
struct Still {
    reached: Option<oneshot::Sender<()>>,
    end: mpsc::Receiver<()>,
}

impl RecordSource for Still {
    fn next_batch(&mut self, _: &mut Findings) -> Option<Vec<StagedRecord>> {
        self.reached.take().unwrap().send(()).unwrap();
        self.end.recv().unwrap();
        None
    }

    fn progress(&self) -> Progress {
        Progress::default()
    }

    fn place(&self, _: u64, _: u64) -> Place {
        Place::default()
    }
}

fn files(dir: &Path, queries: &[(&str, &str)], metrics: &[(MetricId, &str)]) -> CatalogFiles {
    let rows = queries.iter().map(|(id, sql)| format!("{id},{sql}\n"));
    let csv: String = std::iter::once("id,query\n".to_owned()).chain(rows).collect();
    let items = metrics.iter().map(|(MetricId(id), query)| {
        format!(r#"{{"id": "{id}", "queryId": "{query}", "isEditable": true}}"#)
    });
    let json = format!(r#"{{"items": [{}]}}"#, items.collect::<Vec<_>>().join(","));
    std::fs::write(dir.join("queries.csv"), csv).unwrap();
    std::fs::write(dir.join("metrics.json"), json).unwrap();
    CatalogFiles {
        queries: Some(load_queries(&dir.join("queries.csv"))),
        metrics: Some(load_metrics(&dir.join("metrics.json"))),
        records: None,
    }
}

async fn load(context: &Context, files: CatalogFiles) -> Report {
    let options = ImportOptions::default();
    import(&Actor::operator(), context, files, options, &|_| ()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn changes_wait_for_an_import_and_come_after_it() {
    let server = NativeServer::start();
    let db = connect(Target::Url(server.url().into())).await;
    db.migrate().await.unwrap();
    let dir = TempDir::new().unwrap();
    let [one, two, three] = [1, 2, 3].map(|n| MetricId(Uuid::from_u128(n)));
    let queries = [("a", "SELECT 1 AS a"), ("b", "SELECT 1 AS b"), ("c", "SELECT 1 AS c")];
    let metrics = [(one, "a"), (two, "b"), (three, "b")];
    let report = load(&context(&db), files(dir.path(), &queries, &metrics)).await;
    assert!(report.written, "{:?}", report.findings);

    // The import changes the query of the first, leaves the second as it is, and gives the third
    // another query.
    let queries = [("a", "SELECT 2 AS a"), ("b", "SELECT 1 AS b"), ("c", "SELECT 1 AS c")];
    let metrics = [(one, "a"), (two, "b"), (three, "c")];
    let mut again = files(dir.path(), &queries, &metrics);
    let (reached, is_reached) = oneshot::channel();
    let (end, ended) = mpsc::channel();
    again.records = Some(Box::new(Still { reached: Some(reached), end: ended }));
    let importing = {
        let context = context(&db);
        tokio::spawn(async move { load(&context, again).await })
    };
    is_reached.await.unwrap();

    let name = MetricName::parse("By hand").unwrap();
    let updates = [
        update(&db, one, new_sql("SELECT 3 AS a".into())),
        update(&db, two, Patch { name: Some(name.clone()), ..Patch::default() }),
        update(&db, three, new_sql("SELECT 3 AS c".into())),
    ];
    until_waiting(&db, 3, &updates.each_ref()).await;
    end.send(()).unwrap();
    assert!(importing.await.unwrap().written);
    let [first, second, third] = updates;
    let first = first.await.unwrap().unwrap();
    assert_eq!((first.query.version, first.query.sql.as_str()), (3, "SELECT 3 AS a"));
    assert_eq!(second.await.unwrap().unwrap().metric.details.name, name);
    let third = third.await.unwrap().unwrap();
    assert_eq!((third.query.id.as_str(), third.query.version), ("c", 2));

    let stored = db.catalog().find(two).await.unwrap().unwrap();
    assert_eq!((stored.metric.details.name, stored.query.version), (name, 1));
    assert_eq!(db.catalog().find(three).await.unwrap().unwrap(), third);
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_back_is_not_taken_on_another_query() {
    let server = NativeServer::start();
    let db = connect(Target::Url(server.url().into())).await;
    db.migrate().await.unwrap();
    let id = metric_id(1);
    commit(db.uncached_store().as_ref(), async |uow| {
        uow.insert_query(&query("q")).await.unwrap();
        uow.insert_query(&query("other")).await.unwrap();
        uow.insert_metric(&metric(id, "q")).await.unwrap();
    })
    .await;
    let old = query("q").version;
    update(&db, id, new_sql("SELECT 2 AS b".into())).await.unwrap().unwrap();

    let mut import = db.pool().begin().await.unwrap();
    sqlx::query("SELECT 1 FROM metricd.queries WHERE id = 'q' FOR UPDATE")
        .execute(&mut *import)
        .await
        .unwrap();
    let context = context(&db);
    let way_back = tokio::spawn({
        let context = context.clone();
        async move { rollback_metric(&Actor::operator(), &context, id, old, None).await }
    });
    until_waiting(&db, 1, &[&way_back]).await;
    sqlx::query("UPDATE metricd.metric_configurations SET query_id = 'other'")
        .execute(&mut *import)
        .await
        .unwrap();
    import.commit().await.unwrap();

    let refused = way_back.await.unwrap().unwrap_err();
    assert!(matches!(refused, RollbackError::Update(UpdateError::Moved)), "{refused:?}");
    let stored = context.catalog.find(id).await.unwrap().unwrap();
    assert_eq!(stored.query, query("other"));
}

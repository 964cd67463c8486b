use std::collections::HashSet;

use metricd_application::ports::{
    DuplicateRecord, StagedRecord, StagingOutcome, Store, UnknownQuery,
};
use metricd_core::record::MetricRecord;
use metricd_infrastructure::db::Target;
use uuid::Uuid;

use crate::support::*;

/// The records as a file holds them, three lines each. The content key is made from all fields.
fn staged(first: u64, records: Vec<MetricRecord>) -> Vec<StagedRecord> {
    (first..)
        .zip(records)
        .map(|(index, record)| StagedRecord {
            index,
            line: index * 3 + 1,
            content_key: Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{record:?}").as_bytes()),
            record,
        })
        .collect()
}

async fn load(store: &dyn Store, batches: &[Vec<StagedRecord>]) -> StagingOutcome {
    load_told(store, batches, false).await
}

/// Loads, and tells beforehand whether no two of the records are equal.
async fn load_told(
    store: &dyn Store,
    batches: &[Vec<StagedRecord>],
    are_distinct: bool,
) -> StagingOutcome {
    let mut uow = store.begin().await.unwrap();
    for batch in batches {
        uow.stage_records(batch).await.unwrap();
    }
    let outcome = uow.merge_staged(are_distinct).await.unwrap();
    uow.commit(&event(), &[]).await.unwrap();
    outcome
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_records_are_all_stored_and_a_repeated_load_changes_nothing() {
    on_each_engine_migrated(async |db, engine| {
        let store = db.uncached_store();
        commit(store.as_ref(), async |uow| uow.insert_query(&query("q")).await.unwrap()).await;
        let records = vec![
            record("q", 1),
            record("q", 2),
            record("q", 1),
            record("stray", 1),
            record("stray", 1),
            record("q", 1),
        ];
        let file = staged(0, records);
        let batches = [file[..2].to_vec(), Vec::new(), file[2..].to_vec()];
        let duplicates = |index, equals| DuplicateRecord { index, line: index * 3 + 1, equals };
        let expected = StagingOutcome {
            created: 6,
            unchanged: 0,
            duplicates: 3,
            first_duplicates: vec![duplicates(2, 0), duplicates(4, 3), duplicates(5, 0)],
            unknown_queries: vec![UnknownQuery {
                query_id: query_id("stray"),
                records: 2,
                first_index: 3,
                first_line: 10,
            }],
        };
        assert_eq!(load(store.as_ref(), &batches).await, expected, "{engine:?}");

        let keys = "SELECT string_agg(metric_id::text, ' ' ORDER BY metric_id) FROM metrics";
        let made = texts(db.pool(), keys).await;
        let first = &file[0].content_key;
        for ordinal in ["0", "1", "2"] {
            let key = Uuid::new_v5(first, ordinal.as_bytes()).to_string();
            assert!(made[0].contains(&key), "{engine:?}: {ordinal}");
        }

        let again = StagingOutcome { created: 0, unchanged: 6, ..expected.clone() };
        assert_eq!(load(store.as_ref(), &batches).await, again, "{engine:?}");
        assert_eq!(texts(db.pool(), keys).await, made, "{engine:?}");

        // One more of the same, and a file in another order.
        let more = staged(0, vec![record("q", 1); 4]);
        let outcome = load(store.as_ref(), &[more]).await;
        assert_eq!((outcome.created, outcome.unchanged, outcome.duplicates), (1, 3, 3));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_are_known_to_differ_are_loaded_as_if_that_were_not_known() {
    on_each_engine_migrated(async |db, engine| {
        let store = db.uncached_store();
        commit(store.as_ref(), async |uow| uow.insert_query(&query("q")).await.unwrap()).await;
        let there = [staged(0, vec![record("q", 1), record("stray", 2)])];
        load(store.as_ref(), &there).await;

        let records = vec![record("q", 3), record("stray", 2), record("q", 4), record("q", 1)];
        let file = staged(10, records);
        let batches = [file[..1].to_vec(), file[1..].to_vec()];
        let expected = StagingOutcome {
            created: 2,
            unchanged: 2,
            duplicates: 0,
            first_duplicates: Vec::new(),
            unknown_queries: vec![UnknownQuery {
                query_id: query_id("stray"),
                records: 1,
                first_index: 11,
                first_line: 34,
            }],
        };
        assert_eq!(load_told(store.as_ref(), &batches, true).await, expected, "{engine:?}");

        // Their keys are those that a load without the knowledge finds again.
        let again = StagingOutcome { created: 0, unchanged: 4, ..expected };
        assert_eq!(load(store.as_ref(), &batches).await, again, "{engine:?}");
        assert_eq!(load_told(store.as_ref(), &batches, true).await, again, "{engine:?}");
        assert_eq!(number(db.pool(), "SELECT count(*) FROM metrics").await, 4, "{engine:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_stored_as_it_was_written() {
    on_each_engine_migrated(async |db, engine| {
        let mut extreme = record("q", i32::MIN);
        extreme.values.obsolescence_val = Some(f64::MAX);
        extreme.values.obsolescence = Some(5e-324);
        extreme.values.alert_category = Some("\u{1}\u{2028}\r\n\t'".into());
        let mut empty = record("q", 0);
        empty.values = metricd_core::record::RecordValues::default();
        empty.date = moment("0001-01-01T00:00:00");
        let store = db.uncached_store();
        load(store.as_ref(), &[staged(0, vec![record("q", 7), extreme.clone(), empty.clone()])])
            .await;

        let mut uow = store.begin().await.unwrap();
        for (number, record) in (1..).zip([&record("q", 7), &extreme, &empty]) {
            let id = metricd_core::ids::RecordId(Uuid::from_u128(number));
            uow.insert_record(id, record).await.unwrap();
        }
        uow.commit(&event(), &[]).await.unwrap();
        // Through the file and one by one, the same content three times over.
        let columns = "id, date, obsolescence_val, obsolescence, parts_flagged, alert_type, \
                       alert_category";
        let distinct = format!("SELECT count(*) FROM (SELECT DISTINCT {columns} FROM metrics) d");
        assert_eq!(number(db.pool(), "SELECT count(*) FROM metrics").await, 6, "{engine:?}");
        assert_eq!(number(db.pool(), &distinct).await, 3, "{engine:?}");
        let exact = "SELECT count(*) FROM metrics WHERE obsolescence = 5e-324 \
                     AND obsolescence_val = '1.7976931348623157e308'";
        assert_eq!(number(db.pool(), exact).await, 2, "{engine:?}");
        let micros = "SELECT count(*) FROM metrics WHERE date = '2025-06-02 03:04:05.678901'";
        assert_eq!(number(db.pool(), micros).await, 4, "{engine:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stage_is_empty_after_a_merge_and_gone_after_a_rollback() {
    on_each_engine_migrated(async |db, _| {
        let store = db.uncached_store();
        let mut uow = store.begin().await.unwrap();
        assert_eq!(uow.merge_staged(false).await.unwrap(), StagingOutcome::default());
        uow.stage_records(&staged(0, vec![record("q", 1)])).await.unwrap();
        assert_eq!(uow.merge_staged(false).await.unwrap().created, 1);
        uow.stage_records(&staged(0, vec![record("q", 2)])).await.unwrap();
        assert_eq!(uow.merge_staged(false).await.unwrap().created, 1);
        uow.stage_records(&staged(0, vec![record("q", 3)])).await.unwrap();
        drop(uow);
        let outcome = load(store.as_ref(), &[staged(0, vec![record("q", 4)])]).await;
        assert_eq!(outcome.created, 1);
        assert_eq!(number(db.pool(), "SELECT count(*) FROM metrics").await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_records_pass_in_batches_and_the_lists_stay_short() {
    let server = NativeServer::start();
    let db = connect(Target::Url(server.url().into())).await;
    db.migrate().await.unwrap();
    let store = db.uncached_store();

    let mut uow = store.begin().await.unwrap();
    for batch in 0..25_u64 {
        // Every record ten times over, and as many unknown queries as there are records.
        let records =
            (0..1_000).map(|i| record(&format!("q{}", batch * 100 + i / 10), 1)).collect();
        uow.stage_records(&staged(batch * 1_000, records)).await.unwrap();
    }
    let outcome = uow.merge_staged(false).await.unwrap();
    uow.commit(&event(), &[]).await.unwrap();
    assert_eq!((outcome.created, outcome.unchanged, outcome.duplicates), (25_000, 0, 22_500));
    let indexes: Vec<u64> =
        outcome.first_duplicates.iter().map(|duplicates| duplicates.index).collect();
    assert_eq!(indexes.len(), 200);
    assert_eq!(indexes[..10], [1, 2, 3, 4, 5, 6, 7, 8, 9, 11]);
    assert_eq!(outcome.unknown_queries.len(), 200);
    assert_eq!(outcome.unknown_queries[199].first_index, 1_990);
    let names: HashSet<_> = outcome.unknown_queries.iter().map(|query| &query.query_id).collect();
    assert_eq!(names.len(), 200);
}

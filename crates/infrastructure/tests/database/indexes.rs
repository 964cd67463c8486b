//! Each index is there for a query: with a million records, the query uses it.

use metricd_application::ports::MetricFilter;
use metricd_core::ids::MetricId;
use metricd_infrastructure::db::Target;
use sqlx::PgPool;

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn every_index_is_used_by_the_query_that_it_is_for() {
    let server = NativeServer::start();
    let db = connect(Target::Url(server.url())).await;
    db.migrate().await.unwrap();
    execute(
        db.pool(),
        r#"INSERT INTO metricd.queries
            SELECT 'q' || n, '', '{"format": 1}', '[]', 1, 'api' FROM generate_series(1, 20000) n;
        INSERT INTO metricd.metric_configurations
            SELECT md5(n::text)::uuid, 'q' || n, 'name', NULL, NULL, '{}', 'auto', NULL, true, 1, 'api'
            FROM generate_series(1, 20000) n;
        INSERT INTO metricd.layout_items
            SELECT id, position, 'lg', 0, 0, 1, 1, NULL
            FROM metricd.metric_configurations, generate_series(0, 1) position;
        INSERT INTO metrics
            SELECT md5(n::text)::uuid, 'q' || n % 100, timestamp '2020-01-01' + n * interval '3 minutes'
            FROM generate_series(1, 1000000) n;
        ANALYZE"#,
    )
    .await;

    let id = MetricId("8f14e45f-ceea-467f-9d16-7d2a8b3c4d5e".parse().unwrap());
    let (catalog, store) = (db.catalog(), db.store());
    let observer = connect(Target::Url(server.url())).await;
    let mut asked = Vec::new();
    let mut ask = async |indexes: &'static [&'static str], values: &[&str]| {
        asked.push((last_sent(observer.pool(), values).await, indexes));
    };
    let (id_text, query_text) = (format!("'{}'", id.0), "'q7'");
    catalog.find(id).await.unwrap();
    let by_keys = &["metric_configurations_pkey", "queries_pkey", "layout_items_pkey"];
    ask(by_keys, &[&id_text, "1"]).await;
    catalog.list(&MetricFilter { limit: 50, after: Some(id), text: None }).await.unwrap();
    ask(by_keys, &[&id_text, "50"]).await;
    let unknown = query_id("unknown");
    let mut work = store.begin().await.unwrap();
    work.lock_query(&unknown).await.unwrap();
    ask(&["queries_pkey"], &[query_text, "1"]).await;
    work.lock_metrics_of(&unknown).await.unwrap();
    ask(&["metric_configurations_query_id_idx", "layout_items_pkey"], &[query_text]).await;
    work.delete_unused_query(&unknown).await.unwrap();
    ask(&["queries_pkey", "metric_configurations_query_id_idx"], &[query_text]).await;
    drop(work);
    // What the authors of metrics ask, and how a record that is there already is found.
    asked.push((
        "SELECT date(date), sum(obsolescence) FROM metrics WHERE id = 'q7' \
         AND date >= '2025-06-01' AND date < '2025-07-01' GROUP BY 1"
            .into(),
        &["metrics_id_date_idx"],
    ));
    asked.push((
        "SELECT count(*) FROM metrics WHERE id = 'q7' AND date >= current_date - interval '30' day"
            .into(),
        &["metrics_id_date_idx"],
    ));
    asked.push((
        "SELECT FROM metrics WHERE id = 'q1' AND metric_id = md5('1')::uuid".into(),
        &["metrics_pkey"],
    ));
    for (query, indexes) in asked {
        let plan = texts(db.pool(), &format!("EXPLAIN {query}")).await.join("\n");
        for index in indexes {
            assert!(plan.contains(index), "{query}\n{plan}");
        }
        assert!(!plan.contains("Seq Scan"), "{query}\n{plan}");
    }
}

/// The statement that another session was sent last, with `values` in place of its parameters.
async fn last_sent(pool: &PgPool, values: &[&str]) -> String {
    let last = "SELECT query FROM pg_stat_activity \
                WHERE application_name = 'metricd' AND pid <> pg_backend_pid() \
                ORDER BY query_start DESC LIMIT 1";
    let sent = texts(pool, last).await.remove(0);
    let filled = values.iter().enumerate().rev().fold(sent, |sent, (at, value)| {
        let parameter = format!("${}", at + 1);
        assert!(sent.contains(&parameter), "{sent}");
        sent.replace(&parameter, value)
    });
    assert!(!filled.contains('$'), "{filled}");
    filled
}

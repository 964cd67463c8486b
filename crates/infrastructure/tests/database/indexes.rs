//! Each index is there for a query: with a million records, the query uses it.

use metricd_infrastructure::db::Target;

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

    // What SeaORM and the authors of metrics ask, against the index that answers it.
    let asked = [
        (
            "SELECT date(date), sum(obsolescence) FROM metrics WHERE id = 'q7' \
             AND date >= '2025-06-01' AND date < '2025-07-01' GROUP BY 1",
            "metrics_id_date_idx",
        ),
        (
            "SELECT count(*) FROM metrics WHERE id = 'q7' AND date >= current_date - interval '30' day",
            "metrics_id_date_idx",
        ),
        (
            "INSERT INTO metrics (metric_id, id, date) SELECT md5('1')::uuid, 'q1', now() \
             WHERE NOT EXISTS (SELECT FROM metrics WHERE id = 'q1' AND metric_id = md5('1')::uuid)",
            "metrics_pkey",
        ),
        (
            "SELECT * FROM metricd.metric_configurations m JOIN metricd.queries q ON q.id = m.query_id \
             WHERE m.id = md5('7')::uuid",
            "metric_configurations_pkey",
        ),
        (
            "SELECT * FROM metricd.metric_configurations m JOIN metricd.queries q ON q.id = m.query_id \
             WHERE m.id = md5('7')::uuid",
            "queries_pkey",
        ),
        (
            "SELECT * FROM metricd.metric_configurations WHERE id > md5('7')::uuid ORDER BY id LIMIT 50",
            "metric_configurations_pkey",
        ),
        (
            "SELECT * FROM metricd.metric_configurations WHERE query_id = 'q7' FOR UPDATE",
            "metric_configurations_query_id_idx",
        ),
        (
            "SELECT json_agg(row_to_json(l.*) ORDER BY l.position) FROM metricd.layout_items l \
             WHERE l.metric_id = md5('7')::uuid",
            "layout_items_pkey",
        ),
    ];
    for (query, index) in asked {
        let plan = texts(db.pool(), &format!("EXPLAIN {query}")).await.join("\n");
        assert!(plan.contains(index), "{query}\n{plan}");
        assert!(!plan.contains("Seq Scan"), "{query}\n{plan}");
    }
}

//! Each index is there for a query: with a million records, the query uses it.

use metricd_application::ports::{AuditFilter, MetricFilter};
use metricd_core::{actor::Action, audit::AuditOutcome, ids::MetricId};
use metricd_infrastructure::db::Target;
use sqlx::PgPool;

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
async fn every_index_is_used_by_the_query_that_it_is_for() {
    let server = NativeServer::start();
    let db = connect(Target::Url(server.url().into())).await;
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
            SELECT md5(n::text)::uuid, 'q' || n % 100, timestamp '2020-01-01' + n * interval '10 minutes'
            FROM generate_series(1, 300000) n;
        INSERT INTO metricd.audit_events
            (at, issuer, subject, action, object_kind, object_id, request_id, outcome)
            SELECT timestamptz '2020-01-01 00:00Z' + n * interval '10 minutes', 'issuer', 's' || n % 997,
                CASE n % 15000 WHEN 0 THEN 'unlock' ELSE 'record' END, 'metric',
                md5((n % 20000)::text)::uuid::text, 'r' || n,
                CASE n % 6000 WHEN 0 THEN 'denied' ELSE 'done' END
            FROM generate_series(1, 300000) n;
        ANALYZE"#,
    )
    .await;

    let id = MetricId("8f14e45f-ceea-467f-9d16-7d2a8b3c4d5e".parse().unwrap());
    let (catalog, store) = (db.catalog(), db.uncached_store());
    let observer = connect(Target::Url(server.url().into())).await;
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
    let audit = db.audit();
    let page = || AuditFilter { limit: 101, ..AuditFilter::default() };
    audit.page(&page()).await.unwrap();
    ask(&["audit_events_pkey"], &["101"]).await;
    audit.page(&AuditFilter { before: Some(7), ..page() }).await.unwrap();
    ask(&["audit_events_pkey"], &["7", "101"]).await;
    audit.page(&AuditFilter { subject: Some("s7".into()), ..page() }).await.unwrap();
    ask(&["audit_events_subject_sequence_idx"], &["'s7'", "101"]).await;
    audit.page(&AuditFilter { action: Some(Action::Unlock.into()), ..page() }).await.unwrap();
    ask(&["audit_events_action_sequence_idx"], &["'unlock'", "101"]).await;
    audit.page(&AuditFilter { object: Some(id.into()), ..page() }).await.unwrap();
    ask(&["audit_events_object_id_sequence_idx"], &["'metric'", &id_text, "101"]).await;
    audit.page(&AuditFilter { request_id: Some("r7".into()), ..page() }).await.unwrap();
    ask(&["audit_events_request_id_sequence_idx"], &["'r7'", "101"]).await;
    audit.page(&AuditFilter { outcome: Some(AuditOutcome::Denied), ..page() }).await.unwrap();
    ask(&["audit_events_outcome_sequence_idx"], &["'denied'", "101"]).await;
    let (since, until) = ("2025-06-01T00:00:00Z", "2025-06-01T01:00:00Z");
    let hour = [since, until].map(|instant| Some(instant.parse().unwrap()));
    audit.page(&AuditFilter { since: hour[0], until: hour[1], ..page() }).await.unwrap();
    let (since, until) = (format!("'{since}'"), format!("'{until}'"));
    ask(&["audit_events_at_idx"], &[&since, &until, "101"]).await;
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

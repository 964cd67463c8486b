//! The audit: written with what it tells of or not at all, read page by page, never changed.

use metricd_application::{
    audit::list_audit,
    metrics::{CreateMetric, Patch, QuerySource, create_metric, update_metric},
    ports::{AuditFilter, StoredEvent},
};
use metricd_core::{
    actor::{Action, Actor},
    audit::{AuditEvent, AuditOutcome, AuditedAction, AuditedObject},
};
use metricd_infrastructure::db::Database;

use crate::support::*;

async fn events(db: &Database, filter: AuditFilter) -> Vec<StoredEvent> {
    let filter = AuditFilter { limit: 100, ..filter };
    list_audit(&Actor::operator(), &context(db), filter).await.unwrap().items
}

#[tokio::test(flavor = "multi_thread")]
async fn every_write_leaves_one_event_and_nothing_undone_leaves_any() {
    on_each_engine_migrated(async |db, engine| {
        let context = context(db);
        let actor = Actor::operator();
        let command = CreateMetric::new(QuerySource::Sql("SELECT 1 AS one".into()));
        let id = create_metric(&actor, &context, command.clone(), None)
            .await
            .unwrap()
            .executed()
            .unwrap()
            .id;
        let patch = Patch { query: Some("SELECT 2 AS two".into()), ..Patch::default() };
        update_metric(&actor, &context, id, patch, None).await.unwrap();
        let bad = CreateMetric { source: QuerySource::Sql("SELECT nope".into()), ..command };
        create_metric(&actor, &context, bad, None).await.unwrap_err();
        drop(db.uncached_store().begin().await.unwrap());

        let seen: Vec<_> = events(db, AuditFilter::default())
            .await
            .into_iter()
            .map(|stored| (stored.event.action.as_str(), stored.event.object, stored.event.version))
            .collect();
        let metric = AuditedObject::Metric(id);
        let expected = [("edit", metric.clone(), Some(2)), ("create", metric, Some(1))];
        assert_eq!(seen, expected, "{engine:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_hold_matching_events_latest_first() {
    on_each_engine_migrated(async |db, engine| {
        for number in 0..25_u128 {
            let object = match number % 5 {
                0 => AuditedObject::Catalog,
                1 => AuditedObject::Table("public.orders".into()),
                _ => AuditedObject::Metric(metric_id(number)),
            };
            let at = moment("2025-08-02T12:00:00").and_utc();
            let action = if number % 2 == 0 { Action::Edit } else { Action::Delete };
            let event = match number % 3 {
                0 => AuditEvent::denied(&Actor::operator(), at, action.into(), object),
                _ => AuditEvent::done(&Actor::operator(), at, action, object, Some(3)),
            };
            db.uncached_store().begin().await.unwrap().commit(&event, &[]).await.unwrap();
        }
        let context = context(db);
        let mut seen = Vec::new();
        let mut before = None;
        loop {
            let filter = AuditFilter { limit: 10, before, ..AuditFilter::default() };
            let page = list_audit(&Actor::operator(), &context, filter).await.unwrap();
            seen.extend(page.items.iter().map(|stored| stored.sequence));
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        assert_eq!(seen, (1..=25).rev().collect::<Vec<_>>(), "{engine:?}");

        let count = async |filter| events(db, filter).await.len();
        let all = AuditFilter::default;
        let edits = AuditFilter { action: Some(AuditedAction::Requested(Action::Edit)), ..all() };
        assert_eq!(count(edits).await, 13);
        let denied = AuditFilter { outcome: Some(AuditOutcome::Denied), ..all() };
        assert_eq!(count(denied).await, 9);
        let orders = AuditedObject::Table("public.orders".into());
        assert_eq!(count(AuditFilter { object: Some(orders), ..all() }).await, 5);
        let metric = AuditedObject::Metric(metric_id(7));
        assert_eq!(count(AuditFilter { object: Some(metric), ..all() }).await, 1);
        assert_eq!(count(AuditFilter { subject: Some("operator".into()), ..all() }).await, 25);
        assert_eq!(count(AuditFilter { subject: Some("ann".into()), ..all() }).await, 0);
        assert_eq!(count(AuditFilter { request_id: Some("x".into()), ..all() }).await, 0);
        let noon = moment("2025-08-02T12:00:00").and_utc();
        assert_eq!(count(AuditFilter { since: Some(noon), ..all() }).await, 25);
        assert_eq!(count(AuditFilter { until: Some(noon), ..all() }).await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_the_audit_stays() {
    on_each_engine_migrated(async |db, engine| {
        db.uncached_store().begin().await.unwrap().commit(&event(), &[]).await.unwrap();
        for change in [
            "UPDATE metricd.audit_events SET subject = 'nobody'",
            "DELETE FROM metricd.audit_events",
            "TRUNCATE metricd.audit_events",
        ] {
            let refusal = sqlx::raw_sql(change).execute(db.pool()).await.unwrap_err().to_string();
            assert!(refusal.contains("the audit is append-only"), "{engine:?}: {refusal}");
        }
        assert_eq!(number(db.pool(), "SELECT count(*) FROM metricd.audit_events").await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_is_written_whether_its_caller_waits_or_not() {
    on_each_engine_migrated(async |db, engine| {
        let denied = || {
            let at = moment("2025-08-02T12:00:00").and_utc();
            let action = AuditedAction::Requested(Action::Delete);
            AuditEvent::denied(&Actor::operator(), at, action, AuditedObject::Catalog)
        };
        let audit = db.audit();
        audit.record_denial(denied()).await;
        for _ in 0..20 {
            dropped_after(1, audit.record_denial(denied())).await;
        }
        // Another transaction holds the database, on the embedded engine all of it.
        let work = db.uncached_store().begin().await.unwrap();
        dropped_after(1, audit.record_denial(denied())).await;
        drop(work);
        while number(db.pool(), "SELECT count(*) FROM metricd.audit_events").await < 22 {
            tokio::task::yield_now().await;
        }
        assert_eq!(events(db, AuditFilter::default()).await.len(), 22, "{engine:?}");
    })
    .await;
}

//! Domain values to store.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use chrono::{NaiveDate, NaiveDateTime};
use metricd_application::{
    admission::Admission,
    context::{Adapters, Approval, Context, ContextSettings, Zones},
    freshness::AnswerCacheSettings,
    metrics::{CreateMetric, Created, QuerySource, create_metric},
    ports::{
        AnswerDraft, AnswerHead, AnswerWriter, NoCaches, Policies, QueryRunner, RenderedAnswer,
        Store, UnitOfWork,
    },
};
use metricd_core::{
    actor::{Action, Actor, Identity, Object},
    audit::{AuditEvent, AuditedObject},
    claim::ClaimName,
    ids::{MetricId, QueryId},
    layout::{Breakpoint, LayoutItem},
    metric::{
        CacheTtl, Chart, Column, CompiledMetric, Display, Metric, MetricDetails, MetricName,
        MetricOrigin, Query, Review, Tag,
    },
    record::{MetricRecord, RecordValues},
    sql::{NoteSeverity, Parameter, ParameterSource, ParameterType, SlotNote, TableName, Template},
    window::{DateDefault, Slots},
};
use metricd_infrastructure::{
    db::Database,
    system::{FixedClock, RandomIds},
};
use uuid::Uuid;

pub(crate) fn query_id(text: &str) -> QueryId {
    QueryId::parse(text).unwrap()
}

pub(crate) fn metric_id(number: u128) -> MetricId {
    MetricId(Uuid::from_u128(number))
}

pub(crate) fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub(crate) fn moment(text: &str) -> NaiveDateTime {
    text.parse().unwrap()
}

/// A template without parameters.
pub(crate) fn template(sql: &str) -> Template {
    Template {
        sql: sql.into(),
        parameters: Vec::new(),
        slots: Slots::default(),
        claims: BTreeSet::new(),
        tables: [TableName { schema: None, name: "metrics".into() }].into(),
        notes: Vec::new(),
    }
}

/// A query with something in every field.
pub(crate) fn query(id: &str) -> Query {
    Query {
        id: query_id(id),
        sql: "-- Ünï\nSELECT date FROM metrics WHERE date >= '2025-06-01'".into(),
        template: Template {
            parameters: vec![
                Parameter { source: ParameterSource::StartDate, ty: ParameterType::Timestamp },
                Parameter {
                    source: ParameterSource::Claim(ClaimName::parse("tenant_id").unwrap()),
                    ty: ParameterType::Text,
                },
            ],
            slots: Slots {
                start_date: Some(DateDefault::Fixed(day("2025-06-01"))),
                end_date: Some(DateDefault::FromToday),
                day_range: Some(30),
                timezone: true,
                clock: true,
                session_zone: metricd_core::window::SessionZone::Any,
            },
            claims: [ClaimName::parse("tenant_id").unwrap()].into(),
            notes: vec![SlotNote {
                line: 2,
                column: 40,
                is_slot: true,
                severity: NoteSeverity::Info,
                of_records: false,
                message: "start_date".into(),
            }],
            ..template("SELECT date FROM metrics WHERE date >= $1 AND alert_type = $2")
        },
        columns: vec![Column { name: "date".into(), ty: "timestamp".into() }],
        version: 3,
        review: Review::NotNeeded,
        origin: MetricOrigin::Import,
    }
}

/// A metric with something in every field and two tiles, of a query of version 3.
pub(crate) fn metric(id: MetricId, query: &str) -> Metric {
    Metric {
        id,
        query_id: query_id(query),
        details: MetricDetails {
            name: MetricName::parse("Cost avoided").unwrap(),
            description: Some("100% of it, c:\\temp_".into()),
            owner: Some("finance".into()),
            tags: vec![Tag::parse("Köln").unwrap(), Tag::parse("cost").unwrap()],
            display: Display { chart: Chart::Bar, unit: Some("€".into()) },
            cache_ttl: Some(CacheTtl::from_seconds(90).unwrap()),
        },
        is_editable: true,
        layouts: vec![tile("lg", 4, None), tile("lg", 0, Some(true))],
        layout_version: 7,
        query_version: 3,
        review: Review::NotNeeded,
        origin: MetricOrigin::Api,
    }
}

pub(crate) fn tile(breakpoint: &str, x: i32, is_static: Option<bool>) -> LayoutItem {
    LayoutItem {
        breakpoint: Breakpoint::parse(breakpoint).unwrap(),
        x,
        y: 9_999_999,
        w: 4,
        h: 2,
        is_static,
    }
}

pub(crate) fn record(query: &str, parts_flagged: i32) -> MetricRecord {
    MetricRecord {
        query_id: query_id(query),
        date: moment("2025-06-02T03:04:05.678901"),
        values: RecordValues {
            obsolescence_val: Some(0.1),
            obsolescence: None,
            parts_flagged: Some(parts_flagged),
            alert_type: Some("\"high\" \\ 🚨".into()),
            alert_category: None,
        },
    }
}

/// Policies that permit everything.
struct Everything;

impl Policies for Everything {
    fn permits(&self, _: &Arc<Identity>, _: Action, _: &Object<'_>) -> bool {
        true
    }

    fn might_permit(&self, _: &Arc<Identity>, _: Action) -> bool {
        true
    }
}

/// A word to commit by, for tests that are not about the audit.
pub(crate) fn event() -> AuditEvent {
    let at = moment("2025-08-02T12:00:00").and_utc();
    AuditEvent::done(&Actor::operator(), at, Action::Import, AuditedObject::Catalog, None)
}

/// What the use cases work with, on a day of the tests' own. Nothing is kept.
pub(crate) fn context(db: &Database) -> Context {
    context_admitting(db, Admission::new(Arc::default(), f64::INFINITY, 0.0))
}

/// The same, with statements admitted by `admission`.
pub(crate) fn context_admitting(db: &Database, admission: Admission) -> Context {
    let settings =
        AnswerCacheSettings { ttl: Duration::ZERO, max_stale: Duration::ZERO, max_bytes: 0 };
    context_caching(db, settings, db.runner(), admission)
}

/// The same, with answers that `runner` reads and that are cached as `answers` says.
pub(crate) fn context_caching(
    db: &Database,
    answers: AnswerCacheSettings,
    runner: Arc<dyn QueryRunner>,
    admission: Admission,
) -> Context {
    let adapters = Adapters {
        catalog: db.catalog(),
        changes: db.changes(),
        is_shared: db.is_shared(),
        store: Box::new(|sink| db.store(sink)),
        policies: Arc::new(Everything),
        audit: db.audit(),
        runner,
        schema: db.schema(),
        generators: Arc::new([]),
        writer: Arc::new(RowsAlone),
        clock: Arc::new(FixedClock(moment("2025-08-02T12:00:00").and_utc())),
        ids: Arc::new(RandomIds),
    };
    let settings = ContextSettings {
        admission,
        answers,
        max_definition_bytes: 1 << 20,
        generation_time: Duration::from_mins(5),
        approval: Approval::NotNeeded,
        claims: Arc::default(),
        max_rows: 1_000,
        zones: Zones::default(),
    };
    Context::new(adapters, settings)
}

/// Makes a metric of `sql`.
pub(crate) async fn made(context: &Context, sql: &str) -> MetricId {
    created(context, sql).await.id
}

/// Makes a metric of `sql`, and returns what its author is told.
pub(crate) async fn created(context: &Context, sql: &str) -> Created {
    let command = CreateMetric::new(QuerySource::Sql(sql.into()));
    create_metric(&Actor::operator(), context, command, None).await.unwrap().executed().unwrap()
}

/// Writes an answer's rows and nothing else.
struct RowsAlone;

impl AnswerWriter for RowsAlone {
    fn write_head(&self, _: &CompiledMetric, _: &[Column]) -> AnswerHead {
        AnswerHead { text: Box::default(), revision: "".into(), digest: [0; 32] }
    }

    fn write(&self, answer: AnswerDraft<'_>) -> RenderedAnswer {
        let body = Bytes::copy_from_slice(answer.rows);
        RenderedAnswer { rows: 0..body.len(), body, tag: "".into() }
    }

    fn encodings(&self) -> usize {
        0
    }
}

/// What most tests write through.
pub(crate) trait UncachedStore {
    /// Writes that no cache is told of.
    fn uncached_store(&self) -> Arc<dyn Store>;
}

impl UncachedStore for Database {
    fn uncached_store(&self) -> Arc<dyn Store> {
        self.store(Arc::new(NoCaches))
    }
}

/// Does `work` in a unit of work and commits it.
pub(crate) async fn commit(store: &dyn Store, work: impl AsyncFnOnce(&mut dyn UnitOfWork)) {
    let mut uow = store.begin().await.unwrap();
    work(uow.as_mut()).await;
    uow.commit(&event(), &[]).await.unwrap();
}

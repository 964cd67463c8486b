//! A catalog and a log of changes in memory, for tests.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use metricd_core::{
    changes::{DefinedName, Snapshot},
    ids::{MetricId, QueryId},
    metric::{Column, CompiledMetric, Metric, MetricDetails, MetricName, Query, QueryVersion},
    sql::{
        BoundValue, Callable, Draft, FieldName, ForeignOperator, Gate, OperatorUse, TableName,
        Template,
    },
};
use uuid::Uuid;

use super::{ChangeFeed, DefinitionCache};
use crate::{
    admission::Admission,
    ports::{
        Catalog, ChangeBatch, ChangeLog, Description, MetricFilter, QueryRunner, ResolvedTable,
        RowStream, Rows, RunError, SessionNeeds, StoreError, TemplateDescription,
    },
};

/// The metric whose query the gate no longer allows.
pub(super) const REFUSED: u128 = 13;

/// Has a metric of `orders` for each id below a thousand, with SQL of 10,000 bytes, and counts how often
/// it is read.
#[derive(Default)]
pub(super) struct Shelf(AtomicU32);

impl Shelf {
    pub(super) fn asked(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Catalog for Shelf {
    async fn find(&self, id: MetricId) -> Result<Option<CompiledMetric>, StoreError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok((id.0.as_u128() < 1_000).then(|| compiled(id)))
    }

    async fn list(&self, _: &MetricFilter) -> Result<Vec<Metric>, StoreError> {
        unreachable!("nothing is listed")
    }

    async fn versions(
        &self,
        _: &QueryId,
        _: u32,
        _: Option<i64>,
    ) -> Result<Vec<QueryVersion>, StoreError> {
        unreachable!("nothing has a past")
    }

    async fn is_reachable(&self) -> bool {
        true
    }
}

fn compiled(id: MetricId) -> CompiledMetric {
    let query_id = QueryId::parse("q").unwrap();
    let draft = Draft::parse("SELECT count(*) AS n FROM orders", &Gate::default()).unwrap();
    let details = MetricDetails::named(MetricName::parse("Orders").unwrap());
    let metric = Metric::new(id, query_id.clone(), details);
    let mut template = draft.assume().unwrap();
    if id.0.as_u128() == REFUSED {
        template.sql = "SELECT pg_sleep(1) AS n".into();
    }
    let query = Query::new(query_id, "x".repeat(10_000), template);
    CompiledMetric { metric, query }
}

/// A log without other writers, in which every table is a plain table.
struct Alone;

#[async_trait]
impl ChangeLog for Alone {
    async fn since(&self, _: Option<&Snapshot>) -> Result<ChangeBatch, StoreError> {
        unreachable!("there are no others")
    }

    async fn hint(&self) {
        std::future::pending::<()>().await;
    }

    async fn prune(&self, _: Duration) -> Result<u64, StoreError> {
        unreachable!("nothing is noted")
    }

    async fn definitions(
        &self,
        _: &[DefinedName],
    ) -> Result<BTreeMap<DefinedName, String>, StoreError> {
        unreachable!("there are no others")
    }

    async fn resolve(&self, tables: &[TableName]) -> Result<Vec<ResolvedTable>, StoreError> {
        let itself = |table: &TableName| ResolvedTable {
            tables: [table.clone().qualified()].into(),
            is_whole: true,
        };
        Ok(tables.iter().map(itself).collect())
    }
}

/// Describes every template as one without columns, and counts how often it does.
#[derive(Clone, Default)]
pub(super) struct Describer {
    asked: Arc<AtomicU32>,
    /// How often a table is redefined meanwhile from now on.
    pub(super) redefinitions: Arc<AtomicU32>,
}

impl Describer {
    pub(super) fn asked(&self) -> u32 {
        self.asked.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl QueryRunner for Describer {
    async fn describe(&self, _: &str) -> Result<Description, RunError> {
        unreachable!("nothing is compiled")
    }

    async fn describe_template(&self, _: &Template) -> Result<TemplateDescription, RunError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
        let left = self.redefinitions.load(Ordering::Relaxed);
        self.redefinitions.store(left.saturating_sub(1), Ordering::Relaxed);
        if left > 0 {
            return Err(RunError::Redefined);
        }
        let columns = vec![Column { name: "n".into(), ty: "int4".into() }];
        Ok(TemplateDescription { columns, ..TemplateDescription::default() })
    }

    async fn unreadable(&self, _: &[TableName]) -> Result<Vec<TableName>, RunError> {
        unreachable!("nothing is admitted")
    }

    async fn callable(&self, fields: &[FieldName]) -> Result<Vec<Vec<Callable>>, RunError> {
        Ok(vec![Vec::new(); fields.len()])
    }

    async fn cost(&self, _: &Template, _: &[BoundValue]) -> Result<f64, RunError> {
        unreachable!("nothing is new")
    }

    async fn run(&self, _: &Template, _: &[BoundValue], _: u32) -> Result<Rows, RunError> {
        unreachable!("nothing is run")
    }

    async fn stream(&self, _: &Template, _: &[BoundValue]) -> Result<RowStream, RunError> {
        unreachable!("nothing is run")
    }

    async fn foreign_operators(
        &self,
        _: &[OperatorUse],
        _: &[TableName],
        _: &[String],
    ) -> Result<Vec<ForeignOperator>, RunError> {
        Ok(Vec::new())
    }

    async fn session(&self, _: SessionNeeds) -> Result<Box<dyn QueryRunner>, RunError> {
        Ok(Box::new(self.clone()))
    }
}

pub(super) fn change_feed() -> Arc<ChangeFeed> {
    Arc::new(ChangeFeed::new(Arc::new(Alone), false))
}

pub(super) fn definitions(shelf: &Arc<Shelf>, max_bytes: u64) -> DefinitionCache {
    described_by(shelf, &Arc::default(), &change_feed(), max_bytes)
}

pub(super) fn described_by(
    shelf: &Arc<Shelf>,
    describer: &Arc<Describer>,
    change_feed: &Arc<ChangeFeed>,
    max_bytes: u64,
) -> DefinitionCache {
    let (catalog, runner) = (Arc::clone(shelf) as _, Arc::clone(describer) as _);
    let admission = Admission::new(Arc::default(), f64::INFINITY, 0.0);
    DefinitionCache::new(catalog, runner, admission, Arc::clone(change_feed), max_bytes)
}

pub(super) fn id(number: u128) -> MetricId {
    MetricId(Uuid::from_u128(number))
}

//! What the loaders hand over: values that are well-formed one by one, each with its place in its
//! file. Whether they fit together is decided in [`reconcile`](super::reconcile).

use std::collections::BTreeSet;

use metricd_core::{
    ids::{MetricId, QueryId},
    layout::LayoutItem,
    metric::{CacheTtl, Chart, MetricName, Tag},
};

use super::{
    records::RecordSource,
    report::{Findings, Place},
};

/// The files of one load; each may be left out.
#[derive(Default)]
pub struct CatalogFiles {
    /// The queries.
    pub queries: Option<LoadedQueries>,
    /// The metrics and their layouts.
    pub metrics: Option<LoadedMetrics>,
    /// The records, read while they are stored.
    pub records: Option<Box<dyn RecordSource>>,
}

/// A file of queries.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LoadedQueries {
    /// The file, as its name was given.
    pub file: String,
    /// The queries that could be read, in file order.
    pub rows: Vec<LoadedQuery>,
    /// The queries that could not.
    pub left_out: LeftOut<QueryId>,
    /// What was found while reading.
    pub findings: Findings,
}

/// A query, as its file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedQuery {
    /// Its identity.
    pub id: QueryId,
    /// The author's text, verbatim.
    pub sql: String,
    /// The line on which its row begins.
    pub place: Place,
    /// The line of the file on which the text begins, from 1.
    pub sql_line: u64,
}

/// A file of metrics and layouts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LoadedMetrics {
    /// The file, as its name was given.
    pub file: String,
    /// The metrics that could be read, in file order.
    pub items: Vec<LoadedMetric>,
    /// The layout items that could be read, in file order.
    pub layouts: Vec<LoadedLayout>,
    /// The metrics that could not be read.
    pub left_out: LeftOut<MetricId>,
    /// What was found while reading.
    pub findings: Findings,
}

/// A metric, as its file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedMetric {
    /// Its identity, which another item may claim as well.
    pub id: MetricId,
    /// Where the id stands.
    pub id_place: Place,
    /// Where the query's id stands.
    pub query_place: Place,
    /// Everything else.
    pub content: MetricContent,
}

/// What a file says of a metric besides its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricContent {
    /// The query that answers it.
    pub query_id: QueryId,
    /// Whether it may be changed.
    pub is_editable: bool,
    /// What people call it and how it is shown.
    pub details: GivenDetails,
}

/// The details that a file gives. What it does not give stays as it is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GivenDetails {
    /// A short name.
    pub name: Option<MetricName>,
    /// A longer explanation.
    pub description: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Words to find it by.
    pub tags: Option<Vec<Tag>>,
    /// The kind of chart.
    pub chart: Option<Chart>,
    /// The unit shown beside numbers.
    pub unit: Option<String>,
    /// How long its answers are used again.
    pub cache_ttl: Option<CacheTtl>,
}

/// A layout item, as its file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedLayout {
    /// The metric that it belongs to, by its word.
    pub metric_id: MetricId,
    /// Where it stands in the file.
    pub place: Place,
    /// The place on the grid.
    pub item: LayoutItem,
}

/// Things that a file holds and that were rejected while it was read. They keep one fault from being
/// reported again as the faults of others: a rejected query is not also missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut<Id> {
    /// Those whose id could be read.
    pub ids: BTreeSet<Id>,
    /// Whether there are, or may be, others.
    pub unnamed: bool,
}

impl<Id> Default for LeftOut<Id> {
    fn default() -> Self {
        Self { ids: BTreeSet::new(), unnamed: false }
    }
}

impl<Id: Ord> LeftOut<Id> {
    /// Takes note of one; without an id when it could not be read.
    pub fn add(&mut self, id: Option<Id>) {
        match id {
            Some(id) => {
                self.ids.insert(id);
            }
            None => self.unnamed = true,
        }
    }

    /// Whether `id` may be among them.
    #[must_use]
    pub fn may_hold(&self, id: &Id) -> bool {
        self.unnamed || self.ids.contains(id)
    }

    /// Whether nothing was left out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.unnamed && self.ids.is_empty()
    }
}

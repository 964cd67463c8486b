//! The output of the loaders: values that are well-formed one by one, each with its place in its
//! file. References between them are checked in [`reconcile`](super::reconcile).

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

/// The files of one import; each is optional.
#[derive(Default)]
pub struct CatalogFiles {
    /// The queries.
    pub queries: Option<LoadedQueries>,
    /// The metrics and their layouts.
    pub metrics: Option<LoadedMetrics>,
    /// The records, read as they are stored.
    pub records: Option<Box<dyn RecordSource>>,
}

/// A file of queries.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LoadedQueries {
    /// The file's name, as given.
    pub file: String,
    /// The valid queries, in file order.
    pub rows: Vec<LoadedQuery>,
    /// The rejected queries.
    pub left_out: LeftOut<QueryId>,
    /// The findings of reading.
    pub findings: Findings,
}

/// A query from a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedQuery {
    /// Its identity.
    pub id: QueryId,
    /// The author's SQL, verbatim.
    pub sql: String,
    /// The line on which its row begins.
    pub place: Place,
    /// The line of the file on which the text begins, from 1.
    pub sql_line: u64,
}

/// A file of metrics and layouts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LoadedMetrics {
    /// The file's name, as given.
    pub file: String,
    /// The valid metrics, in file order.
    pub items: Vec<LoadedMetric>,
    /// The valid layout items, in file order.
    pub layouts: Vec<LoadedLayout>,
    /// The rejected metrics.
    pub left_out: LeftOut<MetricId>,
    /// The findings of reading.
    pub findings: Findings,
}

/// A metric from a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedMetric {
    /// Its id, which another item may have as well.
    pub id: MetricId,
    /// The place of the id.
    pub id_place: Place,
    /// The place of the query's id.
    pub query_place: Place,
    /// Everything but the id.
    pub content: MetricContent,
}

/// The content of a metric in a file, without its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricContent {
    /// The query that answers it.
    pub query_id: QueryId,
    /// Whether it may be changed.
    pub is_editable: bool,
    /// Its name and display.
    pub details: GivenDetails,
}

/// The details in a file. An absent one keeps its stored value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GivenDetails {
    /// A short name.
    pub name: Option<MetricName>,
    /// A longer explanation.
    pub description: Option<String>,
    /// Its owner.
    pub owner: Option<String>,
    /// Its tags.
    pub tags: Option<Vec<Tag>>,
    /// The kind of chart.
    pub chart: Option<Chart>,
    /// The unit shown beside numbers.
    pub unit: Option<String>,
    /// The time to live of its cached answers.
    pub cache_ttl: Option<CacheTtl>,
}

/// A layout item from a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedLayout {
    /// The id of the metric that it names.
    pub metric_id: MetricId,
    /// Its place in the file.
    pub place: Place,
    /// Its position on the grid.
    pub item: LayoutItem,
}

/// The ids of items that were rejected while a file was read. With them one fault is not reported again
/// as a consequence: a rejected query is not also missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut<Id> {
    /// The ids that could be read.
    pub ids: BTreeSet<Id>,
    /// Whether there may be others.
    pub unnamed: bool,
}

impl<Id> Default for LeftOut<Id> {
    fn default() -> Self {
        Self { ids: BTreeSet::new(), unnamed: false }
    }
}

impl<Id: Ord> LeftOut<Id> {
    /// Adds a rejected item; `None` if its id could not be read.
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

    /// Whether nothing was rejected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.unnamed && self.ids.is_empty()
    }
}

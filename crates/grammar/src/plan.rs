//! The plan of a query: the last form of a sentence before it is written as SQL.

use metricd_core::schema::Table;

use crate::{
    lexicon::{Aggregate, Bucket, Comparison, Direction},
    periods::Period,
};

/// A query over one table. Columns are identified by their index in it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan<'a> {
    pub(crate) table: &'a Table,
    pub(crate) measures: Vec<Measure>,
    pub(crate) dimensions: Vec<Dimension>,
    /// The conditions on all rows.
    pub(crate) conditions: Vec<Condition>,
    /// For a share: the conditions on the rows of the numerator.
    pub(crate) share: Option<Vec<Condition>>,
    /// The condition on the number of rows of a group.
    pub(crate) having: Option<(Comparison, String)>,
    pub(crate) ranking: Option<Ranking>,
    /// Whether rows are listed instead of aggregated.
    pub(crate) is_list: bool,
    /// The column that periods apply to.
    pub(crate) date: Option<usize>,
    pub(crate) period: Option<Period>,
}

/// What is computed for each group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    Rows,
    Distinct(usize),
    Of(Aggregate, usize),
}

/// What rows are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dimension {
    Time(Bucket),
    Column(usize),
}

/// A predicate on rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Condition {
    /// The column is one of the values, or none of them.
    Values {
        column: usize,
        values: Vec<String>,
        negated: bool,
    },
    Flag {
        column: usize,
        negated: bool,
    },
    Number {
        column: usize,
        comparison: Comparison,
        number: String,
    },
    Range {
        column: usize,
        low: String,
        high: String,
    },
    Missing {
        column: usize,
        negated: bool,
    },
    /// One of these columns is not null: the record has an alert.
    Alert(Vec<usize>),
}

/// The order by a measure, and the row limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ranking {
    pub(crate) direction: Direction,
    pub(crate) limit: u32,
}

impl Plan<'_> {
    pub(crate) fn column(&self, index: usize) -> &str {
        &self.table.columns[index].name
    }
}

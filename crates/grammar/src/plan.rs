//! What a sentence asks, once it is understood.

use metricd_core::schema::Table;

use crate::{
    lexicon::{Aggregate, Bucket, Comparison, Direction},
    periods::Period,
};

/// A plan about one table. Columns are named by their place in it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan<'a> {
    pub(crate) table: &'a Table,
    pub(crate) measures: Vec<Measure>,
    pub(crate) dimensions: Vec<Dimension>,
    /// What all rows that count fulfil.
    pub(crate) conditions: Vec<Condition>,
    /// What a share is of: the rows that fulfil these, among all that count.
    pub(crate) share: Option<Vec<Condition>>,
    /// How many rows a group must have, at least or at most.
    pub(crate) having: Option<(Comparison, String)>,
    pub(crate) ranking: Option<Ranking>,
    /// The rows themselves.
    pub(crate) is_list: bool,
    /// The column that days are told by.
    pub(crate) date: Option<usize>,
    pub(crate) period: Option<Period>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    Rows,
    Distinct(usize),
    Of(Aggregate, usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dimension {
    Time(Bucket),
    Column(usize),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Condition {
    /// One of the values, or none of them.
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
    /// The record bears an alert.
    Alert(Vec<usize>),
}

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

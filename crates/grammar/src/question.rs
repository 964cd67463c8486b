//! What a sentence asks, once it is understood.

use metricd_core::schema::Table;

use super::{
    dates::Period,
    lexicon::{Aggregate, Bucket, Comparison, Direction},
};

/// A question about one table. Columns are named by their place in it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Question<'a> {
    pub(crate) table: &'a Table,
    pub(crate) measures: Vec<Measure>,
    pub(crate) groups: Vec<Group>,
    /// What all rows that count fulfil.
    pub(crate) filters: Vec<Filter>,
    /// What a share is of: the rows that fulfil these, among all that count.
    pub(crate) share: Option<Vec<Filter>>,
    /// How many rows a group must have, at least or at most.
    pub(crate) having: Option<(Comparison, String)>,
    pub(crate) rank: Option<Rank>,
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
pub(crate) enum Group {
    Time(Bucket),
    Column(usize),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Filter {
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
pub(crate) struct Rank {
    pub(crate) direction: Direction,
    pub(crate) limit: u32,
}

impl Question<'_> {
    pub(crate) fn column(&self, index: usize) -> &str {
        &self.table.columns[index].name
    }
}

//! What a sentence asks, once it is understood.

use metricd_core::schema::Table;

use super::{
    dates::Period,
    lexicon::{Aggregate, Bucket, Comparison, Direction},
};

/// A question about one table. Columns are named by their place in it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Question<'a> {
    pub(super) table: &'a Table,
    pub(super) measures: Vec<Measure>,
    pub(super) groups: Vec<Group>,
    /// What all rows that count fulfil.
    pub(super) filters: Vec<Filter>,
    /// What a share is of: the rows that fulfil these, among all that count.
    pub(super) share: Option<Vec<Filter>>,
    /// How many rows a group must have, at least or at most.
    pub(super) having: Option<(Comparison, String)>,
    pub(super) rank: Option<Rank>,
    /// The rows themselves.
    pub(super) is_list: bool,
    /// The column that days are told by.
    pub(super) date: Option<usize>,
    pub(super) period: Option<Period>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measure {
    Rows,
    Distinct(usize),
    Of(Aggregate, usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    Time(Bucket),
    Column(usize),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Filter {
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
pub(super) struct Rank {
    pub(super) direction: Direction,
    pub(super) limit: u32,
}

impl Question<'_> {
    pub(super) fn column(&self, index: usize) -> &str {
        &self.table.columns[index].name
    }
}

//! The plan of a query: the last form of a question before it is written as SQL.

use crate::{
    lexicon::{Aggregate, Bucket, Comparison, Direction},
    periods::Period,
    scope::TableScope,
};

/// A query over the tables of a scope. Columns are identified by their number in it.
#[derive(Clone)]
pub(crate) struct Plan<'p, 'a> {
    pub(crate) scope: &'p TableScope<'a>,
    pub(crate) form: Form,
    pub(crate) measures: Vec<Measure>,
    pub(crate) dimensions: Vec<Dimension>,
    /// Columns that tell groups apart, and are not shown.
    pub(crate) keys: Vec<usize>,
    /// The conditions on all rows.
    pub(crate) conditions: Vec<Condition>,
    pub(crate) part: Option<Part>,
    /// The condition on the number of rows of a group.
    pub(crate) having: Option<(Comparison, String)>,
    pub(crate) ranking: Option<Ranking>,
    /// The column that periods apply to.
    pub(crate) date: Option<usize>,
    pub(crate) period: Option<Period>,
}

/// What the rows of an answer are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Form {
    /// Groups with their measures.
    Groups,
    /// Groups alone.
    GroupNames,
    /// The number of groups.
    GroupCount,
    /// Rows as they are: these columns, or all of the table.
    List { columns: Vec<usize>, is_distinct: bool },
}

/// What a measure is divided into.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Part {
    /// The share in percent of the rows that meet the conditions; without any, of each group in the total.
    Percent(Vec<Condition>),
    /// The ratio of the rows that meet the first conditions to those that meet the second.
    Ratio(Vec<Condition>, Vec<Condition>),
}

impl Part {
    /// Returns the conditions of both sides.
    pub(crate) fn conditions(&self) -> impl Iterator<Item = &Condition> {
        let (part, of) = match self {
            Self::Percent(part) => (part.as_slice(), [].as_slice()),
            Self::Ratio(part, of) => (part.as_slice(), of.as_slice()),
        };
        part.iter().chain(of)
    }
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
    /// The column is compared with its average over all rows.
    AgainstAverage {
        column: usize,
        comparison: Comparison,
    },
    Missing {
        column: usize,
        negated: bool,
    },
    /// The column is a number other than zero, or neither.
    Filled {
        column: usize,
        negated: bool,
    },
    /// The column's day is a Saturday or Sunday.
    Weekend(usize),
    /// A row of a table refers to it, or none.
    Referred {
        child: usize,
        negated: bool,
        /// The column of dates and the period of the rows that refer to it.
        window: Option<(usize, Period)>,
    },
    /// One of these columns is not null: the record has an alert.
    Alert(Vec<usize>),
}

/// The order of groups or rows, and how many there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ranking {
    pub(crate) direction: Direction,
    /// The column that rows are ordered by; groups are ordered by their first measure.
    pub(crate) column: Option<usize>,
    pub(crate) limit: Option<u32>,
}

impl Condition {
    /// Whether no row can meet both conditions.
    pub(crate) fn contradicts(&self, other: &Self) -> bool {
        use Condition::{Filled, Flag, Missing, Referred, Values};
        match (self, other) {
            (
                Values { column, negated: false, .. },
                Values { column: other, negated: false, .. },
            ) => column == other,
            (Flag { column, negated }, Flag { column: other, negated: not })
            | (Missing { column, negated }, Missing { column: other, negated: not })
            | (Filled { column, negated }, Filled { column: other, negated: not }) => {
                column == other && negated != not
            }
            (Referred { child, negated, .. }, Referred { child: other, negated: not, .. }) => {
                child == other && negated != not
            }
            (Missing { column, negated: false }, Values { column: other, negated: false, .. })
            | (Values { column, negated: false, .. }, Missing { column: other, negated: false }) => {
                column == other
            }
            _ => false,
        }
    }

    /// Whether rows without a value meet it.
    pub(crate) fn is_without(&self) -> bool {
        matches!(self, Self::Values { negated: true, .. } | Self::Flag { negated: true, .. })
    }

    /// Returns the columns that it is about.
    pub(crate) fn columns(&self) -> Vec<usize> {
        match self {
            Self::Values { column, .. }
            | Self::Flag { column, .. }
            | Self::Number { column, .. }
            | Self::Range { column, .. }
            | Self::AgainstAverage { column, .. }
            | Self::Missing { column, .. }
            | Self::Filled { column, .. }
            | Self::Weekend(column) => vec![*column],
            Self::Referred { .. } => Vec::new(),
            Self::Alert(columns) => columns.clone(),
        }
    }
}

impl Plan<'_, '_> {
    pub(crate) fn is_list(&self) -> bool {
        matches!(self.form, Form::List { .. })
    }

    /// Returns the tables that are joined to the first, each after the one that refers to it.
    pub(crate) fn joined(&self) -> Vec<usize> {
        self.tables_of(self.columns().into_iter().chain(self.loose_columns()))
    }

    /// Returns those of the joined tables without whose rows a row counts all the same: a player of no team is not in
    /// the team either.
    pub(crate) fn optional(&self) -> Vec<usize> {
        let needed = self.tables_of(self.columns().into_iter());
        self.joined().into_iter().filter(|table| !needed.contains(table)).collect()
    }

    fn tables_of(&self, columns: impl Iterator<Item = usize>) -> Vec<usize> {
        let mut tables: Vec<usize> = Vec::new();
        for column in columns {
            let mut chain = Vec::new();
            let mut table = self.scope.table_of(column);
            while let Some((from, _)) = self.scope.tables[table].via {
                chain.push(table);
                table = self.scope.table_of(from);
            }
            for table in chain.into_iter().rev() {
                if !tables.contains(&table) {
                    tables.push(table);
                }
            }
        }
        tables
    }

    /// Returns the columns that rows may lack: those of which they are not one of some values, and those of shares.
    fn loose_columns(&self) -> Vec<usize> {
        let negated = self.conditions.iter().filter(|condition| condition.is_without());
        let parts = self.part.iter().flat_map(Part::conditions);
        negated.chain(parts).flat_map(Condition::columns).collect()
    }

    /// Returns the other columns that the query reads.
    fn columns(&self) -> Vec<usize> {
        let mut columns = self.keys.clone();
        if let Form::List { columns: listed, .. } = &self.form {
            columns.extend(listed);
        }
        columns.extend(self.dimensions.iter().filter_map(|dimension| match dimension {
            Dimension::Column(column) => Some(*column),
            Dimension::Time(_) => None,
        }));
        columns.extend(self.measures.iter().filter_map(|measure| match measure {
            Measure::Rows => None,
            Measure::Distinct(column) | Measure::Of(_, column) => Some(*column),
        }));
        let conditions = self.conditions.iter().filter(|condition| !condition.is_without());
        columns.extend(conditions.flat_map(Condition::columns));
        columns.extend(self.date);
        columns.extend(self.ranking.and_then(|ranking| ranking.column));
        columns
    }
}

//! The schema that stored SQL may read: tables and their columns; and, apart from it, values of their
//! rows.
//!
//! A [`Schema`] must never hold a row's values, so that it may be shown to every caller who may write
//! SQL. Only generators of queries read [`ColumnSamples`].

use std::{collections::BTreeMap, fmt, sync::Arc};

use crate::sql::TableName;

/// The tables and views that stored SQL may read, ordered by name. Holds no values of their rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schema {
    /// The tables and views.
    pub tables: Vec<Table>,
}

impl Schema {
    /// Returns the schema without the tables that `permits` denies, and without the foreign keys that
    /// lead to them.
    #[must_use]
    pub fn restricted(&self, permits: impl Fn(&TableName) -> bool) -> Self {
        let tables = self.tables.iter().filter(|table| permits(&table.name));
        let tables = tables.cloned().map(|mut table| {
            table.foreign_keys.retain(|key| permits(&key.table));
            table
        });
        Self { tables: tables.collect() }
    }
}

/// A table or view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name in a query: tables of `public` without their schema.
    pub name: TableName,
    /// Its comment (`COMMENT ON TABLE`).
    pub comment: Option<String>,
    /// Its columns, in their order.
    pub columns: Vec<TableColumn>,
    /// Its foreign keys to tables of the same schema, as far as their columns may be read.
    pub foreign_keys: Vec<ForeignKey>,
}

/// A foreign key: each row of its table refers to at most one row of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    /// The columns that refer.
    pub columns: Vec<String>,
    /// The table that they refer to.
    pub table: TableName,
    /// The columns that they refer to, in the same order.
    pub references: Vec<String>,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableColumn {
    /// Its name.
    pub name: String,
    /// PostgreSQL's name of its type, such as `int8` or `timestamptz`.
    pub ty: String,
    /// The kind of its values.
    pub kind: ColumnKind,
    /// Its comment (`COMMENT ON COLUMN`).
    pub comment: Option<String>,
}

/// The distinct values of text columns that have few, read from the tables' rows.
///
/// `Debug` omits them, as logs must not hold rows' values.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ColumnSamples {
    tables: BTreeMap<TableName, BTreeMap<String, Vec<String>>>,
}

impl ColumnSamples {
    /// Adds the values of a column, in their order.
    pub fn insert(&mut self, table: &TableName, column: &str, values: Vec<String>) {
        if !values.is_empty() {
            let columns = self.tables.entry(table.clone()).or_default();
            columns.insert(column.to_owned(), values);
        }
    }

    /// Returns the values of a column; none if it has too many to list.
    #[must_use]
    pub fn of(&self, table: &TableName, column: &str) -> &[String] {
        self.tables.get(table).and_then(|columns| columns.get(column)).map_or(&[], Vec::as_slice)
    }

    /// Counts the values of all columns.
    #[must_use]
    pub fn count(&self) -> usize {
        self.tables.values().flat_map(BTreeMap::values).map(Vec::len).sum()
    }
}

impl fmt::Debug for ColumnSamples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ColumnSamples").field("count", &self.count()).finish_non_exhaustive()
    }
}

/// A schema with values of its rows, both read at the same time. For generators of queries alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SampledSchema {
    /// The tables and views.
    pub schema: Arc<Schema>,
    /// The values of their columns.
    pub samples: ColumnSamples,
}

impl SampledSchema {
    /// Returns the schema without the tables that `permits` denies, and without their values.
    #[must_use]
    pub fn restricted(&self, permits: impl Fn(&TableName) -> bool) -> Self {
        let samples = self.samples.tables.iter().filter(|(name, _)| permits(name));
        Self {
            schema: Arc::new(self.schema.restricted(&permits)),
            samples: ColumnSamples {
                tables: samples.map(|(name, columns)| (name.clone(), columns.clone())).collect(),
            },
        }
    }
}

/// The kind of a column's values, by what a generated query can do with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ColumnKind {
    /// Add it up.
    Number,
    /// Compare and group it.
    Text,
    /// Filter by it.
    Boolean,
    /// A day.
    Date,
    /// A time of day on a day, without zone.
    Timestamp,
    /// An instant.
    TimestampTz,
    /// Anything else.
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> TableName {
        TableName { schema: None, name: name.into() }
    }

    #[test]
    fn a_restricted_schema_has_neither_the_other_tables_nor_their_values() {
        let key = |name| ForeignKey {
            columns: vec!["id".into()],
            table: named(name),
            references: vec!["id".into()],
        };
        let table = |name, keys: &[&'static str]| Table {
            name: named(name),
            comment: None,
            columns: Vec::new(),
            foreign_keys: keys.iter().map(|name| key(*name)).collect(),
        };
        let tables = vec![table("orders", &["orders", "salaries"]), table("salaries", &[])];
        let schema = Arc::new(Schema { tables });
        let mut samples = ColumnSamples::default();
        samples.insert(&named("orders"), "state", vec!["paid".into()]);
        samples.insert(&named("salaries"), "name", vec!["Smith".into()]);
        let restricted =
            SampledSchema { schema, samples }.restricted(|table| table.name == "orders");
        assert_eq!(restricted.schema.tables, [table("orders", &["orders"])]);
        assert_eq!(restricted.samples.of(&named("orders"), "state"), ["paid"]);
        assert!(restricted.samples.of(&named("salaries"), "name").is_empty());
    }

    #[test]
    fn debug_output_holds_no_values() {
        let mut samples = ColumnSamples::default();
        samples.insert(&named("salaries"), "name", vec!["Smith".into()]);
        assert_eq!(format!("{samples:?}"), "ColumnSamples { count: 1, .. }");
    }
}

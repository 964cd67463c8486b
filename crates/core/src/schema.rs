//! The schema that stored SQL may read, for generators: tables, their columns, and common values.

use crate::sql::TableName;

/// The tables and views that stored SQL may read, ordered by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schema {
    /// The tables and views.
    pub tables: Vec<Table>,
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
    /// The distinct values of a text column with few, sorted; else empty. They are data of the table's
    /// rows.
    pub values: Vec<String>,
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

//! What stored SQL may read, as a sentence is grounded in it: tables, their columns, and the words
//! that stand in them.

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
    /// What a query calls it: tables of `public` without their schema.
    pub name: TableName,
    /// What its owner says of it (`COMMENT ON TABLE`).
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
    /// What kind of value it holds.
    pub kind: ColumnKind,
    /// What its owner says of it (`COMMENT ON COLUMN`).
    pub comment: Option<String>,
    /// Of a text column with few distinct values: those values, sorted. Else empty. They are data of
    /// the table's rows.
    pub values: Vec<String>,
}

/// What a sentence can do with a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ColumnKind {
    /// Add it up.
    Number,
    /// Compare and group it.
    Text,
    /// Ask whether.
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

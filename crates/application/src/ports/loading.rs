//! The port that loads rows into a table, inside a unit of work.

use async_trait::async_trait;
use metricd_core::{cell::CellType, sql::TableName};

use super::StoreError;

/// Writes the next row to a sink, cell by cell in the order of the columns; `false` at the end.
pub type NextRow<'a> = &'a mut (dyn FnMut(&mut dyn RowSink) -> bool + Send);

/// A sink for rows.
pub trait RowSink {
    /// Appends a cell to the row; `None` is NULL.
    fn cell(&mut self, text: Option<&str>);

    /// Ends the row.
    fn end(&mut self);
}

/// Loading rows into tables, by COPY.
#[async_trait]
pub trait Loading: Send {
    /// Returns the table or view of this name.
    async fn find_table(&mut self, table: &TableName) -> Result<Option<StoredTable>, StoreError>;

    /// Creates a table with these columns, all nullable. Returns whether stored SQL may read it.
    async fn create_table(
        &mut self,
        table: &TableName,
        columns: &[(String, CellType)],
    ) -> Result<bool, StoreError>;

    /// Removes every row.
    async fn empty_table(&mut self, table: &TableName) -> Result<(), StoreError>;

    /// Copies rows with these columns, in this order, and returns their number. A row that the database
    /// rejects fails the whole copy.
    async fn copy_rows(
        &mut self,
        table: &TableName,
        columns: &[String],
        next: NextRow<'_>,
    ) -> Result<u64, StoreError>;
}

/// An existing table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTable {
    /// Whether rows can be copied into it: not for views and foreign tables.
    pub takes_rows: bool,
    /// Its columns, in their order, without generated ones.
    pub columns: Vec<StoredColumn>,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredColumn {
    /// Its name.
    pub name: String,
    /// PostgreSQL's name of its type, without a length.
    pub ty: String,
}

//! Filling a table from a file, inside a unit of work.

use async_trait::async_trait;
use metricd_core::{cell::CellType, sql::TableName};

use super::StoreError;

/// Adds the next row to a batch, cell by cell in the order of the columns; `false` at the end.
pub type NextRow<'a> = &'a mut (dyn FnMut(&mut dyn RowSink) -> bool + Send);

/// Takes a row.
pub trait RowSink {
    /// Takes its next cell; `None` is no value.
    fn cell(&mut self, text: Option<&str>);

    /// Ends it.
    fn end(&mut self);
}

/// Filling a table.
#[async_trait]
pub trait Loading: Send {
    /// The table of this name, if there is one. Views count as tables here.
    async fn find_table(&mut self, table: &TableName) -> Result<Option<StoredTable>, StoreError>;

    /// Makes a table with these columns, all of which may be null. Says whether stored SQL may read it.
    async fn create_table(
        &mut self,
        table: &TableName,
        columns: &[(String, CellType)],
    ) -> Result<bool, StoreError>;

    /// Removes every row.
    async fn empty_table(&mut self, table: &TableName) -> Result<(), StoreError>;

    /// Adds rows that give these columns in this order. Gives how many there were. A row that the
    /// database does not take fails all of them.
    async fn copy_rows(
        &mut self,
        table: &TableName,
        columns: &[String],
        next: NextRow<'_>,
    ) -> Result<u64, StoreError>;
}

/// A table as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTable {
    /// Whether rows can be copied into it: views and foreign tables are read only here.
    pub takes_rows: bool,
    /// Its columns, in their order; generated ones left out.
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

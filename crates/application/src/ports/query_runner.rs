//! Running authors' SQL. Nothing here may write: every statement runs read-only.

use async_trait::async_trait;
use metricd_core::{
    metric::Column,
    sql::{ParameterType, TableName, Template, Value},
};
use thiserror::Error;

/// Describes and runs SQL that came from outside.
#[async_trait]
pub trait QueryRunner: Send + Sync {
    /// Asks the database what `sql` takes and gives, without running it.
    ///
    /// # Errors
    /// [`RunError::Rejected`] when the database does not accept the statement.
    async fn describe(&self, sql: &str) -> Result<Description, RunError>;

    /// Those of `tables` that stored SQL may not read, or that do not exist.
    ///
    /// # Errors
    /// When the database cannot be asked.
    async fn unreadable(&self, tables: &[TableName]) -> Result<Vec<TableName>, RunError>;

    /// Runs `template` with the values of its parameters, read-only, and gives at most `max_rows`
    /// rows.
    ///
    /// # Errors
    /// See [`RunError`].
    async fn run(
        &self,
        template: &Template,
        values: &[Value],
        max_rows: u32,
    ) -> Result<Rows, RunError>;
}

/// What the database knows of a statement before it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The type of each `$n`, in order; `None` for a type that no slot can have.
    pub parameters: Vec<Option<ParameterType>>,
    /// The columns of the answer.
    pub columns: Vec<Column>,
}

/// An answer's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    /// A JSON array of objects, as PostgreSQL wrote it: numbers are exact, digit for digit.
    pub json: String,
    /// Whether rows were left out because there were more than allowed.
    pub truncated: bool,
}

/// Why a statement gave no rows.
#[derive(Debug, Error)]
pub enum RunError {
    /// The database does not accept the statement as it stands.
    #[error("the database does not accept the query: {message}")]
    Rejected {
        /// The database's own words, for those who may see the SQL.
        message: String,
    },
    /// The statement was accepted and failed while running.
    #[error("the stored query failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The deadline passed.
    #[error("the query took too long")]
    Deadline,
    /// The database cannot be reached.
    #[error("the database is not reachable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

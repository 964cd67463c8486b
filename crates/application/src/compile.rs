//! From an author's SQL to a template that the database has accepted. Runs before a unit of work
//! is opened, because it asks the database itself.

use metricd_core::{
    metric::Column,
    sql::{Draft, SqlError, TableName, Template},
};
use thiserror::Error;

use crate::ports::{QueryRunner, RunError};

/// Why SQL did not compile. The text is for its author.
#[derive(Debug, Error)]
pub enum CompileError {
    /// It is not a SELECT that metricd runs.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// It reads tables that do not exist or that stored SQL may not read.
    #[error(
        "stored SQL may not read {}: no such table, or it is not granted to the reader role",
        name_all(.0)
    )]
    Unreadable(Vec<TableName>),
    /// The database does not accept it, or could not be asked.
    #[error(transparent)]
    Database(#[from] RunError),
}

fn name_all(tables: &[TableName]) -> String {
    tables.iter().map(|table| format!("`{table}`")).collect::<Vec<_>>().join(", ")
}

/// Parses `sql`, checks what it reads, has the database describe it, and fixes its slots.
///
/// # Errors
/// See [`CompileError`].
pub async fn compile(
    runner: &dyn QueryRunner,
    sql: &str,
) -> Result<(Template, Vec<Column>), CompileError> {
    let draft = Draft::parse(sql)?;
    let tables: Vec<TableName> = draft.tables().iter().cloned().collect();
    let unreadable = runner.unreadable(&tables).await?;
    if !unreadable.is_empty() {
        return Err(CompileError::Unreadable(unreadable));
    }
    let inferred = runner.describe(draft.sql()).await?.parameters;
    let template = draft.finish(&inferred)?;
    // What will run: a literal that is no slot after all may not fit where it stands.
    let columns = runner.describe(&template.sql).await?.columns;
    Ok((template, columns))
}

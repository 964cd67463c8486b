//! From an author's SQL to a template that the database has accepted. Runs before a unit of work
//! is opened, because it asks the database itself.

use std::collections::BTreeSet;

use metricd_core::{
    actor::{Action, Actor, Object},
    audit::AuditedObject,
    claim::ClaimName,
    metric::Column,
    sql::{Draft, SqlError, TableName, Template},
};
use thiserror::Error;

use crate::{
    Forbidden, authorize, authorize_on,
    ports::{Ports, RunError},
};

/// Why SQL did not compile. The text is for its author.
#[derive(Debug, Error)]
pub enum CompileError {
    /// Its author may not write SQL, or not over all of the tables that it reads.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// It asks for a claim that metricd was not told to read.
    #[error("`:claim_{0}` is not known here: the setting `claims.{0}` says which claim it is")]
    UnknownClaim(ClaimName),
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

/// A claim that no setting names would be in nobody's token: nobody could ask for the metric.
pub(crate) fn refuse_unknown_claims(
    draft: &Draft,
    known: &BTreeSet<ClaimName>,
) -> Result<(), CompileError> {
    match draft.claims().difference(known).next() {
        Some(unknown) => Err(CompileError::UnknownClaim(unknown.clone())),
        None => Ok(()),
    }
}

/// Parses `sql`, asks leave for `actor` to write it, checks what it reads, has the database describe
/// it, and fixes its slots.
///
/// # Errors
/// See [`CompileError`].
pub async fn compile(
    actor: &Actor,
    ports: &Ports,
    sql: &str,
) -> Result<(Template, Vec<Column>), CompileError> {
    authorize(actor, ports, Action::WriteSql, AuditedObject::Catalog).await?;
    let draft = Draft::parse(sql, &ports.gate)?;
    for table in draft.tables() {
        authorize_on(actor, ports, Action::WriteSql, Object::Table(table)).await?;
    }
    refuse_unknown_claims(&draft, &ports.claims)?;
    let runner = ports.runner.as_ref();
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

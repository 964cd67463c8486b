//! Logs a change to a table that a caller announces.

use metricd_core::{
    actor::{Action, Actor, Object},
    audit::AuditEvent,
    changes::Changed,
    sql::TableName,
};
use thiserror::Error;

use crate::{
    Forbidden, authorize_on,
    context::Context,
    error::{Cause, Classified, Classify},
    ports::StoreError,
};

/// The reason why a change was not logged.
#[derive(Debug, Error)]
pub enum AnnounceError {
    /// The caller may not announce changes of this table.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// There is no such table.
    #[error("Table not found")]
    NotFound,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Classify for AnnounceError {
    fn classify(&self) -> Classified {
        match self {
            Self::Forbidden(error) => error.classify(),
            Self::NotFound => Cause::TableNotFound.into(),
            Self::Store(error) => error.classify(),
        }
    }
}

/// Logs that any rows of `table` may have changed. A table without a schema is in `public`.
///
/// # Errors
/// See [`AnnounceError`].
pub async fn announce_change(
    actor: &Actor,
    context: &Context,
    table: TableName,
) -> Result<(), AnnounceError> {
    let table = table.qualified();
    let object = Object::Table(&table);
    authorize_on(actor, context, Action::AnnounceChange, object).await?;
    // Clients do not write to tables of PostgreSQL and metricd.
    let is_system = matches!(table.schema(), "metricd" | "pg_catalog" | "information_schema");
    let resolved = context.changes.resolve(std::slice::from_ref(&table)).await?;
    if is_system || resolved.iter().all(|resolved| resolved.tables.is_empty()) {
        return Err(AnnounceError::NotFound);
    }
    let mut work = context.store.begin().await?;
    work.note(Changed::rows_of(&table));
    let now = context.clock.now();
    let event = AuditEvent::done(actor, now, Action::AnnounceChange, object.into(), None);
    work.commit(&event, &[]).await?;
    Ok(())
}

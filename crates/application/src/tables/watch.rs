//! Adds and removes watches: triggers that log what other writers change in a table.

use metricd_core::{
    actor::{Action, Actor, Object},
    audit::AuditEvent,
    sql::TableName,
};
use thiserror::Error;

use crate::{
    Forbidden, authorize_on,
    context::Context,
    error::{Classified, Classify},
    ports::{StoreError, UnitOfWork, WatchError, Watched},
};

/// The reason why a watch was not added or removed.
#[derive(Debug, Error)]
pub enum WatchTableError {
    /// The caller may not watch this table.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// The table cannot be watched.
    #[error(transparent)]
    Watch(#[from] WatchError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Classify for WatchTableError {
    fn classify(&self) -> Classified {
        match self {
            Self::Forbidden(error) => error.classify(),
            Self::Watch(error) => error.classify(),
            Self::Store(error) => error.classify(),
        }
    }
}

/// Watches `table` with its partitions and children. A table without a schema is in `public`.
///
/// # Errors
/// See [`WatchTableError`].
pub async fn watch_table(
    actor: &Actor,
    context: &Context,
    table: TableName,
) -> Result<Vec<Watched>, WatchTableError> {
    let table = table.qualified();
    let mut work = begin(actor, context, Action::Watch, &table).await?;
    let watched = work.watch(&table).await?;
    commit(actor, context, Action::Watch, &table, work).await?;
    Ok(watched)
}

/// Removes the watch from `table`, its partitions and children.
///
/// # Errors
/// See [`WatchTableError`].
pub async fn unwatch_table(
    actor: &Actor,
    context: &Context,
    table: TableName,
) -> Result<Vec<Watched>, WatchTableError> {
    let table = table.qualified();
    let mut work = begin(actor, context, Action::Unwatch, &table).await?;
    let watched = work.unwatch(&table).await?;
    commit(actor, context, Action::Unwatch, &table, work).await?;
    Ok(watched)
}

async fn begin(
    actor: &Actor,
    context: &Context,
    action: Action,
    table: &TableName,
) -> Result<Box<dyn UnitOfWork>, WatchTableError> {
    authorize_on(actor, context, action, Object::Table(table)).await?;
    Ok(context.store.begin().await?)
}

async fn commit(
    actor: &Actor,
    context: &Context,
    action: Action,
    table: &TableName,
    work: Box<dyn UnitOfWork>,
) -> Result<(), StoreError> {
    let object = Object::Table(table).into();
    work.commit(&AuditEvent::done(actor, context.clock.now(), action, object, None), &[]).await
}

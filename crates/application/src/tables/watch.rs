//! Has what others write to a table noted, or no longer.

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

/// Why nothing was changed.
#[derive(Debug, Error)]
pub enum WatchTableError {
    /// The caller may not do that to this table.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// It cannot be done.
    #[error(transparent)]
    Watch(#[from] WatchError),
    /// It could not be stored.
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

/// From now on whoever writes `table`, or what it is divided into, notes that. Without a schema it is
/// one of `public`.
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

/// From now on nobody does any more.
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

//! Work that runs to completion although its caller is dropped. sqlx knows of a transaction once its
//! BEGIN was answered: a caller dropped before that would leave it open on a connection that returns to
//! the pool.

use std::{future::Future, panic};

use sea_orm::{DatabaseConnection, DatabaseTransaction, DbErr, TransactionTrait};
use tracing::Instrument;

/// Begins a transaction, which is rolled back whenever the caller is dropped.
pub(super) async fn begin(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let db = db.clone();
    run_to_completion(async move { db.begin().await }).await
}

/// Runs `work` to completion, even if the caller is dropped meanwhile; its result is then dropped too.
pub(super) async fn run_to_completion<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> T {
    match tokio::spawn(work.in_current_span()).await.map_err(tokio::task::JoinError::try_into_panic)
    {
        Ok(done) => done,
        Err(Ok(panic)) => panic::resume_unwind(panic),
        // The runtime ends, and the caller with it.
        Err(Err(_)) => std::future::pending().await,
    }
}

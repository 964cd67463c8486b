//! Beginning a transaction. sqlx knows of a transaction once its BEGIN was answered: a caller who
//! goes away before that would leave it open on a connection that returns to the pool.

use std::{future::Future, panic};

use sea_orm::{DatabaseConnection, DatabaseTransaction, DbErr, TransactionTrait};
use tracing::Instrument;

/// Begins a transaction, which is rolled back when the caller goes away at any moment.
pub(crate) async fn begin(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let db = db.clone();
    to_its_end(async move { db.begin().await }).await
}

/// Does `work` to its end, even when nobody waits for it any more; what it gives is then dropped.
pub(crate) async fn to_its_end<T: Send + 'static>(
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

//! The advisory lock that serializes migrating, loading a catalog and creating the reader role.

use sea_orm::{ConnectionTrait, DbErr};

/// The lock's key.
pub(super) const CATALOG_LOCK: i64 = 0x006d_6574_7269_6364;

/// Waits for the lock, which is released with the transaction.
pub(super) async fn lock_catalog(tx: &impl ConnectionTrait) -> Result<(), DbErr> {
    tx.execute_unprepared(&format!("SELECT pg_catalog.pg_advisory_xact_lock({CATALOG_LOCK})"))
        .await?;
    Ok(())
}

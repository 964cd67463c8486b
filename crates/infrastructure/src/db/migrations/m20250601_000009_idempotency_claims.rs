//! Idempotency keys of each scope of a caller: `metricd.idempotency_keys` by the caller's claims too.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // What is there was stored for callers whose claims are not known, as if they had none.
        let sql = "ALTER TABLE metricd.idempotency_keys
            ADD COLUMN claims text COLLATE \"C\" NOT NULL DEFAULT '',
            DROP CONSTRAINT idempotency_keys_pkey;
            ALTER TABLE metricd.idempotency_keys
            ALTER COLUMN claims DROP DEFAULT,
            ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (issuer, subject, claims, key)";
        manager.get_connection().execute_unprepared(sql).await.map(drop)
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // A response of one scope must not be replayed in another.
        let sql = "DELETE FROM metricd.idempotency_keys WHERE claims <> '';
            ALTER TABLE metricd.idempotency_keys
            DROP CONSTRAINT idempotency_keys_pkey,
            DROP COLUMN claims;
            ALTER TABLE metricd.idempotency_keys
            ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (issuer, subject, key)";
        manager.get_connection().execute_unprepared(sql).await.map(drop)
    }
}

//! What was answered to requests that take effect once, `metricd.idempotency_keys`.

use sea_orm_migration::{
    prelude::*,
    schema::{text, text_null, timestamp_with_time_zone},
};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

const KEYS: &str = "idempotency_keys";

fn table() -> (Alias, Alias) {
    (Alias::new("metricd"), Alias::new(KEYS))
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let name = |column| text(column).extra("COLLATE \"C\"").take();
        manager
            .create_table(
                Table::create()
                    .table(table())
                    .col(name("issuer"))
                    .col(name("subject"))
                    .col(name("key"))
                    .col(text("fingerprint"))
                    .col(text_null("location"))
                    .col(text_null("body"))
                    .col(timestamp_with_time_zone("at"))
                    .primary_key(
                        Index::create()
                            .name("idempotency_keys_pkey")
                            .col("issuer")
                            .col("subject")
                            .col("key"),
                    )
                    .take(),
            )
            .await?;
        // For what removes the old ones.
        manager
            .create_index(
                Index::create().name("idempotency_keys_at_idx").table(table()).col("at").take(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(table()).take()).await
    }
}

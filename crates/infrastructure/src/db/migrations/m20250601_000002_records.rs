//! The built-in table of records, `public.metrics`. No foreign key and no trigger, and the primary
//! key holds the query's id, so that the table can be distributed by it.

use sea_orm_migration::{
    prelude::*,
    schema::{double_null, integer_null, text, text_null, timestamp, uuid},
};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

fn metrics() -> (Alias, Alias) {
    (Alias::new("public"), Alias::new("metrics"))
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table(metrics())
                    .col(uuid("metric_id"))
                    .col(text("id"))
                    .col(timestamp("date"))
                    .col(double_null("obsolescence_val"))
                    .col(double_null("obsolescence"))
                    .col(integer_null("parts_flagged"))
                    .col(text_null("alert_type"))
                    .col(text_null("alert_category"))
                    .primary_key(Index::create().name("metrics_pkey").col("id").col("metric_id"))
                    .take(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("metrics_id_date_idx")
                    .table(metrics())
                    .col("id")
                    .col("date")
                    .take(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(metrics()).take()).await
    }
}

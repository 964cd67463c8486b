//! What a query was before, `metricd.query_versions`, and whether it waits for approval.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, text, timestamp_with_time_zone},
};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

const QUERIES: &str = "queries";
const VERSIONS: &str = "query_versions";

fn table(name: &'static str) -> (Alias, Alias) {
    (Alias::new("metricd"), Alias::new(name))
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .alter_table(
                Table::alter()
                    .table(table(QUERIES))
                    .add_column(text("review").default("not_needed"))
                    .take(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table(table(VERSIONS))
                    .col(text("query_id").extra("COLLATE \"C\""))
                    .col(big_integer("version"))
                    .col(text("sql"))
                    .col(timestamp_with_time_zone("replaced_at"))
                    .col(text("replaced_by"))
                    .primary_key(
                        Index::create().name("query_versions_pkey").col("query_id").col("version"),
                    )
                    .foreign_key(
                        ForeignKey::create()
                            .name("query_versions_query_id_fkey")
                            .from(table(VERSIONS), "query_id")
                            .to(table(QUERIES), "id")
                            .on_delete(ForeignKeyAction::Cascade),
                    )
                    .take(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(table(VERSIONS)).take()).await?;
        manager.alter_table(Table::alter().table(table(QUERIES)).drop_column("review").take()).await
    }
}

//! How long a metric's answers are used again, where that is not the same for all.

use sea_orm_migration::{prelude::*, schema::integer_null};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

fn table() -> (Alias, Alias) {
    (Alias::new("metricd"), Alias::new("metric_configurations"))
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let column = integer_null("cache_ttl_seconds");
        manager.alter_table(Table::alter().table(table()).add_column(column).take()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let dropped = Table::alter().table(table()).drop_column("cache_ttl_seconds").take();
        manager.alter_table(dropped).await
    }
}

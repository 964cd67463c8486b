//! Which versions of metricd the schema works with, `metricd.compatibility`: one row, with the last migration of the oldest of
//! them.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = "CREATE TABLE metricd.compatibility (oldest text NOT NULL)";
        manager.get_connection().execute_unprepared(sql).await.map(drop)
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = "DROP TABLE metricd.compatibility";
        manager.get_connection().execute_unprepared(sql).await.map(drop)
    }
}

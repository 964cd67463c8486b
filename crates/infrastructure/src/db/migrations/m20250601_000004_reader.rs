//! The roles that stored SQL runs as, with their passwords, in `metricd.reader_roles`: for our own role
//! alone.

use sea_orm_migration::{prelude::*, schema::text};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

fn roles() -> (Alias, Alias) {
    (Alias::new("metricd"), Alias::new("reader_roles"))
}

const DISOWN: &str = "
    DO $$
    DECLARE reader name;
    BEGIN
        FOR reader IN SELECT rolname FROM pg_catalog.pg_roles JOIN metricd.reader_roles ON role = rolname LOOP
            EXECUTE format('ALTER ROLE %I NOLOGIN PASSWORD NULL', reader);
        END LOOP;
    END $$";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table(roles())
                    .col(text("role").primary_key())
                    .col(text("password"))
                    .take(),
            )
            .await?;
        let closed = "REVOKE ALL ON metricd.reader_roles FROM PUBLIC";
        manager.get_connection().execute_unprepared(closed).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // Their passwords are lost, so that the roles can be taken over again.
        manager.get_connection().execute_unprepared(DISOWN).await?;
        manager.drop_table(Table::drop().table(roles()).take()).await
    }
}

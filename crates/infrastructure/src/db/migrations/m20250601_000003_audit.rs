//! The audit, `metricd.audit_events`. A trigger refuses what would change or remove an event, so that
//! not even our own role does so by mistake.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, big_integer_null, text, text_null, timestamp_with_time_zone},
};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

const TABLE: &str = "audit_events";

fn events() -> (Alias, Alias) {
    (Alias::new("metricd"), Alias::new(TABLE))
}

const REFUSAL: &str = "
    CREATE FUNCTION metricd.refuse_audit_change() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
    BEGIN
        RAISE EXCEPTION 'the audit is append-only' USING ERRCODE = 'insufficient_privilege';
    END $$;
    CREATE TRIGGER audit_events_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON metricd.audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION metricd.refuse_audit_change()";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table(events())
                    .col(big_integer("sequence").auto_increment().primary_key())
                    .col(timestamp_with_time_zone("at"))
                    .col(text("issuer"))
                    .col(text("subject"))
                    .col(text("action"))
                    .col(text("object_kind"))
                    .col(text_null("object_id"))
                    .col(big_integer_null("version"))
                    .col(text_null("address"))
                    .col(text_null("request_id"))
                    .col(text("outcome"))
                    .take(),
            )
            .await?;
        // Every page is read from the latest event backwards, of those that it asks for.
        for column in ["subject", "action", "object_id", "request_id", "outcome"] {
            manager
                .create_index(
                    Index::create()
                        .name(format!("{TABLE}_{column}_sequence_idx"))
                        .table(events())
                        .col(column)
                        .col("sequence")
                        .take(),
                )
                .await?;
        }
        manager
            .create_index(
                Index::create().name("audit_events_at_idx").table(events()).col("at").take(),
            )
            .await?;
        manager.get_connection().execute_unprepared(REFUSAL).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(events()).take()).await?;
        let function = "DROP FUNCTION metricd.refuse_audit_change()";
        manager.get_connection().execute_unprepared(function).await?;
        Ok(())
    }
}

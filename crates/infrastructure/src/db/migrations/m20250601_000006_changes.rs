//! The log of changes, `metricd.changes`, and the function by which triggers on tables that other programs
//! write append to it. No primary key: single rows are never looked up nor updated, so that no writer waits
//! for another.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

/// `kind` is `table` (with its name, and the ids of its rows if only theirs were written), `metric` or
/// `query` (with their ids), or `pruned`: then everything before `xid` was removed.
const LOG: &str = "
    CREATE TABLE metricd.changes (
        xid xid8 NOT NULL DEFAULT pg_catalog.pg_current_xact_id(),
        kind text NOT NULL,
        table_schema text,
        table_name text,
        ids text[]);
    CREATE INDEX changes_xid_idx ON metricd.changes (xid);
    CREATE INDEX changes_pruned_idx ON metricd.changes (xid) WHERE kind = 'pruned';
    REVOKE ALL ON metricd.changes FROM PUBLIC";

/// Runs as its owner, for roles that may write a table and may not even look into `metricd`; everything
/// in it is named with its schema, so that whatever such a role makes is never found in its stead. A
/// transaction is noted once for each table, but not where looking for the note would make serializable
/// transactions stand in each other's way.
const NOTE: &str = "
    CREATE FUNCTION metricd.note_change() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    BEGIN
        IF pg_catalog.current_setting('transaction_isolation') = 'serializable' OR NOT EXISTS (
            SELECT FROM metricd.changes
            WHERE xid = pg_catalog.pg_current_xact_id() AND kind = 'table' AND ids IS NULL
                AND table_schema = TG_TABLE_SCHEMA AND table_name = TG_TABLE_NAME)
        THEN
            INSERT INTO metricd.changes (kind, table_schema, table_name)
            VALUES ('table', TG_TABLE_SCHEMA, TG_TABLE_NAME);
            PERFORM pg_catalog.pg_notify('metricd_changes', '');
        END IF;
        RETURN NULL;
    END $$;
    REVOKE ALL ON FUNCTION metricd.note_change() FROM PUBLIC";

// With the triggers that call it: without the function, those tables could not be written any more.
const DOWN: &str = "
    DROP FUNCTION metricd.note_change() CASCADE;
    DROP TABLE metricd.changes";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(LOG).await?;
        manager.get_connection().execute_unprepared(NOTE).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(DOWN).await?;
        Ok(())
    }
}

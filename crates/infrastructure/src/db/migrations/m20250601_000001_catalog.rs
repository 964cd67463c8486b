//! metricd's own catalog, in the schema `metricd`: queries, metrics, layouts.

use sea_orm_migration::{
    prelude::*,
    schema::{
        array, big_integer, boolean, boolean_null, integer, json_binary, text, text_null, uuid,
    },
};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

const SCHEMA: &str = "metricd";
const QUERIES: &str = "queries";
const METRICS: &str = "metric_configurations";
const LAYOUTS: &str = "layout_items";

fn table(name: &'static str) -> (Alias, Alias) {
    (Alias::new(SCHEMA), Alias::new(name))
}

/// Text compared byte by byte: the same order on every server, and equality alone uses the index.
fn identifier(name: &'static str) -> ColumnDef {
    text(name).extra("COLLATE \"C\"").take()
}

fn queries() -> TableCreateStatement {
    Table::create()
        .table(table(QUERIES))
        .col(identifier("id"))
        .col(text("sql"))
        .col(json_binary("template"))
        .col(json_binary("columns"))
        .col(big_integer("version"))
        .col(text("origin"))
        .primary_key(Index::create().name("queries_pkey").col("id"))
        .take()
}

fn metrics() -> TableCreateStatement {
    Table::create()
        .table(table(METRICS))
        .col(uuid("id"))
        .col(identifier("query_id"))
        .col(text("name"))
        .col(text_null("description"))
        .col(text_null("owner"))
        .col(array("tags", ColumnType::Text))
        .col(text("chart"))
        .col(text_null("unit"))
        .col(boolean("is_editable"))
        .col(big_integer("layout_version"))
        .col(text("origin"))
        .primary_key(Index::create().name("metric_configurations_pkey").col("id"))
        .foreign_key(
            ForeignKey::create()
                .name("metric_configurations_query_id_fkey")
                .from(table(METRICS), "query_id")
                .to(table(QUERIES), "id"),
        )
        .take()
}

fn metrics_by_query() -> IndexCreateStatement {
    Index::create()
        .name("metric_configurations_query_id_idx")
        .table(table(METRICS))
        .col("query_id")
        .take()
}

fn layouts() -> TableCreateStatement {
    Table::create()
        .table(table(LAYOUTS))
        .col(uuid("metric_id"))
        .col(integer("position"))
        .col(text("breakpoint"))
        .col(integer("x"))
        .col(integer("y"))
        .col(integer("w"))
        .col(integer("h"))
        .col(boolean_null("is_static"))
        .primary_key(Index::create().name("layout_items_pkey").col("metric_id").col("position"))
        .foreign_key(
            ForeignKey::create()
                .name("layout_items_metric_id_fkey")
                .from(table(LAYOUTS), "metric_id")
                .to(table(METRICS), "id")
                .on_delete(ForeignKeyAction::Cascade),
        )
        .take()
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(queries()).await?;
        manager.create_table(metrics()).await?;
        manager.create_index(metrics_by_query()).await?;
        manager.create_table(layouts()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for name in [LAYOUTS, METRICS, QUERIES] {
            manager.drop_table(Table::drop().table(table(name)).take()).await?;
        }
        Ok(())
    }
}

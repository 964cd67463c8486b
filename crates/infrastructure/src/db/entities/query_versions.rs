//! `metricd.query_versions`: what queries were before they were changed.

use metricd_core::metric::QueryVersion;
use sea_orm::{ActiveValue::Set, entity::prelude::*};

/// A replaced version's row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(schema_name = "metricd", table_name = "query_versions")]
pub struct Model {
    /// The query.
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub query_id: String,
    /// Which version it was.
    #[sea_orm(primary_key, auto_increment = false)]
    pub version: i64,
    /// The author's text, verbatim.
    #[sea_orm(column_type = "Text")]
    pub sql: String,
    /// When another took its place.
    pub replaced_at: DateTimeUtc,
    /// The subject of the caller that replaced it.
    #[sea_orm(column_type = "Text")]
    pub replaced_by: String,
}

/// Nothing.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl ActiveModel {
    /// The row of `version` of the query `query_id`.
    pub(crate) fn of(query_id: &str, version: &QueryVersion) -> Self {
        Self {
            query_id: Set(query_id.to_owned()),
            version: Set(version.version),
            sql: Set(version.sql.clone()),
            replaced_at: Set(version.replaced_at),
            replaced_by: Set(version.replaced_by.clone()),
        }
    }
}

impl From<Model> for QueryVersion {
    fn from(row: Model) -> Self {
        Self {
            version: row.version,
            sql: row.sql,
            replaced_at: row.replaced_at,
            replaced_by: row.replaced_by,
        }
    }
}

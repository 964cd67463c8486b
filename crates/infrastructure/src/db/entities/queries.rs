//! `metricd.queries`: an author's SQL and what it compiled to.

use metricd_core::{ids::QueryId, metric::Query};
use sea_orm::{ActiveValue::Set, entity::prelude::*};

use crate::db::{
    corrupt_row::{CorruptRow, origin_of, origin_word, review_of},
    stored_template,
};

/// A query's row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(schema_name = "metricd", table_name = "queries")]
pub struct Model {
    /// The author's name for it.
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub id: String,
    /// The author's text, verbatim.
    #[sea_orm(column_type = "Text")]
    pub sql: String,
    /// The compiled template, in a versioned format of its own.
    #[sea_orm(column_type = "JsonBinary")]
    pub template: Json,
    /// The columns of the answer.
    #[sea_orm(column_type = "JsonBinary")]
    pub columns: Json,
    /// Counts changes of the text.
    pub version: i64,
    /// `import` or `api`.
    #[sea_orm(column_type = "Text")]
    pub origin: String,
    /// `not_needed`, `waiting` or `approved`.
    #[sea_orm(column_type = "Text")]
    pub review: String,
}

/// Nothing: joins start at the metrics.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl From<&Query> for ActiveModel {
    fn from(query: &Query) -> Self {
        Self {
            id: Set(query.id.as_str().to_owned()),
            sql: Set(query.sql.clone()),
            template: Set(stored_template::write_template(&query.template)),
            columns: Set(stored_template::write_columns(&query.columns)),
            version: Set(query.version),
            origin: Set(origin_word(query.origin).to_owned()),
            review: Set(query.review.as_str().to_owned()),
        }
    }
}

impl TryFrom<Model> for Query {
    type Error = CorruptRow;

    fn try_from(row: Model) -> Result<Self, CorruptRow> {
        Ok(Self {
            id: QueryId::parse(row.id).map_err(|fault| CorruptRow::of("id", fault))?,
            sql: row.sql,
            template: stored_template::read_template(row.template)?,
            columns: stored_template::read_columns(row.columns)?,
            version: row.version,
            review: review_of(&row.review)?,
            origin: origin_of(&row.origin)?,
        })
    }
}

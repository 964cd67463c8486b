//! `public.metrics`: the built-in table of records.

use metricd_core::{ids::RecordId, record::MetricRecord};
use sea_orm::{ActiveValue::Set, entity::prelude::*};

/// A record's row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(schema_name = "public", table_name = "metrics")]
pub struct Model {
    /// The row's own key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub metric_id: Uuid,
    /// The query that the record belongs to.
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub id: String,
    /// When it happened, as UTC wall time.
    pub date: DateTime,
    /// Value at risk through obsolescence.
    #[sea_orm(column_type = "Double", nullable)]
    pub obsolescence_val: Option<f64>,
    /// Cost avoided.
    #[sea_orm(column_type = "Double", nullable)]
    pub obsolescence: Option<f64>,
    /// Number of parts flagged.
    pub parts_flagged: Option<i32>,
    /// Severity of an alert.
    #[sea_orm(column_type = "Text", nullable)]
    pub alert_type: Option<String>,
    /// What the alert is about.
    #[sea_orm(column_type = "Text", nullable)]
    pub alert_category: Option<String>,
}

/// Nothing: the table can be distributed by `id`.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl From<(RecordId, &MetricRecord)> for ActiveModel {
    fn from((id, record): (RecordId, &MetricRecord)) -> Self {
        let values = record.values.clone();
        Self {
            metric_id: Set(id.0),
            id: Set(record.query_id.as_str().to_owned()),
            date: Set(record.date),
            obsolescence_val: Set(values.obsolescence_val),
            obsolescence: Set(values.obsolescence),
            parts_flagged: Set(values.parts_flagged),
            alert_type: Set(values.alert_type),
            alert_category: Set(values.alert_category),
        }
    }
}

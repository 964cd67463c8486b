//! `metricd.layout_items`: where a metric's tiles stand, in their author's order.

use metricd_core::{
    ids::MetricId,
    layout::{Breakpoint, LayoutItem},
};
use sea_orm::{ActiveValue::Set, TryIntoModel, entity::prelude::*};
use serde::Deserialize;

use crate::db::corrupt_row::CorruptRow;

/// A layout item's row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize)]
#[sea_orm(schema_name = "metricd", table_name = "layout_items")]
pub struct Model {
    /// The metric.
    #[sea_orm(primary_key, auto_increment = false)]
    pub metric_id: Uuid,
    /// Its place among the metric's items, from 0.
    #[sea_orm(primary_key, auto_increment = false)]
    pub position: i32,
    /// The width class.
    #[sea_orm(column_type = "Text")]
    pub breakpoint: String,
    /// Columns from the left.
    pub x: i32,
    /// Rows from the top.
    pub y: i32,
    /// Width in columns.
    pub w: i32,
    /// Height in rows.
    pub h: i32,
    /// Whether the tile may not be dragged.
    pub is_static: Option<bool>,
}

/// Nothing: a metric's items are read beside it, as JSON.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The rows of a metric's layouts.
pub(crate) fn rows_of(metric: MetricId, layouts: &[LayoutItem]) -> Vec<ActiveModel> {
    (0..)
        .zip(layouts)
        .map(|(position, item)| ActiveModel {
            metric_id: Set(metric.0),
            position: Set(position),
            breakpoint: Set(item.breakpoint.as_str().to_owned()),
            x: Set(item.x),
            y: Set(item.y),
            w: Set(item.w),
            h: Set(item.h),
            is_static: Set(item.is_static),
        })
        .collect()
}

/// Whether a stored row is the one that is wanted.
pub(crate) fn same(stored: &Model, wanted: &ActiveModel) -> bool {
    wanted.clone().try_into_model().is_ok_and(|wanted| wanted == *stored)
}

impl TryFrom<Model> for LayoutItem {
    type Error = CorruptRow;

    fn try_from(row: Model) -> Result<Self, CorruptRow> {
        let breakpoint =
            Breakpoint::parse(row.breakpoint).map_err(|fault| CorruptRow::of("layouts", fault))?;
        Ok(Self { breakpoint, x: row.x, y: row.y, w: row.w, h: row.h, is_static: row.is_static })
    }
}

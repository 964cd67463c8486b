//! `metricd.metric_configurations`: the metrics.

use metricd_core::{
    ids::{MetricId, QueryId},
    layout::LayoutItem,
    metric::{CacheTtl, Chart, Display, Metric, MetricDetails, MetricName, Tag},
};
use sea_orm::{ActiveValue::Set, FromQueryResult, QueryResult, entity::prelude::*};

use super::layout_items;
use crate::db::corrupt_row::{CorruptRow, origin_of, origin_word, review_of};

/// A metric's row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(schema_name = "metricd", table_name = "metric_configurations")]
pub struct Model {
    /// Its identity.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The query that answers it.
    #[sea_orm(column_type = "Text")]
    pub query_id: String,
    /// A short name.
    #[sea_orm(column_type = "Text")]
    pub name: String,
    /// A longer explanation.
    #[sea_orm(column_type = "Text", nullable)]
    pub description: Option<String>,
    /// Who answers for it.
    #[sea_orm(column_type = "Text", nullable)]
    pub owner: Option<String>,
    /// Words to find it by.
    #[sea_orm(column_type = "Array(RcOrArc::new(ColumnType::Text))")]
    pub tags: Vec<String>,
    /// The kind of chart.
    #[sea_orm(column_type = "Text")]
    pub chart: String,
    /// The unit shown beside numbers.
    #[sea_orm(column_type = "Text", nullable)]
    pub unit: Option<String>,
    /// How many seconds its answers are used again.
    #[sea_orm(nullable)]
    pub cache_ttl_seconds: Option<i32>,
    /// Whether it may be changed.
    pub is_editable: bool,
    /// Counts changes of the layouts.
    pub layout_version: i64,
    /// `import` or `api`.
    #[sea_orm(column_type = "Text")]
    pub origin: String,
}

/// What a metric is joined to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// The query that answers it.
    #[sea_orm(
        belongs_to = "super::queries::Entity",
        from = "Column::QueryId",
        to = "super::queries::Column::Id"
    )]
    Queries,
}

impl ActiveModelBehavior for ActiveModel {}

impl From<&Metric> for ActiveModel {
    fn from(metric: &Metric) -> Self {
        let details = &metric.details;
        Self {
            id: Set(metric.id.0),
            query_id: Set(metric.query_id.as_str().to_owned()),
            name: Set(details.name.as_str().to_owned()),
            description: Set(details.description.clone()),
            owner: Set(details.owner.clone()),
            tags: Set(details.tags.iter().map(|tag| tag.as_str().to_owned()).collect()),
            chart: Set(details.display.chart.as_str().to_owned()),
            unit: Set(details.display.unit.clone()),
            cache_ttl_seconds: Set(details.cache_ttl.map(|ttl| ttl.seconds().cast_signed())),
            is_editable: Set(metric.is_editable),
            layout_version: Set(metric.layout_version),
            origin: Set(origin_word(metric.origin).to_owned()),
        }
    }
}

/// A metric's row with what one statement reads beside it.
#[derive(Clone, Debug)]
pub(crate) struct MetricRow {
    pub(crate) metric: Model,
    pub(crate) query_version: i64,
    /// Of the query: `not_needed`, `waiting` or `approved`.
    pub(crate) review: String,
    /// Rows of `layout_items`, in their order.
    pub(crate) layouts: Json,
}

impl FromQueryResult for MetricRow {
    fn from_query_result(row: &QueryResult, prefix: &str) -> Result<Self, DbErr> {
        Ok(Self {
            metric: Model::from_query_result(row, prefix)?,
            query_version: row.try_get(prefix, "query_version")?,
            review: row.try_get(prefix, "review")?,
            layouts: row.try_get(prefix, "layouts")?,
        })
    }
}

impl TryFrom<MetricRow> for Metric {
    type Error = CorruptRow;

    fn try_from(
        MetricRow { metric, query_version, review, layouts }: MetricRow,
    ) -> Result<Self, CorruptRow> {
        let items: Vec<layout_items::Model> =
            serde_json::from_value(layouts).map_err(|fault| CorruptRow::of("layouts", fault))?;
        let tags = metric
            .tags
            .iter()
            .map(|tag| Tag::parse(tag))
            .collect::<Result<_, _>>()
            .map_err(|fault| CorruptRow::of("tags", fault))?;
        let cache_ttl = metric
            .cache_ttl_seconds
            .map(|seconds| CacheTtl::from_seconds(seconds.into()))
            .transpose()
            .map_err(|fault| CorruptRow::of("cache_ttl_seconds", fault))?;
        Ok(Self {
            id: MetricId(metric.id),
            query_id: QueryId::parse(metric.query_id)
                .map_err(|fault| CorruptRow::of("query_id", fault))?,
            details: MetricDetails {
                name: MetricName::parse(&metric.name)
                    .map_err(|fault| CorruptRow::of("name", fault))?,
                description: metric.description,
                owner: metric.owner,
                tags,
                display: Display { chart: chart_of(&metric.chart)?, unit: metric.unit },
                cache_ttl,
            },
            is_editable: metric.is_editable,
            layouts: items.into_iter().map(LayoutItem::try_from).collect::<Result<_, _>>()?,
            layout_version: metric.layout_version,
            query_version,
            review: review_of(&review)?,
            origin: origin_of(&metric.origin)?,
        })
    }
}

fn chart_of(word: &str) -> Result<Chart, CorruptRow> {
    Chart::from_word(word).ok_or_else(|| CorruptRow::of("chart", format!("unknown word `{word}`")))
}

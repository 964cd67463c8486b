//! Wire types that several endpoints share, and their conversions from and to domain types.

use chrono::{DateTime, Utc};
use deserr::{DeserializeError, Deserr, IntoValue, Value, ValuePointerRef};
use metricd_application::query_health::QueryHealth;
use metricd_core::{
    layout::{Breakpoint, LayoutItem},
    metric::{self, CacheTtl, Chart, Column, Display, Metric, MetricName, Review, Tag},
    sql::SlotNote,
};
use serde::Serialize;
use utoipa::{
    ToSchema,
    openapi::schema::{AdditionalProperties, Array, ArrayBuilder, Object, ObjectBuilder, Type},
};
use uuid::Uuid;

use crate::{
    extract::JsonInput,
    validation::{InvalidValue, ValidationErrors},
};

/// One place of a metric's tile on the dashboard, in grid units.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LayoutItem)]
pub(crate) struct LayoutItemBody {
    /// Width class of the screen.
    #[schema(example = "lg", pattern = "^[A-Za-z0-9_-]{1,32}$")]
    breakpoint: String,
    /// Columns from the left.
    #[schema(minimum = 0, example = 0)]
    x: i32,
    /// Rows from the top; 9999999 asks for the bottom.
    #[schema(minimum = 0, example = 0)]
    y: i32,
    /// Width in columns.
    #[schema(minimum = 1, example = 6)]
    w: i32,
    /// Height in rows.
    #[schema(minimum = 1, example = 8)]
    h: i32,
    /// Whether the tile may not be dragged.
    #[serde(rename = "static")]
    is_static: Option<bool>,
}

impl From<&LayoutItem> for LayoutItemBody {
    fn from(item: &LayoutItem) -> Self {
        Self {
            breakpoint: item.breakpoint.as_str().to_owned(),
            x: item.x,
            y: item.y,
            w: item.w,
            h: item.h,
            is_static: item.is_static,
        }
    }
}

/// A place of a metric's tile in a request. What else a grid keeps in an item is ignored.
#[derive(Debug, Deserr, ToSchema)]
#[deserr(error = ValidationErrors)]
pub(crate) struct LayoutItemInput {
    /// Width class of the screen.
    #[deserr(try_from(String) = read_breakpoint -> InvalidValue)]
    #[schema(value_type = String, example = "lg", pattern = "^[A-Za-z0-9_-]{1,32}$")]
    breakpoint: Breakpoint,
    /// Columns from the left.
    #[deserr(try_from(i32) = position -> InvalidValue)]
    #[schema(minimum = 0, maximum = 2_147_483_647, example = 0)]
    x: i32,
    /// Rows from the top; 9999999 asks for the bottom.
    #[deserr(try_from(i32) = position -> InvalidValue)]
    #[schema(minimum = 0, maximum = 2_147_483_647, example = 0)]
    y: i32,
    /// Width in columns.
    #[deserr(try_from(i32) = size -> InvalidValue)]
    #[schema(minimum = 1, maximum = 2_147_483_647, example = 6)]
    w: i32,
    /// Height in rows.
    #[deserr(try_from(i32) = size -> InvalidValue)]
    #[schema(minimum = 1, maximum = 2_147_483_647, example = 8)]
    h: i32,
    /// Whether the tile may not be dragged.
    #[deserr(rename = "static", default)]
    #[schema(rename = "static")]
    is_static: Option<bool>,
}

impl JsonInput for Vec<LayoutItemInput> {}

impl From<LayoutItemInput> for LayoutItem {
    fn from(input: LayoutItemInput) -> Self {
        let LayoutItemInput { breakpoint, x, y, w, h, is_static } = input;
        Self { breakpoint, x, y, w, h, is_static }
    }
}

fn read_breakpoint(text: String) -> Result<Breakpoint, InvalidValue> {
    Breakpoint::parse(text).map_err(|error| InvalidValue::value(error.to_string()))
}

fn position(value: i32) -> Result<i32, InvalidValue> {
    at_least(LayoutItem::LEAST_POSITION, value)
}

fn size(value: i32) -> Result<i32, InvalidValue> {
    at_least(LayoutItem::LEAST_SIZE, value)
}

fn at_least(least: i32, value: i32) -> Result<i32, InvalidValue> {
    if value >= least {
        Ok(value)
    } else {
        Err(InvalidValue::range(format!("must be at least {least}")))
    }
}

/// Fields of a metric that a client reads and does not write.
pub(crate) const READ_ONLY: &[&str] = &[
    "id",
    "layout_version",
    "query_version",
    "review",
    "columns",
    "records",
    "truncated",
    "params",
    "as_of",
];

/// Reads a name.
pub(crate) fn name(text: &str) -> Result<MetricName, InvalidValue> {
    MetricName::parse(text).map_err(|error| InvalidValue::value(error.to_string()))
}

/// Reads tags, without duplicates.
pub(crate) fn tags(texts: Vec<String>) -> Result<Vec<Tag>, InvalidValue> {
    let mut tags: Vec<Tag> = Vec::new();
    for text in texts {
        let tag =
            Tag::parse(&text).map_err(|error| InvalidValue::value(format!("each {error}")))?;
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    Ok(tags)
}

/// Reads a longer text.
pub(crate) fn prose(text: String) -> Result<String, InvalidValue> {
    metric::check_prose(&text).map_err(|error| InvalidValue::value(error.to_string()))?;
    Ok(text)
}

/// Reads a time to live of cached answers.
pub(crate) fn cache_ttl(seconds: i64) -> Result<CacheTtl, InvalidValue> {
    CacheTtl::from_seconds(seconds).map_err(|error| InvalidValue::value(error.to_string()))
}

/// Reads an optional value; `null` means the same as a missing field.
pub(crate) fn optional<T, U>(
    value: Option<T>,
    read: impl FnOnce(T) -> Result<U, InvalidValue>,
) -> Result<Option<U>, InvalidValue> {
    value.map(read).transpose()
}

/// A field of a patch: missing, or given (where `null` is a value too).
#[derive(Debug, Default)]
pub(crate) enum PatchField<T> {
    #[default]
    Keep,
    Set(T),
}

impl<T> PatchField<T> {
    pub(crate) fn into_option(self) -> Option<T> {
        match self {
            Self::Keep => None,
            Self::Set(value) => Some(value),
        }
    }
}

impl<T> PatchField<Option<T>> {
    /// Reads the value, if one is given.
    pub(crate) fn read<U>(
        self,
        read: impl FnOnce(T) -> Result<U, InvalidValue>,
    ) -> Result<PatchField<Option<U>>, InvalidValue> {
        match self {
            Self::Set(value) => optional(value, read).map(PatchField::Set),
            Self::Keep => Ok(PatchField::Keep),
        }
    }
}

impl<T: Deserr<E>, E: DeserializeError> Deserr<E> for PatchField<T> {
    fn deserialize_from_value<V: IntoValue>(
        value: Value<V>,
        location: ValuePointerRef<'_>,
    ) -> Result<Self, E> {
        T::deserialize_from_value(value, location).map(Self::Set)
    }
}

/// How the dashboard draws a metric.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Display)]
pub(crate) struct DisplayBody {
    /// The kind of chart.
    chart: ChartBody,
    /// The unit shown beside numbers.
    #[schema(example = "€")]
    unit: Option<String>,
}

/// How the dashboard is to draw a metric.
#[derive(Debug, ToSchema, Deserr)]
#[deserr(error = ValidationErrors, deny_unknown_fields)]
pub(crate) struct DisplayInput {
    /// The kind of chart; `auto` unless it is given.
    #[schema(required = false)]
    #[deserr(default = ChartBody::Auto)]
    chart: ChartBody,
    /// The unit to show beside numbers.
    #[schema(example = "€", min_length = 1, max_length = 20)]
    #[deserr(default, try_from(Option<String>) = read_unit -> InvalidValue)]
    unit: Option<String>,
}

fn read_unit(text: Option<String>) -> Result<Option<String>, InvalidValue> {
    optional(text, |text| {
        metric::check_unit(&text).map_err(|error| InvalidValue::value(error.to_string()))?;
        Ok(text)
    })
}

/// Kinds of chart.
#[derive(Debug, Clone, Copy, Serialize, ToSchema, Deserr)]
#[serde(rename_all = "lowercase")]
#[deserr(error = ValidationErrors, rename_all = lowercase)]
#[schema(as = Chart)]
pub(crate) enum ChartBody {
    Auto,
    Line,
    Area,
    Bar,
    Pie,
    Number,
    Table,
}

impl From<&Display> for DisplayBody {
    fn from(display: &Display) -> Self {
        let chart = match display.chart {
            Chart::Auto => ChartBody::Auto,
            Chart::Line => ChartBody::Line,
            Chart::Area => ChartBody::Area,
            Chart::Bar => ChartBody::Bar,
            Chart::Pie => ChartBody::Pie,
            Chart::Number => ChartBody::Number,
            Chart::Table => ChartBody::Table,
        };
        Self { chart, unit: display.unit.clone() }
    }
}

impl From<DisplayInput> for Display {
    fn from(input: DisplayInput) -> Self {
        let chart = match input.chart {
            ChartBody::Auto => Chart::Auto,
            ChartBody::Line => Chart::Line,
            ChartBody::Area => Chart::Area,
            ChartBody::Bar => Chart::Bar,
            ChartBody::Pie => Chart::Pie,
            ChartBody::Number => Chart::Number,
            ChartBody::Table => Chart::Table,
        };
        Self { chart, unit: input.unit }
    }
}

/// A metric without its rows.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Metric)]
pub(crate) struct MetricBody {
    id: Uuid,
    name: String,
    description: Option<String>,
    /// Who answers for it.
    owner: Option<String>,
    tags: Vec<String>,
    display: DisplayBody,
    /// How many seconds its answers are used again; null means as long as the server's setting says.
    cache_ttl_seconds: Option<u32>,
    /// Whether it may be changed; `false` locks it.
    is_editable: bool,
    layouts: Vec<LayoutItemBody>,
    /// Counts changes of the layouts; send it back as `If-Match` to move a tile.
    #[schema(minimum = 1)]
    layout_version: i64,
    /// Counts changes of the query.
    #[schema(minimum = 1)]
    query_version: i64,
    #[schema(schema_with = review_schema)]
    review: &'static str,
}

impl From<&Metric> for MetricBody {
    fn from(metric: &Metric) -> Self {
        let details = &metric.details;
        Self {
            id: metric.id.0,
            name: details.name.as_str().to_owned(),
            description: details.description.clone(),
            owner: details.owner.clone(),
            tags: details.tags.iter().map(|tag| tag.as_str().to_owned()).collect(),
            display: (&details.display).into(),
            cache_ttl_seconds: details.cache_ttl.map(CacheTtl::seconds),
            is_editable: metric.is_editable,
            layouts: metric.layouts.iter().map(Into::into).collect(),
            layout_version: metric.layout_version,
            query_version: metric.query_version,
            review: metric.review.as_str(),
        }
    }
}

/// A metric of a list.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ListedMetric)]
pub(crate) struct ListedMetricBody {
    #[serde(flatten)]
    metric: MetricBody,
    /// What failed when its query last ran on this server; null when it ran, or was not run yet.
    health: Option<QueryHealthBody>,
}

/// Since when a metric's query fails.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MetricHealth)]
pub(crate) struct QueryHealthBody {
    #[schema(schema_with = health_schema)]
    status: &'static str,
    /// When it first failed.
    since: DateTime<Utc>,
}

impl ListedMetricBody {
    /// A metric with what is known of its query.
    pub(crate) fn new(metric: &Metric, health: &QueryHealth) -> Self {
        let failure = health.failure(metric.id, metric.query_version);
        let health = failure.map(|failure| QueryHealthBody {
            status: if failure.is_broken { "broken" } else { "failing" },
            since: failure.since,
        });
        Self { metric: metric.into(), health }
    }
}

/// What became of a place in the author's SQL.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SlotNote)]
pub(crate) struct NoteBody {
    line: u32,
    column: u32,
    /// Whether it became a slot.
    slot: bool,
    #[schema(schema_with = severity_schema)]
    severity: &'static str,
    message: String,
}

impl From<SlotNote> for NoteBody {
    fn from(note: SlotNote) -> Self {
        let SlotNote { line, column, is_slot, severity, of_records: _, message } = note;
        Self { line, column, slot: is_slot, severity: severity.as_str(), message }
    }
}

fn health_schema() -> Object {
    let description =
        "`broken`: the query no longer fits the database. `failing`: it failed on data.";
    word_schema(["broken", "failing"], description)
}

fn severity_schema() -> Object {
    word_schema(["info", "warning"], "`warning` where it is probably a mistake, else `info`.")
}

/// The schema of a [`Review`].
pub(crate) fn review_schema() -> Object {
    let description =
        "`waiting` while it cannot be read, because a generated query has to be approved.";
    word_schema(Review::ALL.map(Review::as_str), description)
}

/// The schema of a text that is one of `words`.
pub(crate) fn word_schema<'a>(
    words: impl IntoIterator<Item = &'a str>,
    description: &str,
) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(words))
        .description(Some(description))
        .build()
}

/// The schema of rows: a list of objects that have whatever columns there are.
pub(crate) fn rows_schema() -> Array {
    let row =
        ObjectBuilder::new().additional_properties(Some(AdditionalProperties::FreeForm(true)));
    let description = "The rows of the query, one object each, as PostgreSQL wrote them: numbers are exact, \
                       digit for digit.";
    ArrayBuilder::new().items(row).description(Some(description)).build()
}

/// A column of an answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Column)]
pub(crate) struct ColumnBody {
    name: String,
    /// PostgreSQL's name of the type.
    #[serde(rename = "type")]
    #[schema(example = "numeric")]
    ty: String,
}

impl From<&Column> for ColumnBody {
    fn from(column: &Column) -> Self {
        Self { name: column.name.clone(), ty: column.ty.clone() }
    }
}

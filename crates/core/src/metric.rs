//! Metrics and their queries.

use chrono::{DateTime, Utc};
use thiserror::Error;

use crate::{
    ids::{MetricId, QueryId},
    layout::LayoutItem,
    sql::Template,
};

/// A metric: a named query, and its position on the dashboard.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// Its identity.
    pub id: MetricId,
    /// The query that answers it.
    pub query_id: QueryId,
    /// Its name and how it is shown.
    pub details: MetricDetails,
    /// Whether it may be changed; `false` locks it.
    pub is_editable: bool,
    /// The dashboard tiles, in the author's order.
    pub layouts: Vec<LayoutItem>,
    /// Counts changes of the layouts; a client sends it back to move a tile.
    pub layout_version: i64,
    /// Counts changes of the query; only these invalidate cached rows.
    pub query_version: i64,
    /// Whether its query may run.
    pub review: Review,
    /// Where it comes from: only an import's metrics may be pruned by an import.
    pub origin: MetricOrigin,
}

impl Metric {
    /// Creates a metric as the API does by default: editable, without tiles, and at its first version.
    #[must_use]
    pub fn new(id: MetricId, query_id: QueryId, details: MetricDetails) -> Self {
        Self {
            id,
            query_id,
            details,
            is_editable: true,
            layouts: Vec::new(),
            layout_version: 1,
            query_version: 1,
            review: Review::NotNeeded,
            origin: MetricOrigin::Api,
        }
    }
}

/// The name of a metric and how it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricDetails {
    /// A short name.
    pub name: MetricName,
    /// A longer explanation.
    pub description: Option<String>,
    /// The owner.
    pub owner: Option<String>,
    /// Tags to find it by.
    pub tags: Vec<Tag>,
    /// How the dashboard draws it.
    pub display: Display,
    /// The time to live of its cached answers, if not that of all metrics.
    pub cache_ttl: Option<CacheTtl>,
}

impl MetricDetails {
    /// Creates details with nothing but a name.
    #[must_use]
    pub fn named(name: MetricName) -> Self {
        Self {
            name,
            description: None,
            owner: None,
            tags: Vec::new(),
            display: Display::default(),
            cache_ttl: None,
        }
    }
}

/// The time to live of a cached answer: whole seconds up to a week, or zero for no cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CacheTtl(u32);

/// A time to live that is negative or too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be 0 to {} seconds", CacheTtl::MAX_SECONDS)]
pub struct InvalidCacheTtl;

impl CacheTtl {
    /// The longest time: a week.
    pub const MAX_SECONDS: u32 = 7 * 24 * 60 * 60;

    /// Checks and wraps a number of seconds; with 0 no answer is cached.
    ///
    /// # Errors
    /// When it is negative or more than a week.
    pub fn from_seconds(seconds: i64) -> Result<Self, InvalidCacheTtl> {
        let fits = u32::try_from(seconds).ok().filter(|seconds| *seconds <= Self::MAX_SECONDS);
        fits.map(Self).ok_or(InvalidCacheTtl)
    }

    /// Returns the number of seconds.
    #[must_use]
    pub fn seconds(self) -> u32 {
        self.0
    }
}

/// A metric's name: 1 to 200 characters on one line.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MetricName(String);

/// A tag to find a metric by: 1 to 50 characters without control characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(String);

/// A description, a sentence or an owner that is empty, too long, or holds NUL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be 1 to {MAX_PROSE_CHARS} characters")]
pub struct InvalidProse;

/// The most characters of a longer text.
pub const MAX_PROSE_CHARS: usize = 2_000;

/// Checks a longer text: a description, an owner, a sentence. It may have several lines.
///
/// # Errors
/// When it is blank, too long, or holds NUL, which PostgreSQL's `text` cannot.
pub fn check_prose(text: &str) -> Result<(), InvalidProse> {
    let fits =
        !text.trim().is_empty() && text.chars().count() <= MAX_PROSE_CHARS && !text.contains('\0');
    if fits { Ok(()) } else { Err(InvalidProse) }
}

/// Checks a unit shown beside numbers: 1 to 20 printable characters.
///
/// # Errors
/// When it is blank, too long, or holds control characters.
pub fn check_unit(text: &str) -> Result<(), InvalidText> {
    one_line(text, 20).map(|_| ())
}

/// A text that is too short, too long, or not printable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be 1 to {max} printable characters on one line")]
pub struct InvalidText {
    /// The most characters allowed.
    pub max: usize,
}

fn one_line(text: &str, max: usize) -> Result<String, InvalidText> {
    let text = text.trim();
    let fits =
        !text.is_empty() && text.chars().count() <= max && !text.chars().any(char::is_control);
    if fits { Ok(text.to_owned()) } else { Err(InvalidText { max }) }
}

impl MetricName {
    /// The most characters that a name may have.
    pub const MAX_CHARS: usize = 200;

    /// Checks and wraps `text`, without white space at its ends.
    ///
    /// # Errors
    /// When it is empty, too long, or holds control characters.
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        one_line(text, Self::MAX_CHARS).map(Self)
    }

    /// Returns the default name of a metric: the first line of the SQL's leading comment, else the
    /// query's id.
    #[must_use]
    pub fn from_query(sql: &str, query_id: &QueryId) -> Self {
        let comment = crate::sql::leading_comment(sql)
            .map(|line| line.chars().filter(|c| !c.is_control()).take(Self::MAX_CHARS).collect())
            .and_then(|line: String| Self::parse(&line).ok());
        comment.unwrap_or_else(|| Self(query_id.as_str().to_owned()))
    }

    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Tag {
    /// The most characters that a tag may have.
    pub const MAX_CHARS: usize = 50;

    /// Checks and wraps `text`, without white space at its ends.
    ///
    /// # Errors
    /// When it is empty, too long, or holds control characters.
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        one_line(text, Self::MAX_CHARS).map(Self)
    }

    /// Returns the tag.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How the dashboard draws a metric.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Display {
    /// The kind of chart.
    pub chart: Chart,
    /// The unit shown beside numbers, such as `€`.
    pub unit: Option<String>,
}

/// Kinds of chart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Chart {
    /// Chosen from the columns' types.
    #[default]
    Auto,
    /// A line over time.
    Line,
    /// Filled area over time.
    Area,
    /// Bars.
    Bar,
    /// Shares of a whole.
    Pie,
    /// One large number.
    Number,
    /// The rows as they are.
    Table,
}

impl Chart {
    /// All variants.
    pub const ALL: [Self; 7] =
        [Self::Auto, Self::Line, Self::Area, Self::Bar, Self::Pie, Self::Number, Self::Table];

    /// Returns the kind as files and the database write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Line => "line",
            Self::Area => "area",
            Self::Bar => "bar",
            Self::Pie => "pie",
            Self::Number => "number",
            Self::Table => "table",
        }
    }

    /// Parses a kind of chart.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|chart| chart.as_str() == word)
    }
}

/// The origin of a metric or query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MetricOrigin {
    /// A file, through `import` or seeding.
    Import,
    /// A caller, through the API.
    Api,
}

/// The query of a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// Its identity; records name it.
    pub id: QueryId,
    /// The author's text, verbatim.
    pub sql: String,
    /// The template that it compiled to.
    pub template: Template,
    /// The columns of its result, as the database described them when it was compiled.
    pub columns: Vec<Column>,
    /// Counts changes of the text, from 1.
    pub version: i64,
    /// Whether it may run.
    pub review: Review,
    /// Where it comes from.
    pub origin: MetricOrigin,
}

/// The review of a query. A generated one can be required to wait for approval before it runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Review {
    /// No approval is needed.
    #[default]
    NotNeeded,
    /// It does not run before it is approved.
    Waiting,
    /// It was approved as it is.
    Approved,
}

impl Review {
    /// All variants.
    pub const ALL: [Self; 3] = [Self::NotNeeded, Self::Waiting, Self::Approved];

    /// Returns the review as files and the database write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotNeeded => "not_needed",
            Self::Waiting => "waiting",
            Self::Approved => "approved",
        }
    }

    /// Parses a review.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|review| review.as_str() == word)
    }

    /// Returns the review after an edit, where generated queries need approval or do not. An approval is
    /// of one text: an edit ends it.
    #[must_use]
    pub fn after_edit(self, is_required: bool) -> Self {
        match self {
            Self::NotNeeded => Self::NotNeeded,
            Self::Approved if !is_required => Self::NotNeeded,
            Self::Waiting | Self::Approved => Self::Waiting,
        }
    }
}

/// An earlier version of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryVersion {
    /// The version.
    pub version: i64,
    /// The author's text, verbatim.
    pub sql: String,
    /// When it was replaced.
    pub replaced_at: DateTime<Utc>,
    /// The subject of the caller who replaced it.
    pub replaced_by: String,
}

impl Query {
    /// Creates a query as the API does by default; its columns are not known yet.
    #[must_use]
    pub fn new(id: QueryId, sql: String, template: Template) -> Self {
        Self {
            id,
            sql,
            template,
            columns: Vec::new(),
            version: 1,
            review: Review::NotNeeded,
            origin: MetricOrigin::Api,
        }
    }

    /// Returns this version for the history, when `subject` replaces it.
    #[must_use]
    pub fn replaced(&self, at: DateTime<Utc>, subject: &str) -> QueryVersion {
        QueryVersion {
            version: self.version,
            sql: self.sql.clone(),
            replaced_at: at,
            replaced_by: subject.to_owned(),
        }
    }
}

/// A column of a query's result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// PostgreSQL's name of its type, such as `date`, `int8` or `numeric`.
    pub ty: String,
}

/// A metric together with the query that answers it.
#[derive(Debug, Clone, PartialEq)]
pub struct CompiledMetric {
    /// The metric.
    pub metric: Metric,
    /// Its query.
    pub query: Query,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_approval_is_of_one_text() {
        use Review::{Approved, NotNeeded, Waiting};
        for (before, is_required, after) in [
            (NotNeeded, true, NotNeeded),
            (NotNeeded, false, NotNeeded),
            (Waiting, true, Waiting),
            (Waiting, false, Waiting),
            (Approved, true, Waiting),
            (Approved, false, NotNeeded),
        ] {
            assert_eq!(before.after_edit(is_required), after, "{before:?} {is_required}");
        }
    }
}

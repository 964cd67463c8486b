//! Rows that cannot be read as what they should be, and the words that several tables share.

use metricd_core::metric::{MetricOrigin, Review};
use thiserror::Error;

/// A stored row that does not hold what it should.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct CorruptRow(pub(crate) String);

impl CorruptRow {
    pub(crate) fn of(field: &str, fault: impl std::fmt::Display) -> Self {
        Self(format!("{field}: {fault}"))
    }
}

pub(super) fn review_of(word: &str) -> Result<Review, CorruptRow> {
    Review::from_word(word)
        .ok_or_else(|| CorruptRow::of("review", format!("unknown word `{word}`")))
}

pub(super) fn origin_word(origin: MetricOrigin) -> &'static str {
    match origin {
        MetricOrigin::Import => "import",
        MetricOrigin::Api => "api",
    }
}

pub(super) fn origin_of(word: &str) -> Result<MetricOrigin, CorruptRow> {
    match word {
        "import" => Ok(MetricOrigin::Import),
        "api" => Ok(MetricOrigin::Api),
        other => Err(CorruptRow::of("origin", format!("unknown word `{other}`"))),
    }
}

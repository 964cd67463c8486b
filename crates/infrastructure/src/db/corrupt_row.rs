//! Stored rows that cannot be converted to the domain, and the words that several tables share.

use metricd_core::metric::{MetricOrigin, Review};
use thiserror::Error;

/// A stored row that the domain cannot represent.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct CorruptRow(pub(crate) String);

impl CorruptRow {
    pub(crate) fn of(field: &str, fault: impl std::fmt::Display) -> Self {
        Self(format!("{field}: {fault}"))
    }
}

pub(crate) fn review_of(word: &str) -> Result<Review, CorruptRow> {
    Review::from_word(word)
        .ok_or_else(|| CorruptRow::of("review", format!("unknown word `{word}`")))
}

pub(crate) fn origin_word(origin: MetricOrigin) -> &'static str {
    match origin {
        MetricOrigin::Import => "import",
        MetricOrigin::Api => "api",
    }
}

pub(crate) fn origin_of(word: &str) -> Result<MetricOrigin, CorruptRow> {
    match word {
        "import" => Ok(MetricOrigin::Import),
        "api" => Ok(MetricOrigin::Api),
        other => Err(CorruptRow::of("origin", format!("unknown word `{other}`"))),
    }
}

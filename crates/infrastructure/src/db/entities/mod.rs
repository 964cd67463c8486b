//! The rows of metricd's tables, one file each, with the ways to and from the domain beside them.

use metricd_core::metric::{MetricOrigin, Review};
use thiserror::Error;

pub mod audit_events;
pub mod idempotency_keys;
pub mod layout_items;
pub mod metric_configurations;
pub mod queries;
pub mod query_versions;
pub mod records;

/// What is wrong with a stored row.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct Damage(pub(crate) String);

impl Damage {
    pub(crate) fn of(field: &str, fault: impl std::fmt::Display) -> Self {
        Self(format!("{field}: {fault}"))
    }
}

fn review_of(word: &str) -> Result<Review, Damage> {
    Review::from_word(word).ok_or_else(|| Damage::of("review", format!("unknown word `{word}`")))
}

fn origin_word(origin: MetricOrigin) -> &'static str {
    match origin {
        MetricOrigin::Import => "import",
        MetricOrigin::Api => "api",
    }
}

fn origin_of(word: &str) -> Result<MetricOrigin, Damage> {
    match word {
        "import" => Ok(MetricOrigin::Import),
        "api" => Ok(MetricOrigin::Api),
        other => Err(Damage::of("origin", format!("unknown word `{other}`"))),
    }
}

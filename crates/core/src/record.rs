//! A row of the built-in table `metrics`.

use chrono::NaiveDateTime;
use thiserror::Error;

use crate::ids::QueryId;

/// One record of a query's data, without its row key.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricRecord {
    /// The query that the record belongs to.
    pub query_id: QueryId,
    /// When it happened, as UTC wall time.
    pub date: NaiveDateTime,
    /// What was recorded.
    pub values: RecordValues,
}

/// The five measures of a record, each optional.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RecordValues {
    /// Value at risk through obsolescence.
    pub obsolescence_val: Option<f64>,
    /// Cost avoided.
    pub obsolescence: Option<f64>,
    /// Number of parts flagged.
    pub parts_flagged: Option<i32>,
    /// Severity of an alert.
    pub alert_type: Option<String>,
    /// What the alert is about.
    pub alert_category: Option<String>,
}

/// A measure that cannot be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidMeasure {
    /// NaN or an infinity.
    #[error("`{field}` must be a finite number")]
    NotFinite {
        /// The measure's name.
        field: &'static str,
    },
    /// PostgreSQL's `text` cannot hold the character NUL.
    #[error("`{field}` must not hold the character NUL")]
    Nul {
        /// The measure's name.
        field: &'static str,
    },
}

impl InvalidMeasure {
    /// The measure's name.
    #[must_use]
    pub fn field(self) -> &'static str {
        match self {
            Self::NotFinite { field } | Self::Nul { field } => field,
        }
    }
}

impl RecordValues {
    /// Every measure that cannot be stored.
    #[must_use]
    pub fn faults(&self) -> Vec<InvalidMeasure> {
        let numbers =
            [("obsolescence_val", self.obsolescence_val), ("obsolescence", self.obsolescence)];
        let texts = [("alert_type", &self.alert_type), ("alert_category", &self.alert_category)];
        numbers
            .into_iter()
            .filter(|(_, value)| value.is_some_and(|v| !v.is_finite()))
            .map(|(field, _)| InvalidMeasure::NotFinite { field })
            .chain(
                texts
                    .into_iter()
                    .filter(|(_, text)| text.as_ref().is_some_and(|t| t.contains('\0')))
                    .map(|(field, _)| InvalidMeasure::Nul { field }),
            )
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_stored_is_named() {
        let values = RecordValues {
            obsolescence: Some(f64::NAN),
            alert_type: Some("a\0b".into()),
            ..RecordValues::default()
        };
        let fields: Vec<_> = values.faults().into_iter().map(InvalidMeasure::field).collect();
        assert_eq!(fields, ["obsolescence", "alert_type"]);
        assert!(RecordValues::default().faults().is_empty());
    }
}

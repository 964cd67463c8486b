//! What new records have in common.

use chrono::{DateTime, NaiveDateTime, Utc};
use metricd_core::{
    ids::QueryId,
    record::{MetricRecord, RecordValues},
};

/// The query that records are added to, and the date of those without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordTarget {
    query_id: QueryId,
    now: NaiveDateTime,
}

impl RecordTarget {
    /// Creates the target of records that are added to the query `query_id` at `now`.
    #[must_use]
    pub fn new(query_id: QueryId, now: DateTime<Utc>) -> Self {
        Self { query_id, now: now.naive_utc() }
    }

    /// Returns the record of these values: finite numbers, and texts without NUL.
    #[must_use]
    pub fn record(&self, date: Option<NaiveDateTime>, values: RecordValues) -> MetricRecord {
        let date = date.unwrap_or(self.now);
        MetricRecord { query_id: self.query_id.clone(), date, values }
    }
}

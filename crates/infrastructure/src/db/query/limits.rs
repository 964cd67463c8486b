//! What authors' queries may cost.

use std::time::Duration;

/// What a run may cost.
#[derive(Debug, Clone, Copy)]
pub(in crate::db) struct RunLimits {
    /// How long a query may run.
    pub(in crate::db) deadline: Duration,
    /// The most rows of an answer, by which a query is costed.
    pub(in crate::db) max_rows: u32,
    /// The most bytes of an answer's rows, or of one row of an export.
    pub(in crate::db) max_bytes: u64,
    /// How long an export of all rows may take.
    pub(in crate::db) export_deadline: Duration,
}

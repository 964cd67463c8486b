//! What the only connection of the embedded engine is used for.

use std::time::Duration;

/// What a permit is for, which says how long the embedded engine may go on with it.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(
    not(feature = "embedded"),
    expect(dead_code, reason = "a server ends by itself what takes too long")
)]
pub(super) enum Purpose<'a> {
    /// metricd reads what is its own.
    Own,
    /// A unit of work.
    Write,
    /// A question about or by an author's query, which is described, planned or run.
    Query {
        /// Its SQL, where that is part of the question.
        sql: Option<&'a str>,
        /// How long it may take.
        time: Duration,
    },
    /// An export of its rows.
    Export {
        /// Its SQL.
        sql: &'a str,
    },
}

#[cfg(feature = "embedded")]
impl<'a> Purpose<'a> {
    /// The author's SQL, if it is that which runs.
    pub(super) fn sql(&self) -> Option<&'a str> {
        match *self {
            Self::Query { sql, .. } => sql,
            Self::Export { sql } => Some(sql),
            Self::Own | Self::Write => None,
        }
    }
}

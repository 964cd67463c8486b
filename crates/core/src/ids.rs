//! Identifiers, each a type of its own so that one cannot be passed for another.

use std::{fmt, sync::Arc};

use thiserror::Error;
use uuid::Uuid;

/// Identifies a metric. Callers see it in URLs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MetricId(pub Uuid);

impl fmt::Display for MetricId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Identifies one row of the built-in `metrics` table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordId(pub Uuid);

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Identifies a query: free text chosen by its author, 1 to 200 characters without control characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueryId(Arc<str>);

/// Why a text is not a [`QueryId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidQueryId {
    /// Nothing but white space.
    #[error("a query id must not be empty")]
    Empty,
    /// More than [`QueryId::MAX_CHARS`] characters.
    #[error("a query id has at most {} characters", QueryId::MAX_CHARS)]
    TooLong,
    /// A control character, or white space at either end.
    #[error("a query id must not hold control characters or begin or end with white space")]
    Unprintable,
}

impl QueryId {
    /// The most characters that an id may have.
    pub const MAX_CHARS: usize = 200;

    /// Checks and wraps `text`.
    ///
    /// # Errors
    /// When the text is empty, too long, or holds what cannot be printed.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidQueryId> {
        let text = text.into();
        if text.trim().is_empty() {
            Err(InvalidQueryId::Empty)
        } else if text.chars().count() > Self::MAX_CHARS {
            Err(InvalidQueryId::TooLong)
        } else if text.chars().any(char::is_control) || text.trim() != text {
            Err(InvalidQueryId::Unprintable)
        } else {
            Ok(Self(text.into()))
        }
    }

    /// The id as its author wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Uuid> for QueryId {
    fn from(id: Uuid) -> Self {
        Self(id.to_string().into())
    }
}

impl fmt::Display for QueryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_id_is_kept_as_written_or_refused_with_the_reason() {
        assert_eq!(QueryId::parse("cmcw1zaxw").unwrap().as_str(), "cmcw1zaxw");
        assert_eq!(QueryId::parse("  "), Err(InvalidQueryId::Empty));
        assert_eq!(QueryId::parse("x".repeat(201)), Err(InvalidQueryId::TooLong));
        assert_eq!(QueryId::parse("a\nb"), Err(InvalidQueryId::Unprintable));
        assert_eq!(QueryId::parse(" a"), Err(InvalidQueryId::Unprintable));
    }
}

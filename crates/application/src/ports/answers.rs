//! How an answer looks to callers.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use metricd_core::{metric::CompiledMetric, parameters::Parameters};

/// Writes answers as the bodies that callers get.
pub trait AnswerWriter: Send + Sync {
    /// The body, the same for every caller with the same key.
    fn write(&self, answer: AnswerDraft<'_>) -> RenderedAnswer;
}

/// What an answer says.
#[derive(Debug, Clone, Copy)]
pub struct AnswerDraft<'a> {
    /// The metric and its query.
    pub compiled: &'a CompiledMetric,
    /// What its query was run with.
    pub parameters: &'a Parameters,
    /// A JSON array of objects.
    pub rows: &'a [u8],
    /// Whether rows were left out because there were more than allowed.
    pub truncated: bool,
    /// When the rows were read.
    pub as_of: DateTime<Utc>,
}

/// A finished body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedAnswer {
    /// The bytes.
    pub body: Bytes,
    /// Where in it the rows stand.
    pub rows: Range<usize>,
    /// Names everything in it but the instant: a body of the same tag holds the same.
    pub tag: Arc<str>,
}

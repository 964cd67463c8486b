//! The port that renders answers as response bodies.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use metricd_core::{
    metric::{Column, CompiledMetric},
    parameters::Parameters,
};

/// Renders answers as the bodies of responses.
pub trait AnswerWriter: Send + Sync {
    /// Renders an answer, the same for every caller with the same key.
    fn write(&self, answer: AnswerDraft<'_>) -> RenderedAnswer;

    /// Returns the number of content encodings in which a body can be cached, numbered from zero.
    fn encodings(&self) -> usize;
}

/// The contents of an answer.
#[derive(Debug, Clone, Copy)]
pub struct AnswerDraft<'a> {
    /// The metric and its query.
    pub compiled: &'a CompiledMetric,
    /// The columns of the rows.
    pub columns: &'a [Column],
    /// The parameters that its query was bound to.
    pub parameters: &'a Parameters,
    /// A JSON array of objects.
    pub rows: &'a [u8],
    /// Whether rows were left out because there were more than allowed.
    pub truncated: bool,
    /// When the rows were read.
    pub as_of: DateTime<Utc>,
}

/// A rendered body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedAnswer {
    /// The bytes.
    pub body: Bytes,
    /// The part of it that holds the rows.
    pub rows: Range<usize>,
    /// Identifies everything in it but the instant: bodies with the same tag hold the same.
    pub tag: Arc<str>,
}

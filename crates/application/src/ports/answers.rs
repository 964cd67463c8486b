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
    /// Renders what all answers of a metric begin with, whose rows have these columns.
    fn write_head(&self, compiled: &CompiledMetric, columns: &[Column]) -> AnswerHead;

    /// Renders an answer, the same for every caller with the same key.
    fn write(&self, answer: AnswerDraft<'_>) -> RenderedAnswer;

    /// Returns the number of content encodings in which a body can be cached, numbered from zero.
    fn encodings(&self) -> usize;
}

/// What all answers of a metric begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerHead {
    /// The bytes before the rows.
    pub text: Box<[u8]>,
    /// Names the metric's state.
    pub revision: Box<str>,
    /// Identifies the bytes and the query that the rows are read by.
    pub digest: [u8; 32],
}

/// The contents of an answer.
#[derive(Debug, Clone, Copy)]
pub struct AnswerDraft<'a> {
    /// What it begins with.
    pub head: &'a AnswerHead,
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

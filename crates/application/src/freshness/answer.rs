//! A cached answer, and where a caller's answer came from.

use std::{
    sync::{Arc, OnceLock, atomic::AtomicBool},
    time::{Duration, Instant},
};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use metricd_core::changes::Snapshot;

use super::{bound_query::BoundQuery, definition_cache::Definition, versions::Dependencies};
use crate::ports::RenderedAnswer;

/// A finished answer.
pub struct Answer {
    pub(super) definition: Arc<Definition>,
    rendered: RenderedAnswer,
    /// The compressed bodies, one for each encoding of the writer.
    encoded: Box<[OnceLock<Bytes>]>,
    pub(super) provenance: Provenance,
    pub(super) lifetime: AnswerLifetime,
    /// Whether a refresh of it is in flight.
    pub(super) is_refreshing: AtomicBool,
}

/// How an answer's rows were read.
#[derive(Clone)]
pub(super) struct Provenance {
    pub(super) truncated: bool,
    pub(super) as_of: DateTime<Utc>,
    /// When the read began.
    pub(super) read_at: Instant,
    /// How long after that the rows can be right: to the end of the day that they depend on.
    pub(super) valid_for: Option<Duration>,
    pub(super) snapshot: Snapshot,
    pub(super) dependencies: Arc<Dependencies>,
    /// Whether the rows can change only with these.
    pub(super) is_whole: bool,
}

/// How long an answer is served, from the moment its read began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AnswerLifetime {
    /// As a fresh one.
    pub(super) fresh_for: Duration,
    /// As a fresh or a stale one.
    pub(super) servable_for: Duration,
}

/// An answer with the query that it is the answer to, and where it came from.
#[derive(Debug, Clone)]
pub struct SourcedAnswer {
    /// The query.
    pub query: BoundQuery,
    /// The answer.
    pub answer: Arc<Answer>,
    /// Where it came from.
    pub source: AnswerSource,
}

/// Where an answer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerSource {
    /// A cache hit.
    Hit {
        /// How much longer the entry is fresh; zero if it is stale and being refreshed.
        fresh_for: Duration,
        /// How long ago its rows were read.
        age: Duration,
    },
    /// A read from the database.
    Miss {
        /// Why the cache was not used.
        reason: MissReason,
        /// Whether the answer was stored in the cache.
        stored: bool,
        /// Whether the caller joined a read that was already in flight.
        collapsed: bool,
        /// How long the caller waited for it.
        took: Duration,
    },
}

/// Why an answer was read from the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissReason {
    /// There was no entry.
    Absent,
    /// The entry had expired, or its data had changed.
    Expired,
    /// The caller bypassed the cache.
    Bypassed,
    /// Answers of this query are not cached.
    Uncacheable,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").field("as_of", &self.provenance.as_of).finish_non_exhaustive()
    }
}

impl Answer {
    pub(super) fn new(
        definition: Arc<Definition>,
        rendered: RenderedAnswer,
        encodings: usize,
        provenance: Provenance,
        lifetime: AnswerLifetime,
    ) -> Self {
        let encoded = (0..encodings).map(|_| OnceLock::new()).collect();
        let is_refreshing = AtomicBool::new(false);
        Self { definition, rendered, encoded, provenance, lifetime, is_refreshing }
    }

    /// The body of the response.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.rendered.body
    }

    /// Identifies everything in the body but the instant.
    #[must_use]
    pub fn tag(&self) -> &str {
        &self.rendered.tag
    }

    /// The rows alone: a JSON array of objects.
    #[must_use]
    pub fn rows(&self) -> Bytes {
        self.rendered.body.slice(self.rendered.rows.clone())
    }

    /// Whether rows were left out because there were more than allowed.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.provenance.truncated
    }

    /// The metric.
    #[must_use]
    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    /// The body in the encoding with this number, if it was compressed already.
    #[must_use]
    pub fn encoded(&self, encoding: usize) -> Option<&Bytes> {
        self.encoded.get(encoding)?.get()
    }

    /// Waits until something that the rows were read from has changed; returns at once if it has since. The
    /// change may turn out to be one that the read has seen. Rows of foreign tables, materialized views and
    /// functions change unnoticed: see [`Self::is_watchable`].
    pub async fn changed(&self) {
        self.provenance.dependencies.changed().await;
    }

    /// Whether every change of the rows wakes [`Self::changed`].
    #[must_use]
    pub fn is_watchable(&self) -> bool {
        self.provenance.is_whole
    }

    /// Caches the body in an encoding, unless one is cached already, and returns the cached one.
    pub(super) fn encode(&self, encoding: usize, body: Bytes) -> Option<Bytes> {
        Some(self.encoded.get(encoding)?.get_or_init(|| body).clone())
    }

    pub(super) fn is_current(&self) -> bool {
        self.provenance.dependencies.is_current(&self.provenance.snapshot)
    }

    /// The memory that it takes, in bytes, approximately.
    pub(super) fn weight(&self) -> usize {
        let encoded: usize = self.encoded.iter().filter_map(OnceLock::get).map(Bytes::len).sum();
        let bodies = self.body().len() + encoded;
        // The allocator's sizes are an eighth apart.
        size_of::<Self>()
            + size_of_val(self.encoded.as_ref())
            + self.provenance.dependencies.weight()
            + bodies
            + bodies / 8
    }
}

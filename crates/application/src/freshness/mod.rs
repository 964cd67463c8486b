//! The caches of definitions and answers, and what keeps them fresh.
//!
//! An entry is served only while everything that it was made from is unchanged. Its dependencies are captured before
//! the read and moved by each change that this process learns of through the [`ChangeFeed`]; what was read meanwhile is
//! stored only if the read has seen those changes. A cache is read with a [`Fresh`] token, which the feed gives
//! out only while it has read the log of changes recently.

mod answer;
mod answer_cache;
mod bound_query;
mod cache_metrics;
mod change_feed;
mod definition_cache;
mod registry;
#[cfg(test)]
mod samples;
mod single_flight;
mod sync;
mod versions;

pub use answer::{Answer, AnswerSource, MissReason, SourcedAnswer};
pub use answer_cache::{AnswerCache, AnswerCacheSettings, FetchError, RowSource, TimedRows};
pub use bound_query::BoundQuery;
pub use change_feed::{ChangeFeed, Fresh, MAX_STALENESS, POLL_INTERVAL, RETENTION};
pub use definition_cache::{Definition, DefinitionCache};

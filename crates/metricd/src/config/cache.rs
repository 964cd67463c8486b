//! `[cache]`: what is kept in memory.

use std::time::Duration;

use metricd_application::freshness;

use super::{
    declare::settings,
    types::{duration_or_zero, integer},
};

settings! {
    /// What is kept in memory ([guide](caching.md)).
    pub(crate) struct CacheSettings in "cache" {
        /// How long an answer is fresh, unless its data changes before; `0s` turns the cache off.
        ttl: Duration = duration_or_zero("5m");
        /// How much longer a stale answer is served while a fresh one is fetched.
        max_stale: Duration = duration_or_zero("0s");
        /// The most bytes of cached answers.
        max_bytes: u64 = integer(256 * 1024 * 1024).at_least(1);
        /// The most bytes of cached metric definitions with their queries.
        max_definition_bytes: u64 = integer(64 * 1024 * 1024).at_least(1);
    }
}

impl CacheSettings {
    /// Returns the part that concerns answers.
    pub(crate) fn answers(&self) -> freshness::AnswerCacheSettings {
        let Self { ttl, max_stale, max_bytes, .. } = *self;
        freshness::AnswerCacheSettings { ttl, max_stale, max_bytes }
    }
}

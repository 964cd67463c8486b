//! What is kept in memory, and what makes it old.
//!
//! An answer or a definition is used again only while everything that it was made from is as it was. A
//! `Dependencies` is begun before a read and moved by every change that this process hears of
//! ([`ChangeFeed`]); what was read meanwhile is kept only if the watch has not moved past what the read saw.

mod answers;
mod change_feed;
mod definitions;
mod registry;
#[cfg(test)]
mod samples;
mod single_flight;
mod sync;
mod versions;

pub use answers::{
    Answer, AnswerCache, CacheSettings, Fetched, MissReason, Question, Served, Source,
};
pub use change_feed::{ChangeFeed, MAX_STALENESS, POLL_INTERVAL, RETENTION};
pub use definitions::{Definition, DefinitionCache};

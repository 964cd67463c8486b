//! What is kept in memory, and what makes it old.
//!
//! An answer or a definition is used again only while everything that it was made from is as it was. A
//! `Watch` is begun before a read and moved by every change that this process hears of
//! ([`News`]); what was read meanwhile is kept only if the watch has not moved past what the read saw.

mod answers;
mod board;
mod definitions;
mod flights;
mod ledger;
mod news;
#[cfg(test)]
mod samples;
mod sync;

pub use answers::{Answer, Answers, CacheSettings, Fetched, Question, Served, Source, Why};
pub use definitions::{Definition, Definitions};
pub use news::{BELIEVED, HEARTBEAT, KEPT, News};

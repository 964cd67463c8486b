//! From a sentence to a query that has been checked as everybody's is, and tried.
//!
//! Writes nothing: a use case that stores what comes of it opens its unit of work afterwards.

mod generate;
mod raw_records;

pub use generate::{Generated, GenerationError};

pub(crate) use generate::generate;

//! From a sentence to a query that has been checked as everybody's is, and tried.
//!
//! Writes nothing: a use case that stores what comes of it opens its unit of work afterwards.

mod generate;
mod raw_records;
mod trial;

pub use generate::{Generation, GenerationError};
pub use trial::Trial;

pub(crate) use generate::generate;
pub(crate) use trial::try_query;

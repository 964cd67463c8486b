//! Generates a query from a prompt, checks it as all SQL is, and tries it.
//!
//! Must write nothing: a use case that stores the query opens its unit of work afterwards.

mod generate;
mod raw_records;
mod trial;

pub use generate::{Generation, GenerationError};
pub use trial::Trial;

pub(crate) use generate::generate;
pub(crate) use trial::{try_query, try_stored};

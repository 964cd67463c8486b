//! From a sentence to a query that has been checked as everybody's is, and tried.
//!
//! Writes nothing: a use case that stores what comes of it opens its unit of work afterwards.

mod generate;
mod preview;
mod raw_records;

pub use generate::{Generation, GenerationError, Trial};
pub use preview::{Preview, PreviewError, preview_metric};

pub(crate) use generate::generate;

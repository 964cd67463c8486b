//! Reads the files of a catalog: JSON for metrics and records, CSV for queries.
//!
//! A loader judges values one by one and never stops at the first fault where it can go on; every
//! fault becomes a finding with its place. Whether values fit together is not decided here.

mod file;
mod json;
mod metrics;
mod queries;
mod records;
mod report;
mod table;
#[cfg(test)]
mod tests;

pub use metrics::load_metrics;
pub use queries::load_queries;
pub use records::RecordFile;
pub use table::{TableFormat, open_table};

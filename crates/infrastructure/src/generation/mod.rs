//! Query generators.

mod raw_records;

pub use raw_records::RawRecords;

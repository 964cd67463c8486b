//! Loading a catalog: files that were read outside become metrics, queries and records, whole or
//! not at all, with a report of what happened.

mod report;

pub use report::{Counts, Finding, Findings, Place, Report, Severity, SlotFinding, Tally};

//! Reads the files of a catalog: JSON for metrics and records, CSV for queries.
//!
//! A loader judges values one by one and never stops at the first fault where it can go on; every
//! fault becomes a finding with its place. Whether values fit together is not decided here.

mod json;
mod metrics;
mod queries;
mod records;
mod table;

use std::path::Path;

use metricd_application::catalog::{Finding, Place};

pub use metrics::load_metrics;
pub use queries::load_queries;
pub use records::RecordFile;
pub use table::{TableFormat, open_table};

/// The name of a file in a report: as it was given.
fn name(path: &Path) -> String {
    path.display().to_string()
}

fn unreadable(file: &str, error: &std::io::Error) -> Finding {
    Finding::rejection(
        Place::file(file),
        format!("the file cannot be read: {error}"),
        "Check the path, and that the file may be read by the user who runs metricd.",
    )
}

fn not_utf8(place: Place) -> Finding {
    Finding::rejection(
        place,
        "the text is not UTF-8",
        "Save the file as UTF-8; spreadsheet programs offer it when exporting.",
    )
}

/// A UTF-8 byte-order mark, which some editors write and which means nothing.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

#[cfg(test)]
mod tests;

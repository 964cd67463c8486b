//! Reads the files of a catalog: JSON for metrics and records, CSV for queries.
//!
//! A loader judges values one by one and never stops at the first fault where it can go on; every
//! fault becomes a finding with its place. Whether values fit together is not decided here.

mod json;
mod metrics;
mod queries;
mod records;

use std::path::{Path, PathBuf};

use metricd_application::catalog::{CatalogFiles, Finding, Place};

pub use metrics::load_metrics;
pub use queries::load_queries;
pub use records::RecordFile;

/// Where the files of a catalog are; each may be left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CatalogPaths {
    /// The JSON file of metrics and layouts.
    pub metrics: Option<PathBuf>,
    /// The CSV file of queries.
    pub queries: Option<PathBuf>,
    /// The JSON file of records.
    pub records: Option<PathBuf>,
}

impl CatalogPaths {
    /// Reads the metrics and queries and opens the records. A file that cannot be read is a
    /// rejection in the report.
    #[must_use]
    pub fn load(&self) -> CatalogFiles {
        CatalogFiles {
            queries: self.queries.as_deref().map(load_queries),
            metrics: self.metrics.as_deref().map(load_metrics),
            records: self
                .records
                .as_deref()
                .map(|path| Box::new(RecordFile::open(path)) as _),
        }
    }

    /// Like [`Self::load`], but leaves out files that do not exist and gives their absolute paths.
    #[must_use]
    pub fn load_existing(&self) -> (CatalogFiles, Vec<PathBuf>) {
        let mut missing = Vec::new();
        let mut existing = |path: &Option<PathBuf>| {
            let path = path.as_ref()?;
            // Anything but plain absence is a fault that the report should tell.
            if matches!(path.try_exists(), Ok(false)) {
                missing.push(std::path::absolute(path).unwrap_or_else(|_| path.clone()));
                return None;
            }
            Some(path.clone())
        };
        let metrics = existing(&self.metrics);
        let queries = existing(&self.queries);
        let records = existing(&self.records);
        (
            Self {
                metrics,
                queries,
                records,
            }
            .load(),
            missing,
        )
    }
}

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

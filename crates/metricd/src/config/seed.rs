//! `[seed]`: files that fill empty tables at start.

use std::path::PathBuf;

use super::{declare::settings, types::optional};

settings! {
    /// Files that fill empty tables when the server starts.
    pub(crate) struct SeedSettings in "seed" {
        /// Metrics and their layouts, as JSON.
        metrics: Option<PathBuf> = optional("path", "none"), env "METRICS_SEED_JSON";
        /// Queries, as CSV.
        queries: Option<PathBuf> = optional("path", "none"), env "QUERIES_SEED_CSV";
        /// Records of the built-in table, as JSON.
        records: Option<PathBuf> = optional("path", "none"), env "METRIC_RECORDS_SEED_JSON";
    }
}

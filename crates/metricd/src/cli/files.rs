//! The catalog files that `import` and `validate` take.

use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};
use metricd_application::catalog::{CatalogFiles, Progress};
use metricd_infrastructure::loaders::{RecordFile, load_metrics, load_queries};

/// The files to read.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct FileArgs {
    /// Metrics and their layouts (JSON)
    #[arg(long, value_name = "FILE")]
    pub(crate) metrics: Option<PathBuf>,
    /// Queries (CSV with the columns id and query)
    #[arg(long, value_name = "FILE")]
    pub(crate) queries: Option<PathBuf>,
    /// Records (JSON)
    #[arg(long, value_name = "FILE")]
    pub(crate) records: Option<PathBuf>,
}

impl FileArgs {
    /// Opens the files; their faults are reported as findings.
    pub(crate) fn open(&self) -> CatalogFiles {
        CatalogFiles {
            queries: self.queries.as_deref().map(load_queries),
            metrics: self.metrics.as_deref().map(load_metrics),
            records: self.records.as_deref().map(|path| Box::new(RecordFile::open(path)) as _),
        }
    }
}

/// Returns a progress bar that counts bytes and `what` was read; hidden unless on a terminal.
pub(crate) fn progress_bar(what: &str) -> (ProgressBar, impl Fn(Progress) + Send + Sync) {
    let bar = ProgressBar::new(0);
    let template = format!("{{wide_bar}} {{bytes}}/{{total_bytes}} · {{msg}} {what} · {{eta}}");
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style);
    }
    let shown = bar.clone();
    let on_progress = move |progress: Progress| {
        shown.set_length(progress.total_bytes);
        shown.set_position(progress.bytes);
        shown.set_message(progress.records.to_string());
    };
    (bar, on_progress)
}

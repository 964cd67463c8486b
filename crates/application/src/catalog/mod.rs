//! The import of a catalog: metrics, queries and records from files, all or nothing, with a report.
//!
//! The steps: loaders (outside) → [`CatalogFiles`] → reconcile → compile → plan → one unit of work.
//! Reconciling and planning are pure.

mod import;
mod loaded;
mod notes;
mod plan;
mod reconcile;
mod records;
mod report;
mod seed;
mod validate;

pub use import::{ImportError, ImportOptions, import};
pub use loaded::{
    CatalogFiles, GivenDetails, LeftOut, LoadedLayout, LoadedMetric, LoadedMetrics, LoadedQueries,
    LoadedQuery, MetricContent,
};
pub use reconcile::{CatalogMetric, reconcile_metrics, reconcile_queries};
pub use records::{OnProgress, Progress, RecordSource, content_key};
pub use report::{Counts, Finding, Findings, Place, Report, Severity, SlotFinding, Tally};
pub use seed::seed;
pub use validate::validate;

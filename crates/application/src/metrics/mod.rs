//! The use cases of metrics: read, create, change, delete.

mod approve;
mod check;
mod create;
mod delete;
mod export;
mod get;
mod layouts;
mod list;
mod locking;
mod preview;
mod query;
mod update;
mod versions;

pub use approve::{ApproveError, approve_metric};
pub use check::{BrokenMetric, CheckError, MetricCheck, check_metrics};
pub use create::{CreateError, CreateMetric, Created, QuerySource, create_metric};
pub use delete::{DeleteError, delete_metric};
pub use export::{MetricExport, export_metric};
pub use get::{AnswerRequest, get_metric};
pub use layouts::{ReplaceLayoutsError, replace_layouts};
pub use list::{MAX_PAGE, Page, PageRequest, list_metrics};
pub use preview::{Preview, PreviewError, preview_metric};
pub use query::{QueryError, get_query};
pub use update::{ExpectedState, Patch, UpdateError, update_metric};
pub use versions::{MAX_VERSIONS, RollbackError, VersionPage, list_versions, rollback_metric};

//! Adding records to the built-in table `metrics`.

mod create;
mod target;
mod upload;

pub use create::{CreateRecordError, create_record};
pub use target::RecordTarget;
pub use upload::{CreateRecordsError, RecordBatches, RecordUpload, begin_upload};

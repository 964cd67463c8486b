//! Adding records to the built-in table `metrics`.

mod create;
mod create_many;

pub use create::{CreateRecord, CreateRecordError, create_record};
pub use create_many::{CreateRecordsError, RecordSource, create_records};

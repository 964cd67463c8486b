//! Adding records to the built-in table `metrics`.

mod create;

pub use create::{CreateRecord, CreateRecordError, create_record};

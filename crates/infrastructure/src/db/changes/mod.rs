//! Changes: the log of what was written, and the notifications that there may be more of it.

mod horizons;
mod listener;
mod log;
mod resolve;
mod rows;
mod touched;

pub(super) use log::PgChangeLog;
pub(super) use touched::{MAX_IDS, Touched, records_table};

//! The reader: the role that stored SQL runs as on a server, its proof and its sessions.
//!
//! Nothing of an author's may ever run as another role. A [`Reader`] exists only once it was proved that
//! it can only read what it was granted.

mod check;
mod ending;
mod error;
mod open;
mod proof;
mod role;
mod scram;
mod sessions;
mod standby;

pub use check::ReaderState;
pub(super) use check::check;
pub use error::ReaderError;
pub(super) use open::{OTHER_CONNECTIONS, Reader, ReaderConfig};
pub use proof::PrivilegeViolation;
pub(super) use sessions::ReaderSession;
pub(super) use standby::Lag;

//! A model that writes queries: what its server is asked, whatever it answers, and what becomes of
//! what it writes.

mod generating;
#[path = "../../shared/log.rs"]
pub(crate) mod log;
mod protocol;
mod server;

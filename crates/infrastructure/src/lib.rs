//! The adapters behind metricd's ports.

pub mod db;
#[cfg(feature = "embedded")]
pub mod embedded;
pub mod generation;
pub mod loaders;
pub mod query_runner;
pub mod system;

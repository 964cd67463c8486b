//! The adapters behind metricd's ports.

pub mod db;
#[cfg(feature = "embedded")]
mod embedded;
pub mod generation;
pub mod loaders;
mod query_runner;
pub mod system;

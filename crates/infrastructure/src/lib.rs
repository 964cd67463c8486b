//! The adapters behind metricd's context.

pub mod auth;
pub mod db;
#[cfg(feature = "embedded")]
mod embedded;
mod export;
pub mod generation;
mod http;
pub mod loaders;
pub mod policy;
mod query_runner;
mod queue;
pub mod secret;
pub mod system;

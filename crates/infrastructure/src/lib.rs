//! The adapters behind metricd's context.

pub mod auth;
pub mod db;
pub mod disk;
pub mod generation;
mod http;
pub mod loaders;
pub mod policy;
mod private_folder;
pub mod readiness;
mod spans;
pub mod system;

pub use spans::TRACES;

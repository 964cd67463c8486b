//! The harness of the acceptance tests: the binary under test, the two database engines, identity
//! providers, and for each scenario a [`World`] of a [`Server`] and a [`Client`].
//!
//! Nothing here links metricd's own crates: a scenario sees what a user sees, which is the command
//! line, HTTP, the logs and the files.

pub mod api;
pub mod api_tools;
pub mod binary;
pub mod caller;
pub mod catalog;
pub mod client;
pub mod collector;
pub mod database;
pub mod edge;
pub mod engine;
pub mod guide;
pub mod http;
pub mod idp;
pub mod json;
pub mod logs;
pub mod model;
pub mod native;
pub mod own_servers;
pub mod page;
pub mod pgbouncer;
pub mod process;
pub mod random;
pub mod report;
pub mod server;
pub mod small_disk;
pub mod test_run;
pub mod tools;
pub mod unread;
mod usual_settings;
pub mod variables;
pub mod watchdog;
pub mod world;

pub use client::Client;
pub use engine::TestEngine;
pub use server::Server;
pub use test_run::TestRun;
pub use world::World;

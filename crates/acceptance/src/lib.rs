//! What the acceptance tests stand on: the binary under test, the two database engines, identity
//! providers, and one [`TestApp`] for each scenario.
//!
//! Nothing here links metricd's own crates: a scenario sees what a user sees, which is the command
//! line, HTTP, the logs and the files.

pub mod answer;
pub mod api;
pub mod app;
pub mod binary;
pub mod caller;
pub mod catalog;
pub mod dice;
pub mod engine;
pub mod idp;
pub mod json;
pub mod logs;
pub mod model;
pub mod native;
pub mod process;
pub mod report;
pub mod stage;
pub mod watchdog;

pub use app::TestApp;
pub use engine::Engine;
pub use stage::Stage;

//! metricd over HTTP.
//!
//! Handlers take a request apart, call one use case and dress its answer; they never touch a
//! database. Which status an error becomes is decided in `problem.rs` alone.

mod answer;
mod check;
mod export;
mod extract;
mod failures;
mod front;
mod middleware;
pub mod openapi;
mod problem;
mod replay;
pub mod router;
mod routes;
mod serve;
mod upload;
mod wire;

pub use answer::JsonAnswers;
pub use front::Service;
pub use router::{App, Limits, service};
pub use routes::auth::config::{IssuerInfo, SignIn};
pub use serve::serve;

//! metricd over HTTP.
//!
//! Handlers read a request, leave every decision to a use case and write its response; they never touch a database. The
//! HTTP status of each error is decided in `problem.rs` alone.

mod answer;
mod api_info;
mod app;
mod check;
mod export;
mod extract;
mod failures;
mod idempotency;
mod middleware;
mod negotiation;
pub mod openapi;
mod problem;
mod route_settings;
mod router;
mod routes;
mod serve;
mod spool;
mod state;
#[cfg(test)]
mod test_support;
mod validation;
mod wire;

pub use answer::JsonAnswers;
pub use app::{App, AppParts, AppSettings};
pub use routes::auth::config::{IssuerInfo, SignIn};
pub use serve::serve;

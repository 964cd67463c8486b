//! metricd over HTTP.
//!
//! Handlers read a request, leave every decision to a use case and write its response; they never touch a database. The
//! HTTP status of each error is decided in `problem.rs` alone.

mod activity;
mod answer;
mod api_info;
mod app;
mod caller;
mod check;
mod concurrency;
mod export;
mod extract;
mod failures;
mod head_rules;
mod http_metrics;
mod idempotency;
mod lingering_stream;
mod middleware;
mod negotiation;
pub mod openapi;
mod paced_stream;
mod preconditions;
mod problem;
mod query_string;
mod quota;
mod route_settings;
mod router;
mod routes;
mod schemas;
mod serve;
mod spool;
mod state;
mod strict_json;
#[cfg(test)]
mod test_support;
mod validation;
mod wire;

pub use answer::JsonAnswers;
pub use app::{App, AppParts, AppSettings};
pub use http_metrics::HttpMetrics;
pub use paced_stream::WritePace;
pub use routes::auth::config::{IssuerInfo, SignIn};
pub use serve::{ConnectionLimits, ConnectionRefusal, serve};

/// The commit that this program was built from, where the build says it.
pub const BUILD: Option<&str> = option_env!("METRICD_BUILD");

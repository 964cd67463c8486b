//! What metricd tells those who operate it: logs, metrics for Prometheus, traces.
//!
//! Logs are JSON lines for machines, plain lines on a terminal; always on standard error, so that a
//! command's own output stays clean.

mod json_lines;
mod monitoring;
mod output;
#[cfg(target_os = "linux")]
mod process;
mod traces;

use std::io::{IsTerminal, stderr};

use anyhow::Context as _;
use json_lines::JsonLines;
use metricd_infrastructure::TRACES;
use output::LogOutput;
use traces::Traces;
use tracing::Level;
use tracing_subscriber::{
    Layer as _, filter::Targets, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

use crate::config::TracesSettings;

pub(crate) use monitoring::Monitoring;

/// Libraries whose lines would duplicate metricd's or contain SQL.
const QUIET: [&str; 4] = ["sqlx", "sea_orm", "sea_orm_migration", "pglite_oxide"];

/// What has the span of a request.
const REQUESTS: &str = "metricd_web";

/// Writes the last lines, and sends the last traces, when it is dropped.
#[must_use]
pub(crate) struct TelemetryGuard {
    output: Option<LogOutput>,
    traces: Option<Traces>,
}

impl Drop for TelemetryGuard {
    fn drop(&mut self) {
        if let Some(traces) = &self.traces {
            traces.close();
        }
        if let Some(output) = &self.output {
            output.flush();
        }
    }
}

/// Installs the subscriber; `filter` says what is logged, and `traces` where spans are sent to.
pub(crate) fn start(
    mut filter: Targets,
    traces: Option<&TracesSettings>,
) -> anyhow::Result<TelemetryGuard> {
    for target in QUIET {
        if !filter.iter().any(|(known, _)| known == target) {
            filter = filter.with_target(target, Level::ERROR);
        }
    }
    let traces = traces.map(Traces::open).transpose()?;
    // One filter for all layers: a per-layer filter lost the line after one that it suppressed. Spans of traces are there
    // whatever is logged.
    let mut enabled = filter.clone();
    if traces.is_some() {
        enabled = enabled.with_target(TRACES, Level::TRACE);
        if !filter.would_enable(REQUESTS, &Level::INFO) {
            enabled = enabled.with_target(REQUESTS, Level::INFO);
        }
    }
    let of_traces =
        traces.as_ref().map(|traces| tracing_opentelemetry::layer().with_tracer(traces.tracer()));
    let registry = tracing_subscriber::registry().with(enabled).with(of_traces);
    let filter = traces.is_some().then_some(filter);
    if stderr().is_terminal() {
        let layer = fmt::layer().with_target(false).with_writer(stderr);
        registry.with(layer.with_filter(filter)).init();
        return Ok(TelemetryGuard { output: None, traces });
    }
    let output = LogOutput::start().context("the thread that writes the log does not start")?;
    registry.with(JsonLines { output: output.clone(), filter }).init();
    Ok(TelemetryGuard { output: Some(output), traces })
}

/// Logs panics as events; the failure of the request is logged by the request middleware.
pub(crate) fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::warn!(place, "Panic");
    }));
}

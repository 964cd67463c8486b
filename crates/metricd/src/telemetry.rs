//! Logs: JSON lines for machines, plain lines on a terminal; always on standard error, so that a
//! command's own output stays clean.

use std::io::{IsTerminal, stderr};

use json_subscriber::JsonLayer;
use tracing_subscriber::{filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

/// Libraries whose lines would duplicate metricd's or contain SQL.
const QUIET: [&str; 4] = ["sqlx", "sea_orm", "sea_orm_migration", "pglite_oxide"];

/// Installs the subscriber; `filter` says what is logged.
pub(crate) fn start(mut filter: Targets) {
    for target in QUIET {
        if !filter.iter().any(|(known, _)| known == target) {
            filter = filter.with_target(target, tracing::Level::ERROR);
        }
    }
    // One filter for all layers: a per-layer filter lost the line after one that it suppressed.
    let registry = tracing_subscriber::registry().with(filter);
    if stderr().is_terminal() {
        let layer = tracing_subscriber::fmt::layer().with_target(false).with_writer(stderr);
        registry.with(layer).init();
    } else {
        registry.with(json_lines()).init();
    }
}

/// Logs panics as events; the failure of the request is logged by the request middleware.
pub(crate) fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::warn!(place, "Panic");
    }));
}

/// One object a line: `timestamp`, `level`, `event`, then the span's and the event's own fields.
fn json_lines<S>() -> JsonLayer<S, fn() -> std::io::Stderr>
where
    S: tracing::Subscriber + for<'span> tracing_subscriber::registry::LookupSpan<'span>,
{
    let mut layer = JsonLayer::stderr();
    layer
        .with_timer("timestamp", tracing_subscriber::fmt::time::SystemTime)
        .with_level("level")
        .with_flattened_event_with_renames(
            |name, event| if name == "message" { event } else { name },
            "event",
        )
        .with_top_level_flattened_span_list();
    layer
}

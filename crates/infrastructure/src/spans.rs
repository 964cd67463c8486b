//! The spans of what is waited for, as parts of a request's trace.
//!
//! They are on only where traces are: the log has no use for them.

use opentelemetry::global;
use opentelemetry_http::HeaderInjector;
use reqwest::header::HeaderMap;
use tracing::{Span, trace_span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The target of the spans, by which they are turned on.
pub const TRACES: &str = "metricd_traces";

/// The wait for a permit to run a query.
pub(crate) fn of_queue() -> Span {
    trace_span!(target: TRACES, "queue")
}

/// A statement that is run on the database.
pub(crate) fn of_query() -> Span {
    trace_span!(target: TRACES, "query", otel.kind = "client", db.system.name = "postgresql")
}

/// A request to the model.
pub(crate) fn of_model(model: &str) -> Span {
    trace_span!(target: TRACES, "model", otel.kind = "client", gen_ai.request.model = model)
}

/// The headers by which a server continues the trace of `span`; none where there is no trace.
pub(crate) fn propagated(span: &Span) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if !span.is_disabled() {
        let context = span.context();
        global::get_text_map_propagator(|propagator| {
            propagator.inject_context(&context, &mut HeaderInjector(&mut headers));
        });
    }
    headers
}

//! Traces: a request's span continues the trace of its caller, by the names that OpenTelemetry gives to HTTP.

use axum::{extract::Request, http::StatusCode};
use opentelemetry::{global, trace::TraceContextExt as _};
use opentelemetry_http::HeaderExtractor;
use tracing::{Span, field};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// Makes `span` a part of the trace that `request` names, or of a new one.
pub(crate) fn begin(span: &Span, request: &Request) {
    let caller = global::get_text_map_propagator(|propagator| {
        propagator.extract(&HeaderExtractor(request.headers()))
    });
    // It fails where the span is disabled.
    let _ = span.set_parent(caller);
    span.set_attribute("http.request.method", request.method().as_str().to_owned());
    span.set_attribute("url.path", request.uri().path().to_owned());
    let context = span.context();
    let trace = context.span().span_context().trace_id();
    span.record("trace_id", field::display(trace));
}

/// Adds how the request ended.
pub(crate) fn end(span: &Span, status: StatusCode) {
    span.set_attribute("http.response.status_code", i64::from(status.as_u16()));
    if status.is_server_error() {
        span.set_status(opentelemetry::trace::Status::error(""));
    }
}

//! Log lines as JSON: one object a line with `timestamp`, `level`, `event`, then the fields of the event and of its spans.
//!
//! A name stands once in a line: the event's field goes before those of its spans, an inner span's before an outer one's.

use std::{cell::RefCell, fmt, io::Write as _, ops::Range};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer,
    filter::Targets,
    fmt::{
        format::Writer,
        time::{FormatTime as _, SystemTime},
    },
    layer::Context,
    registry::LookupSpan,
};

use super::output::LogOutput;

/// The field in which `tracing` has an event's text, and what it is called in a line.
const MESSAGE: (&str, &str) = ("message", "event");

/// Writes the events that `filter` lets pass as lines to `output`.
pub(super) struct JsonLines {
    pub(super) output: LogOutput,
    /// Where other layers need more than is logged.
    pub(super) filter: Option<Targets>,
}

/// Fields as they stand in a line.
#[derive(Default)]
struct RenderedFields {
    /// Each as `,"name":value`.
    json: Vec<u8>,
    /// Where each stands in it.
    places: Vec<(&'static str, Range<usize>)>,
}

#[derive(Default)]
struct Scratch {
    line: Vec<u8>,
    timestamp: String,
    event: RenderedFields,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl<S: Subscriber + for<'span> LookupSpan<'span>> Layer<S> for JsonLines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = RenderedFields::with_capacity(512);
        attributes.record(&mut fields);
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<RenderedFields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        let is_logged = |filter: &Targets| filter.would_enable(metadata.target(), metadata.level());
        if !self.filter.as_ref().is_none_or(is_logged) {
            return;
        }
        SCRATCH.with(|scratch| {
            // A value that logs while it is formatted gets a scratch of its own.
            let Ok(mut scratch) = scratch.try_borrow_mut() else {
                return self.write(&mut Scratch::default(), event, &context);
            };
            self.write(&mut scratch, event, &context);
        });
    }
}

impl JsonLines {
    fn write<S>(&self, scratch: &mut Scratch, event: &Event<'_>, context: &Context<'_, S>)
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let Scratch { line, timestamp, event: fields } = scratch;
        timestamp.clear();
        // Writing to a text does not fail.
        let _ = SystemTime.format_time(&mut Writer::new(timestamp));
        fields.clear();
        event.record(fields);
        line.clear();
        line.extend_from_slice(b"{\"timestamp\":\"");
        line.extend_from_slice(timestamp.as_bytes());
        line.extend_from_slice(b"\",\"level\":\"");
        line.extend_from_slice(level(event.metadata()).as_bytes());
        line.push(b'"');
        line.extend_from_slice(&fields.json);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(outer) = span.extensions().get::<RenderedFields>() {
                fields.append_to(line, outer);
            }
        }
        line.extend_from_slice(b"}\n");
        self.output.add(line);
        if *event.metadata().level() <= Level::WARN {
            self.output.flush();
        }
    }
}

fn level(metadata: &Metadata<'_>) -> &'static str {
    metadata.level().as_str()
}

impl RenderedFields {
    fn with_capacity(bytes: usize) -> Self {
        Self { json: Vec::with_capacity(bytes), places: Vec::with_capacity(16) }
    }

    fn clear(&mut self) {
        self.json.clear();
        self.places.clear();
    }

    fn has(&self, name: &str) -> bool {
        self.places.iter().any(|(known, _)| *known == name)
    }

    /// Appends to `line` the fields of `outer` whose names are not taken, and takes them.
    fn append_to(&mut self, line: &mut Vec<u8>, outer: &Self) {
        for (name, place) in &outer.places {
            if !self.has(name) {
                line.extend_from_slice(&outer.json[place.clone()]);
                self.places.push((name, 0..0));
            }
        }
    }

    /// Adds a field whose value `write` appends, in place of one of this name.
    fn add(&mut self, field: &Field, write: impl FnOnce(&mut Vec<u8>)) {
        let name = if field.name() == MESSAGE.0 { MESSAGE.1 } else { field.name() };
        // Such fields say how a span stands in a trace.
        if name.contains('.') {
            return;
        }
        self.remove(name);
        let start = self.json.len();
        self.json.extend_from_slice(b",\"");
        self.json.extend_from_slice(name.as_bytes());
        self.json.extend_from_slice(b"\":");
        write(&mut self.json);
        self.places.push((name, start..self.json.len()));
    }

    fn remove(&mut self, name: &str) {
        let Some(index) = self.places.iter().position(|(known, _)| *known == name) else { return };
        let (_, removed) = self.places.remove(index);
        let length = removed.len();
        self.json.drain(removed.clone());
        for (_, place) in &mut self.places {
            if place.start >= removed.end {
                *place = place.start - length..place.end - length;
            }
        }
    }
}

/// Whether `text` stands in JSON as it is. Nearly all that is logged does, and copying it costs a part of looking at each
/// character.
fn is_plain(text: &[u8]) -> bool {
    text.iter().all(|byte| *byte >= b' ' && *byte != b'"' && *byte != b'\\')
}

fn append_text(json: &mut Vec<u8>, text: &str) {
    if is_plain(text.as_bytes()) {
        json.push(b'"');
        json.extend_from_slice(text.as_bytes());
        json.push(b'"');
    } else {
        append(json, text);
    }
}

/// Appends a text, or a number.
fn append(json: &mut Vec<u8>, value: impl serde::Serialize) {
    serde_json::to_writer(json, &value).expect("texts and numbers are JSON");
}

/// Appends the text that a value is shown as.
fn append_shown(json: &mut Vec<u8>, value: &dyn fmt::Debug) {
    let start = json.len();
    json.push(b'"');
    // It fails only where the value's own code says so.
    let _ = write!(json, "{value:?}");
    if is_plain(&json[start + 1..]) {
        json.push(b'"');
    } else {
        let shown = json.split_off(start + 1);
        json.pop();
        append(json, String::from_utf8_lossy(&shown));
    }
}

impl Visit for RenderedFields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, |json| append_text(json, value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, |json| append(json, value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, |json| append(json, value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, |json| append(json, value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, |json| append(json, value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, |json| append_shown(json, value));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tracing::{field::Empty, info, info_span};
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    /// What `work` logs, without the time.
    fn logged(filter: Option<Targets>, work: impl FnOnce()) -> Vec<Value> {
        let output = LogOutput::default();
        let layer = JsonLines { output: output.clone(), filter };
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), work);
        let lines = String::from_utf8(output.taken()).unwrap();
        let read = |line: &str| {
            let mut line: Value = serde_json::from_str(line).unwrap();
            assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
            line.as_object_mut().unwrap().remove("timestamp");
            line
        };
        lines.lines().map(read).collect()
    }

    #[test]
    fn a_line_has_the_fields_of_its_event_and_of_its_spans() {
        let lines = logged(None, || {
            let outer = info_span!("request", operation = "get", status = Empty, ratio = 0.5);
            let _outer = outer.enter();
            outer.record("status", 200);
            let _inner = info_span!("inner", operation = "other", otel.kind = "client").entered();
            info!(error = %"line\n\"quoted\"", path = "C:\\größe\u{7f}", "Said {}", "so");
        });
        let line = json!({
            "level": "INFO", "event": "Said so", "error": "line\n\"quoted\"",
            "path": "C:\\größe\u{7f}", "operation": "other", "status": 200, "ratio": 0.5,
        });
        assert_eq!(lines, [line]);
    }

    #[test]
    fn a_field_that_is_recorded_again_stands_once() {
        let lines = logged(None, || {
            let span = info_span!("request", first = 1, second = "two", third = true);
            span.record("second", "a longer one");
            span.record("first", 2);
            span.in_scope(|| info!(third = false, "Done"));
        });
        let line = json!({
            "level": "INFO", "event": "Done", "first": 2, "second": "a longer one", "third": false,
        });
        assert_eq!(lines, [line]);
    }

    #[test]
    fn what_other_layers_need_is_not_logged() {
        let filter = "warn,logged=info".parse().unwrap();
        let lines = logged(Some(filter), || {
            info!("Needed");
            info!(target: "logged", "Logged");
        });
        assert_eq!(lines, [json!({"level": "INFO", "event": "Logged"})]);
    }
}

//! Ends the process of the embedded PostgreSQL when its machine has trapped: on a stack that is too small, say.
//!
//! The engine's library would go on with memory that may be damaged, and tells of that only by a warning in its log. No
//! statement may be run, and nothing written, once that was seen.

use std::fmt;

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

/// The library whose warnings are traps.
const LIBRARY: &str = "pglite_oxide";

/// The word that each of them has.
const TRAPPED: &str = "trapped";

/// Calls a function with what the library says of a trap.
pub(super) struct OnTrap(pub(super) fn(&str));

impl Subscriber for OnTrap {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN && metadata.target().starts_with(LIBRARY)
    }

    fn event(&self, event: &Event<'_>) {
        let mut message = Message::default();
        event.record(&mut message);
        if message.0.contains(TRAPPED) {
            self.0(&message.0);
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());

    #[test]
    fn a_trap_is_seen_among_all_that_is_logged() {
        let on_trap = OnTrap(|message| SEEN.lock().unwrap().push(message.to_owned()));
        tracing::subscriber::with_default(on_trap, || {
            tracing::warn!(target: "pglite_oxide::pglite::postgres_mod", "loop trapped: {}", "deep");
            tracing::warn!(target: "pglite_oxide::pglite::proxy", "a cache is not there");
            tracing::debug!(target: "pglite_oxide::pglite::postgres_mod", "loop trapped for an error");
            tracing::warn!("another one's trapped");
        });
        assert_eq!(*SEEN.lock().unwrap(), ["loop trapped: deep"]);
    }
}

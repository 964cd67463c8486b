//! Feeds bytes to the gate: nothing may panic, and nothing may pass whose template does not.

#![no_main]

#[path = "../../crates/core/tests/oracle/mod.rs"]
mod oracle;

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    oracle::accepts(text);
});

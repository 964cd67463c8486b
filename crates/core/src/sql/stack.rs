//! A stack that is deep enough for deep trees, whatever the caller's.
//!
//! What is generated for the grammar's 270 kinds of node takes tens of kilobytes a level where it is not
//! optimized, and the parser goes down hundreds of levels before it refuses a text.

use std::{panic, thread};

use super::error::SqlFault;

/// More than twice what the deepest nesting takes; memory that is not touched costs nothing.
const BYTES: usize = 32 * 1024 * 1024;

/// More than what one more operator in a row takes.
const LEVEL_BYTES: usize = 160 * 1024;

/// More levels than the parser goes down before it ends by itself.
const MOST_LEVELS: usize = 2_000;

/// Runs `work` on a stack of its own, for the tree of `sql`.
pub(super) fn deep<T: Send>(
    sql: &str,
    work: impl FnOnce() -> Result<T, SqlFault> + Send,
) -> Result<T, SqlFault> {
    let bytes = BYTES + levels(sql) * LEVEL_BYTES;
    thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(bytes).spawn_scoped(scope, work);
        let thread = thread.map_err(|error| {
            SqlFault::new(0_usize, format!("cannot allocate memory to parse this query: {error}"))
        })?;
        thread.join().unwrap_or_else(|payload| panic::resume_unwind(payload))
    })
}

/// Returns the most levels that the tree of `sql` can have: each needs a sign or a word of its own.
fn levels(sql: &str) -> usize {
    let mut levels = 0;
    let mut is_in_word = false;
    for byte in sql.bytes() {
        let is_word = byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii();
        let is_sign =
            byte.is_ascii_punctuation() && !matches!(byte, b',' | b'.' | b'\'' | b'"' | b';');
        levels += usize::from(is_sign && !is_word || is_word && !is_in_word);
        is_in_word = is_word;
    }
    levels.min(MOST_LEVELS)
}

#[cfg(test)]
mod tests {
    use super::levels;

    #[test]
    fn each_sign_and_word_may_be_a_level() {
        for (sql, expected) in [
            ("", 0),
            ("SELECT a, b.c FROM t", 6),
            ("a+b -- c", 6),
            ("-+-+a", 5),
            ("f(x)::int", 7),
            ("'x \u{e4}\u{e4}'", 2),
        ] {
            assert_eq!(levels(sql), expected, "{sql}");
        }
        assert_eq!(levels(&"-".repeat(100_000)), 2_000);
    }
}

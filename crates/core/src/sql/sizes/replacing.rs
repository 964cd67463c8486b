//! What a text becomes when parts of it are replaced by a constant.
//!
//! What is put in is counted once, unless a later replacement can find it again: then each adds to all that the others have
//! put in.

use super::value::Value;

/// The digits, as bits of ASCII.
const DIGITS: u128 = 0x3ff << b'0';

/// `text` with each `sought` in it replaced by `by`; `is_literal` unless `sought` is a regular expression.
#[expect(clippy::cast_precision_loss, reason = "a text has fewer than 2^52 characters")]
pub(super) fn replaced(text: Value, sought: &str, by: &str, is_literal: bool) -> Value {
    let length = |text: &str| text.chars().count().max(1) as f64;
    // A pattern finds at least a letter, or nothing at all.
    let found = if is_literal { length(sought) } else { 1.0 };
    let factor = (length(by) / found).max(1.0) + f64::from(u8::from(sought.is_empty()));
    let finds_again = match (sought.is_ascii(), is_literal) {
        (false, _) => !by.is_ascii(),
        (true, true) => signs(sought) & !text.replaced == 0,
        (true, false) => sought.split('|').any(|pattern| may_find(pattern, text.replaced)),
    };
    let size = if finds_again { text.size * factor } else { text.size + factor - 1.0 };
    // What was found can be put in several times: `\1`.
    let copies = if is_literal { 1.0 } else { by.matches('\\').count().max(1) as f64 };
    Value { replaced: text.replaced | signs(by), ..text.sized(size.max(text.size * copies)) }
}

/// The ASCII characters of a text, as bits; letters are small.
fn signs(text: &str) -> u128 {
    let ascii = text.bytes().filter(u8::is_ascii).map(|byte| byte.to_ascii_lowercase());
    ascii.fold(0, |all, byte| all | 1_u128 << byte)
}

/// Whether a pattern may match a text of these characters: all that it needs is among them.
fn may_find(pattern: &str, among: u128) -> bool {
    // A group that may be left out is all of it, perhaps.
    if [")*", ")?", "){0"].iter().any(|optional| pattern.contains(optional)) {
        return true;
    }
    let mut needed = 0_u128;
    let mut needs_digit = false;
    let mut letters = pattern.bytes().peekable();
    while let Some(letter) = letters.next() {
        let literal = match letter {
            b'\\' => match letters.next() {
                Some(b'd') => {
                    needs_digit = true;
                    None
                }
                Some(escaped) if !escaped.is_ascii_alphanumeric() => Some(escaped),
                _ => None,
            },
            b'[' => {
                while letters.next().is_some_and(|letter| letter != b']') {}
                None
            }
            b'{' => {
                while letters.next().is_some_and(|letter| letter != b'}') {}
                None
            }
            b'(' | b')' | b'?' | b'*' | b'+' | b'^' | b'$' | b'.' => None,
            literal => Some(literal),
        };
        // What may be left out is not needed.
        let is_optional = matches!(letters.peek(), Some(b'?' | b'*' | b'{'));
        if let Some(literal) = literal.filter(|_| !is_optional) {
            needed |= 1_u128 << literal.to_ascii_lowercase();
        }
    }
    needed & !among == 0 && (!needs_digit || among & DIGITS != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_finds_what_it_needs() {
        let among = signs("[ip redacted] Street");
        for pattern in ["", "[a-z]", r"\w+", ".", "x?", "(x)*", "street", r"\mst\M", "a{0,3}"] {
            assert!(may_find(pattern, among), "{pattern}");
        }
        for pattern in
            [r"\d{16}", r"(\d{1,3}\.){3}", r"[\w.]+@[\w.]+", "ave", r"Corp\.?$", r"\mBlvd\M"]
        {
            assert!(!may_find(pattern, among), "{pattern}");
        }
    }
}

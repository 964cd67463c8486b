//! Judges whether a text is JSON that PostgreSQL stores as `jsonb`.
//!
//! Never builds a value, and takes no more stack for deeper text.

/// The most levels of lists and objects: far below where PostgreSQL gives up, or the embedded engine ends.
const MAX_DEPTH: usize = 512;

/// The most digits of a number: PostgreSQL holds more, but not with every exponent.
const MAX_DIGITS: usize = 1_000;

/// Whether `text` is one JSON value without what PostgreSQL refuses: the character NUL, half a surrogate
/// pair, numbers without end.
pub(crate) fn is_json(text: &str) -> bool {
    let mut rest = Rest(text.as_bytes());
    rest.document().is_some() && rest.0.is_empty()
}

/// What was not read yet. Reading gives `None` where the text is no JSON.
struct Rest<'a>(&'a [u8]);

/// A list or object that is not closed yet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    List,
    Object,
}

impl Rest<'_> {
    fn document(&mut self) -> Option<()> {
        let mut open = Vec::new();
        loop {
            self.blank();
            // A value, or the beginning of one.
            let is_whole = match self.next()? {
                b'[' => self.begin(&mut open, Open::List, b']')?,
                b'{' => self.begin(&mut open, Open::Object, b'}')?,
                b'"' => self.string().map(|()| true)?,
                b't' => self.word(b"rue")?,
                b'f' => self.word(b"alse")?,
                b'n' => self.word(b"ull")?,
                first => self.number(first)?,
            };
            if !is_whole {
                continue;
            }
            // What follows a value: the ends of what it closes, and a comma before the next one.
            loop {
                self.blank();
                let Some(inner) = open.last().copied() else { return Some(()) };
                match (self.next()?, inner) {
                    (b']', Open::List) | (b'}', Open::Object) => {
                        open.pop();
                    }
                    (b',', Open::List) => break,
                    (b',', Open::Object) => {
                        self.blank();
                        self.key()?;
                        break;
                    }
                    _ => return None,
                }
            }
        }
    }

    /// Opens a list or object; `true` when it is empty, and so a whole value.
    fn begin(&mut self, open: &mut Vec<Open>, kind: Open, end: u8) -> Option<bool> {
        self.blank();
        if self.0.first() == Some(&end) {
            self.next()?;
            return Some(true);
        }
        open.push(kind);
        if kind == Open::Object {
            self.key()?;
        }
        (open.len() <= MAX_DEPTH).then_some(false)
    }

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn blank(&mut self) {
        let is_blank = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        let blanks = self.0.iter().take_while(is_blank).count();
        self.0 = &self.0[blanks..];
    }

    fn word(&mut self, rest: &[u8]) -> Option<bool> {
        self.0 = self.0.strip_prefix(rest)?;
        Some(true)
    }

    fn key(&mut self) -> Option<()> {
        if self.next()? != b'"' {
            return None;
        }
        self.string()?;
        self.blank();
        (self.next()? == b':').then_some(())
    }

    /// The rest of a string.
    fn string(&mut self) -> Option<()> {
        loop {
            match self.next()? {
                b'"' => return Some(()),
                b'\\' => match self.next()? {
                    b'u' => self.escaped()?,
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                    _ => return None,
                },
                0..0x20 => return None,
                _ => {}
            }
        }
    }

    /// The rest of a `\u` and its four digits, with the second half of a surrogate pair.
    fn escaped(&mut self) -> Option<()> {
        match self.hex()? {
            0 | 0xDC00..=0xDFFF => None,
            0xD800..=0xDBFF => {
                self.word(b"\\u")?;
                matches!(self.hex()?, 0xDC00..=0xDFFF).then_some(())
            }
            _ => Some(()),
        }
    }

    fn hex(&mut self) -> Option<u32> {
        (0..4).try_fold(0, |value, _| Some(value * 16 + char::from(self.next()?).to_digit(16)?))
    }

    /// The rest of a number.
    fn number(&mut self, first: u8) -> Option<bool> {
        let first = if first == b'-' { self.next()? } else { first };
        let whole = match first {
            b'0' => 1,
            b'1'..=b'9' => 1 + self.digits(),
            _ => return None,
        };
        let mut fraction = 1;
        if self.0.first() == Some(&b'.') {
            self.next()?;
            fraction = self.digits();
        }
        let mut exponent = 1;
        if matches!(self.0.first(), Some(b'e' | b'E')) {
            self.next()?;
            if matches!(self.0.first(), Some(b'+' | b'-')) {
                self.next()?;
            }
            exponent = self.digits();
        }
        let is_small = whole <= MAX_DIGITS && (1..=MAX_DIGITS).contains(&fraction);
        (is_small && (1..=3).contains(&exponent)).then_some(true)
    }

    fn digits(&mut self) -> usize {
        let digits = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.0 = &self.0[digits..];
        digits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_told_from_other_text() {
        let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let deep_objects =
            |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        for text in [
            "{}",
            " [ ] ",
            "null",
            "true",
            "-0.5e+10",
            "0",
            "\"\"",
            r#""a\"\\\/\b\f\n\r\té""#,
            r#"{"a": [1, {"b": null}], "c": {}}"#,
            r#""\ud83d\ude00 \u00e9""#,
            "[[], [], {}]",
            &deep(512),
            &deep_objects(512),
        ] {
            assert!(is_json(text), "{text}");
        }
        for text in [
            "",
            " ",
            "{",
            "[1,]",
            "{,}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "[1 2]",
            "01",
            "1.",
            ".5",
            "+1",
            "1e",
            "1e9999",
            "tru",
            "nul",
            "'a'",
            "\"a",
            "\"\t\"",
            r#""\x""#,
            r#""\u0000""#,
            r#""\ud800""#,
            r#""\ud800\u0041""#,
            r#""\udc00""#,
            "[}",
            "{]",
            "1 2",
            "a",
            "{1:2}",
            "NaN",
            &deep(514),
            &deep_objects(513),
            &deep(100_000),
            &"[".repeat(100_000),
        ] {
            assert!(!is_json(text), "{text}");
        }
    }
}

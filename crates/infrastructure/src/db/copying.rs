//! PostgreSQL's text format, as `COPY … FROM STDIN` reads it.

use std::fmt::{Display, Write as _};

use metricd_application::ports::RowSink;

/// How many bytes are sent at once, about: in small pieces, most of the time is spent waiting.
const CHUNK: usize = 256 * 1024;

/// Lines of rows.
pub(super) struct Lines {
    text: String,
    is_first: bool,
}

/// The next lines, as many as are sent at once, of rows that `next` adds as long as it says so; `None` when
/// there are no more.
pub(super) fn chunk(mut next: impl FnMut(&mut Lines) -> bool) -> Option<Vec<u8>> {
    let mut lines = Lines { text: String::with_capacity(CHUNK + 4_096), is_first: true };
    while lines.text.len() < CHUNK && next(&mut lines) {}
    (!lines.text.is_empty()).then(|| lines.text.into_bytes())
}

impl Lines {
    /// Adds a value that needs no escape: a number, a date, a UUID.
    pub(super) fn plain(&mut self, value: Option<impl Display>) {
        self.separate();
        // Writing to a String cannot fail.
        let _ = match value {
            Some(value) => write!(self.text, "{value}"),
            None => self.text.write_str("\\N"),
        };
    }

    fn separate(&mut self) {
        if !self.is_first {
            self.text.push('\t');
        }
        self.is_first = false;
    }
}

impl RowSink for Lines {
    fn cell(&mut self, text: Option<&str>) {
        self.separate();
        let Some(text) = text else {
            self.text.push_str("\\N");
            return;
        };
        let mut rest = text;
        while let Some(at) = rest.find(['\\', '\n', '\r', '\t']) {
            self.text.push_str(&rest[..at]);
            self.text.push_str(match rest.as_bytes()[at] {
                b'\\' => "\\\\",
                b'\n' => "\\n",
                b'\r' => "\\r",
                _ => "\\t",
            });
            rest = &rest[at + 1..];
        }
        self.text.push_str(rest);
    }

    fn end(&mut self) {
        self.text.push('\n');
        self.is_first = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_value_or_a_line_is_escaped() {
        let mut left = 2;
        let chunk = chunk(|lines| {
            left -= 1;
            lines.plain(Some(7));
            lines.cell(Some("a\tb\\c\nd\re"));
            lines.cell(Some(""));
            lines.cell(None);
            lines.plain(None::<f64>);
            lines.end();
            left > 0
        });
        let text = String::from_utf8(chunk.unwrap()).unwrap();
        assert_eq!(text, "7\ta\\tb\\\\c\\nd\\re\t\t\\N\t\\N\n".repeat(2));
        assert_eq!(super::chunk(|_| false), None);
    }
}

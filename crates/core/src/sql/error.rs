//! Errors in an author's SQL, with their position in the author's text.
//!
//! A position is never guessed: where it is not known, it is the beginning of the text.

use thiserror::Error;

/// An error in SQL. The text is for its author.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}, column {column}: {message}{}", .hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default())]
pub struct SqlError {
    /// What is wrong.
    pub message: String,
    /// Line in the author's SQL, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What to do about it.
    pub hint: Option<String>,
}

/// An error whose position is still a byte offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SqlFault {
    pub(super) message: String,
    pub(super) offset: usize,
    pub(super) hint: Option<String>,
}

impl SqlFault {
    pub(super) fn new(offset: impl Into<Offset>, message: impl Into<String>) -> Self {
        Self { message: message.into(), offset: offset.into().0, hint: None }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    pub(super) fn hint_if(self, hint: Option<&str>) -> Self {
        match hint {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }

    pub(super) fn in_text(self, text: &str) -> SqlError {
        let (line, column) = line_and_column(text, self.offset);
        SqlError { message: self.message, line, column, hint: self.hint }
    }
}

/// A byte offset into the author's text; unknown to the grammar (-1) is the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Offset(pub(super) usize);

impl From<usize> for Offset {
    fn from(offset: usize) -> Self {
        Self(offset)
    }
}

impl From<i32> for Offset {
    fn from(location: i32) -> Self {
        Self(usize::try_from(location).unwrap_or(0))
    }
}

/// Returns the line and column, both from 1, of a byte offset. An offset inside a character is that
/// character.
pub(super) fn line_and_column(text: &str, offset: usize) -> (u32, u32) {
    lines_and_columns(text, &[offset])[0]
}

/// Returns the line and column, both from 1, of each byte offset.
pub(super) fn lines_and_columns(text: &str, offsets: &[usize]) -> Vec<(u32, u32)> {
    let mut order: Vec<usize> = (0..offsets.len()).collect();
    order.sort_unstable_by_key(|at| offsets[*at]);
    let mut places = vec![(1, 1); offsets.len()];
    let mut letters = text.char_indices().peekable();
    let mut place = (1, 1);
    for at in order {
        while let Some((_, c)) = letters.next_if(|(start, c)| start + c.len_utf8() <= offsets[at]) {
            place = if c == '\n' { (place.0 + 1, 1) } else { (place.0, place.1 + 1) };
        }
        places[at] = place;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_lines_and_characters() {
        let text = "ab\nçd\n\nx";
        let offsets = [0, 1, 2, 3, 4, 5, 6, 7, 8, 99];
        let places: Vec<_> = offsets.map(|at| line_and_column(text, at)).into();
        let mut backwards = offsets;
        backwards.reverse();
        let mut together = lines_and_columns(text, &backwards);
        together.reverse();
        assert_eq!(together, places);
        assert_eq!(
            places,
            [(1, 1), (1, 2), (1, 3), (2, 1), (2, 1), (2, 2), (2, 3), (3, 1), (4, 1), (4, 2)]
        );
    }

    #[test]
    fn an_error_reads_as_one_line() {
        let fault = SqlFault::new(3_usize, "no").hint("write yes");
        assert_eq!(fault.in_text("a\nbc").to_string(), "line 2, column 2: no (write yes)");
    }
}

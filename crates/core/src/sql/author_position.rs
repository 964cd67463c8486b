//! Where in the author's SQL something stands that PostgreSQL points at in the template's.

use super::error::line_and_column;

/// Returns the line and the column in the author's `sql`, both from 1, of the word at the character `offset` of what it
/// was compiled to. None if that cannot be told: both texts must have the word equally often.
#[must_use]
pub fn author_position(compiled: &str, sql: &str, offset: usize) -> Option<(u32, u32)> {
    let at = compiled.char_indices().nth(offset).map(|(at, _)| at)?;
    let word = &compiled[at..];
    let word = &word[..word.find(|c| !is_of_word(c)).unwrap_or(word.len())];
    if word.is_empty() {
        return None;
    }
    let (places, written) = (occurrences(compiled, word), occurrences(sql, word));
    let which = places.iter().position(|place| *place == at)?;
    if places.len() != written.len() {
        return None;
    }
    Some(line_and_column(sql, written[which]))
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The places of a word, in whatever case.
fn occurrences(text: &str, word: &str) -> Vec<usize> {
    let mut places = Vec::new();
    let mut begin = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        match (begin, is_of_word(c)) {
            (None, true) => begin = Some(at),
            (Some(start), false) => {
                if text[start..at].eq_ignore_ascii_case(word) {
                    places.push(start);
                }
                begin = None;
            }
            _ => {}
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use crate::sql::{Draft, Gate, author_position};

    #[test]
    fn a_word_is_found_where_the_author_wrote_it() {
        let sql = "-- the first\nselect ID, o.Total\n  from Orders o where o.total > 0";
        let template = Draft::parse(sql, &Gate::default()).unwrap().assume().unwrap();
        let of = |part: &str| {
            let offset = template.sql.find(part).unwrap();
            author_position(&template.sql, sql, offset)
        };
        assert_eq!(of("id"), Some((2, 8)), "{}", template.sql);
        assert_eq!(of("total"), Some((2, 14)));
        assert_eq!(of("orders"), Some((3, 8)));
        assert_eq!(of(","), None);
        assert_eq!(author_position(&template.sql, sql, 10_000), None);
        assert_eq!(author_position(&template.sql, "select 1", 7), None);
    }
}

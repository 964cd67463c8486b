//! Where in the author's SQL something stands that PostgreSQL points at in the template's.

use super::error::line_and_column;

/// Returns the line and the column in the author's `sql`, both from 1, of the word or operator at the character `offset`
/// of what it was compiled to. None if that cannot be told: both texts must have it equally often.
#[must_use]
pub fn author_position(compiled: &str, sql: &str, offset: usize) -> Option<(u32, u32)> {
    let at = compiled.char_indices().nth(offset).map(|(at, _)| at)?;
    let token = &compiled[at..];
    let kind = [is_of_word, is_of_operator].into_iter().find(|kind| token.starts_with(kind))?;
    let token = &token[..token.find(|c| !kind(c)).unwrap_or(token.len())];
    let (places, written) = (occurrences(compiled, token, kind), occurrences(sql, token, kind));
    let which = places.iter().position(|place| *place == at)?;
    if places.len() != written.len() {
        return None;
    }
    Some(line_and_column(sql, written[which]))
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn is_of_operator(c: char) -> bool {
    "+-*/<>=~!@#%^&|`?".contains(c)
}

/// The places of a token of this kind, in whatever case.
fn occurrences(text: &str, token: &str, kind: fn(char) -> bool) -> Vec<usize> {
    let mut places = Vec::new();
    let mut begin = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        match (begin, kind(c)) {
            (None, true) => begin = Some(at),
            (Some(start), false) => {
                if text[start..at].eq_ignore_ascii_case(token) {
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
        assert_eq!(of(">"), Some((3, 31)));
        assert_eq!(of(","), None);
        assert_eq!(author_position(&template.sql, sql, 10_000), None);
        assert_eq!(author_position(&template.sql, "select 1", 7), None);
    }
}

//! The comment that an author's SQL begins with: metrics take their names from it.
//!
//! Works on any text, SQL or not, and never fails.

/// Returns the first line of the leading comments of `sql` that is not blank, without comment markers and
/// white space at its ends.
#[must_use]
pub fn leading_comment(sql: &str) -> Option<String> {
    let mut rest = sql.strip_prefix('\u{feff}').unwrap_or(sql).trim_start();
    loop {
        let (comment, after) = next_comment(rest)?;
        if let Some(line) = comment.lines().map(words).find(|line| !line.is_empty()) {
            return Some(line.to_owned());
        }
        rest = after.trim_start();
    }
}

/// Splits off the body of the comment that `text` begins with.
fn next_comment(text: &str) -> Option<(&str, &str)> {
    if let Some(line) = text.strip_prefix("--") {
        return Some(line.split_once(['\n', '\r']).unwrap_or((line, "")));
    }
    let body = text.strip_prefix("/*")?;
    let end = block_end(body);
    Some((&body[..end], body[end..].strip_prefix("*/").unwrap_or("")))
}

/// Where a block comment's body ends; block comments nest in PostgreSQL.
fn block_end(body: &str) -> usize {
    let mut open = 1;
    let mut at = 0;
    while at < body.len() {
        let rest = &body.as_bytes()[at..];
        if rest.starts_with(b"*/") {
            open -= 1;
            if open == 0 {
                return at;
            }
            at += 2;
        } else if rest.starts_with(b"/*") {
            open += 1;
            at += 2;
        } else {
            at += 1;
        }
    }
    body.len()
}

/// A line without the dashes, stars and white space that decorate it.
fn words(line: &str) -> &str {
    let decoration = |c: char| c.is_whitespace() || matches!(c, '-' | '*' | '=' | '#' | '/');
    let start = line.trim_start_matches(decoration);
    start.trim_end_matches(|c: char| c.is_whitespace() || matches!(c, '*' | '=' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_first_line_with_words() {
        let cases = [
            ("-- Total cost\nSELECT 1", Some("Total cost")),
            ("  \n\n--Total cost  \r\nSELECT 1", Some("Total cost")),
            ("\u{feff}-- Ünïcode — ok\nSELECT 1", Some("Ünïcode — ok")),
            ("--\n--   \n-- Second\nSELECT 1", Some("Second")),
            ("------------\n-- Boxed --\n------------\nSELECT 1", Some("Boxed")),
            ("/* Block */ SELECT 1", Some("Block")),
            ("/**\n * Starred\n * more\n */\nSELECT 1", Some("Starred")),
            ("/* */ -- After an empty block\nSELECT 1", Some("After an empty block")),
            ("/* outer /* inner */ still */ SELECT 1", Some("outer /* inner */ still")),
            ("/* never closed", Some("never closed")),
            ("-- only a comment", Some("only a comment")),
            ("SELECT 1 -- trailing", None),
            ("--", None),
            ("/*", None),
            ("", None),
        ];
        for (sql, expected) in cases {
            assert_eq!(leading_comment(sql).as_deref(), expected, "{sql:?}");
        }
    }
}

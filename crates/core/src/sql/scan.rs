//! Finds the named placeholders in an author's text and replaces them by `$n` for the grammar.
//!
//! Reads PostgreSQL's own tokens, so that strings, comments, quoted identifiers and `::` casts are
//! never touched. The text keeps its length: every offset in it stays the author's.

use pg_query::protobuf::{ScanToken, Token};

use super::error::SqlFault;
use crate::{claim::ClaimName, window::ParamName};

/// A named placeholder in the author's text, such as `:start_date`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NamedPlaceholder {
    pub(super) source: PlaceholderSource,
    /// As it is written, without its colon.
    pub(super) name: String,
    /// Byte offset of its colon.
    pub(super) offset: usize,
}

/// The source of a named placeholder's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PlaceholderSource {
    /// The window of the request.
    Window(ParamName),
    /// The caller's token.
    Claim(ClaimName),
}

impl PlaceholderSource {
    fn of(name: &str) -> Option<Self> {
        if let Some(claim) = name.strip_prefix(ClaimName::PREFIX) {
            return ClaimName::parse(claim).ok().map(Self::Claim);
        }
        ParamName::ALL.into_iter().find(|param| param.as_str() == name).map(Self::Window)
    }
}

/// An author's text with `$1` … `$n` for its named placeholders, in text order.
#[derive(Debug)]
pub(super) struct Scanned {
    /// As long as the author's text, byte for byte.
    pub(super) sql: String,
    pub(super) placeholders: Vec<NamedPlaceholder>,
}

pub(super) fn placeholders(text: &str) -> Result<Scanned, SqlFault> {
    let tokens = tokens(text)?;
    if tokens.iter().all(|token| is_comment(token) || slice(text, token) == ";") {
        return Err(SqlFault::new(0_usize, "the query is empty").hint("write one SELECT"));
    }
    let mut sql = text.to_owned();
    let mut placeholders = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let offset = range(token).start;
        if token.token() == Token::Param {
            let message = format!("{} is not supported here", slice(text, token));
            return Err(SqlFault::new(offset, message).hint(known_names()));
        }
        let name = tokens.get(at + 1).filter(|next| {
            token.token() == Token::Ascii58 && next.start == token.end && is_word(slice(text, next))
        });
        let Some(name) = name else { continue };
        let written = slice(text, name);
        let source = PlaceholderSource::of(written).ok_or_else(|| unknown(offset, written))?;
        placeholders.push(NamedPlaceholder { source, name: written.to_owned(), offset });
        let width = range(name).end - offset;
        let marker = format!("${:<fill$}", placeholders.len(), fill = width - 1);
        sql.replace_range(offset..offset + width, &marker);
    }
    Ok(Scanned { sql, placeholders })
}

/// Returns the tokens of `text`, including comments.
pub(super) fn tokens(text: &str) -> Result<Vec<ScanToken>, SqlFault> {
    // Not `scan_tokens`: it aborts on a text without tokens.
    let scanned = pg_query::scan(text).map_err(|error| {
        let message = match error {
            pg_query::Error::Scan(message) => message,
            other => other.to_string(),
        };
        SqlFault::new(unfinished(text, &message), message)
    })?;
    Ok(scanned.tokens)
}

pub(super) fn slice<'a>(text: &'a str, token: &ScanToken) -> &'a str {
    text.get(range(token)).unwrap_or_default()
}

pub(super) fn range(token: &ScanToken) -> std::ops::Range<usize> {
    let bound = |at| usize::try_from(at).unwrap_or(0);
    bound(token.start)..bound(token.end)
}

fn is_comment(token: &ScanToken) -> bool {
    matches!(token.token(), Token::SqlComment | Token::CComment)
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Returns the offset of a string, comment or quoted name that is never closed: the scanner quotes all of it.
fn unfinished(text: &str, message: &str) -> usize {
    let quoted = message.split_once("at or near \"").and_then(|(_, near)| near.strip_suffix('"'));
    let tail = quoted.filter(|near| !near.is_empty() && text.ends_with(near));
    tail.map_or(0, |near| text.len() - near.len())
}

fn unknown(offset: usize, name: &str) -> SqlFault {
    SqlFault::new(offset, format!(":{name} is not a placeholder")).hint(format!(
        "{}; in an array slice, put spaces around the colon: [1 : {name}]",
        known_names()
    ))
}

fn known_names() -> String {
    let of_window = ParamName::ALL.map(|param| format!(":{param}")).join(", ");
    format!(
        "the placeholders are {of_window}, and :claim_name for a claim of the caller's token, in \
         lower case"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(String, usize)> {
        let scanned = placeholders(text).unwrap();
        assert_eq!(scanned.sql.len(), text.len());
        scanned.placeholders.into_iter().map(|p| (p.name, p.offset)).collect()
    }

    #[test]
    fn placeholders_are_tokens() {
        assert_eq!(found("SELECT :start_date"), [("start_date".into(), 7)]);
        assert_eq!(
            found("SELECT :end_date-1, (:timezone)::text, :claim_tenant_id::int"),
            [("end_date".into(), 7), ("timezone".into(), 21), ("claim_tenant_id".into(), 39)]
        );
        let untouched = [
            "SELECT ':start_date'",
            "SELECT $$ :start_date :nope $$",
            "SELECT E'\\' :start_date'",
            "SELECT \":start_date\"",
            "SELECT 1 -- :start_date :nope",
            "SELECT 1 /* :nope /* :start_date */ */",
            "SELECT x::start_date",
            "SELECT a[1 : start_date]",
            "SELECT f(a := start_date)",
        ];
        for text in untouched {
            assert_eq!(found(text), [], "{text}");
            assert_eq!(placeholders(text).unwrap().sql, text);
        }
    }

    #[test]
    fn the_text_keeps_its_places() {
        let scanned = placeholders("SELECT 'é' WHERE a>=:start_date AND b<:end_date;").unwrap();
        assert_eq!(scanned.sql, "SELECT 'é' WHERE a>=$1          AND b<$2       ;");
    }

    #[test]
    fn faults_say_where_and_what() {
        let cases = [
            ("SELECT\n  :from_date", "line 2, column 3: :from_date is not a placeholder"),
            ("SELECT 'ü', :END_DATE", "line 1, column 13: :END_DATE is not a placeholder"),
            ("SELECT a[1:n]", "line 1, column 11: :n is not a placeholder"),
            ("SELECT :select", "line 1, column 8: :select is not a placeholder"),
            ("SELECT :claim_", "line 1, column 8: :claim_ is not a placeholder"),
            ("SELECT :claim_Tenant", "line 1, column 8: :claim_Tenant is not a placeholder"),
            ("SELECT :CLAIM_tenant", "line 1, column 8: :CLAIM_tenant is not a placeholder"),
            ("SELECT $1", "line 1, column 8: $1 is not supported here"),
            ("SELECT 1,\n 'abc", "line 2, column 2: unterminated quoted string"),
            ("", "line 1, column 1: the query is empty"),
            (" -- nothing\n ; ;", "line 1, column 1: the query is empty"),
        ];
        for (text, expected) in cases {
            let error = placeholders(text).unwrap_err().in_text(text).to_string();
            assert!(error.starts_with(expected), "{error}");
        }
        let error = placeholders("SELECT a[1:n]").unwrap_err();
        let hint = error.hint.unwrap();
        assert!(hint.contains(":start_date, :end_date, :day_range, :timezone"), "{hint}");
        assert!(hint.contains("[1 : n]"), "{hint}");
    }
}

//! Bounds the time zones that a statement can ask for: PostgreSQL keeps each for as long as the session lasts, also those
//! that are made up, such as `Foo1`.

use pg_query::{Node, NodeEnum, protobuf::FuncCall};

use super::value::Value;
use crate::sql::{error::SqlFault, tree::string_constant};

/// The fewest letters of a zone's name.
const WORD_LETTERS: usize = 3;

/// Words that dates are written with.
const WORDS_OF_DATES: [&str; 31] = [
    "january",
    "february",
    "march",
    "april",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
    "jan",
    "feb",
    "mar",
    "apr",
    "may",
    "jun",
    "jul",
    "aug",
    "sep",
    "sept",
    "oct",
    "nov",
    "dec",
    "mon",
    "tue",
    "wed",
    "thu",
    "fri",
    "sat",
    "sun",
];

/// Checks the name of the time zone that a call is given.
pub(super) fn check_call(name: &str, call: &FuncCall, args: &[Value]) -> Result<(), SqlFault> {
    let at = match (name, args.len()) {
        ("timezone", 2) => 0,
        ("date_trunc" | "date_add" | "date_subtract", 3) => 2,
        ("generate_series", 4) => 3,
        ("make_timestamptz", 7) => 6,
        _ => return Ok(()),
    };
    let named = |arg: &Node| matches!(&arg.node, Some(NodeEnum::NamedArgExpr(arg)) if arg.name == "timezone");
    let at = call.args.iter().position(named).unwrap_or(at);
    if args.get(at).is_none_or(|zone| !zone.is_made) {
        return Ok(());
    }
    let message = "the name of a time zone is made by this query, and PostgreSQL keeps each that it is asked for";
    Err(SqlFault::new(call.location, message)
        .hint("write a constant, a column, :timezone, or CASE or coalesce of those"))
}

/// Whether a text has a word that can be a part of a zone's name.
pub(super) fn has_word(text: &str) -> bool {
    let words = text.split(|c: char| !c.is_ascii_alphabetic());
    let mut long = words.filter(|word| word.len() >= WORD_LETTERS);
    text.contains('<')
        || long.any(|word| !WORDS_OF_DATES.contains(&word.to_ascii_lowercase().as_str()))
}

/// Whether the result of a call has a word of a constant: what is only looked for is no part of it.
pub(super) fn gives_word(name: &str, call: &FuncCall, args: &[Value]) -> bool {
    let given = |at: &[usize]| {
        at.iter().filter_map(|at| args.get(*at)).any(|arg| arg.has_word || arg.ends_in_word)
    };
    match name {
        "to_char" => {
            let format = call.args.get(1).and_then(string_constant);
            format.is_none_or(|(format, _)| format.contains('"'))
        }
        "split_part"
        | "btrim"
        | "ltrim"
        | "rtrim"
        | "substring"
        | "substr"
        | "left"
        | "right"
        | "regexp_substr"
        | "string_to_array"
        | "regexp_split_to_array"
        | "date_trunc" => given(&[0]),
        "replace" | "regexp_replace" | "translate" => given(&[0, 2]),
        _ => args.iter().any(|arg| arg.has_word || arg.ends_in_word),
    }
}

/// The text of two, of which a constant at the end keeps its word apart.
pub(super) fn joined(sides: &[Value], end: Option<&Node>) -> Value {
    let value = Value::sum(sides);
    match (sides, end.and_then(string_constant)) {
        ([start, _], Some((end, _))) => Value {
            has_word: start.has_word || start.ends_in_word,
            ends_in_word: has_word(end),
            ..value
        },
        _ => value,
    }
}

/// Checks a text that becomes a time, and may name a zone: a constant at its end is one zone.
pub(super) fn check_time(text: Value, location: i32) -> Result<(), SqlFault> {
    if !(text.is_made && text.has_word) {
        return Ok(());
    }
    let message = "a text that this query makes becomes a time, and can name a time zone in each row, which \
                   PostgreSQL keeps";
    Err(SqlFault::new(location, message).hint(
        "write (…)::timestamp AT TIME ZONE 'Europe/Berlin' with a constant, a column or :timezone",
    ))
}

//! Bounds the time zones that a statement can ask for: PostgreSQL keeps each for as long as the session lasts, also those
//! that are made up, such as `Foo1`.

use pg_query::{Node, NodeEnum, protobuf::FuncCall};

use super::{rules::RULES, value::Value};
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

/// Whether a type, or the function of its name, reads a time zone's name in a text.
pub(super) fn is_time(name: &str) -> bool {
    let times =
        ["timestamptz", "timestamp", "timetz", "time", "date", "tstzrange", "tsrange", "daterange"];
    times.contains(&name)
}

/// Whether a text has a word that can be a part of a zone's name.
pub(super) fn has_word(text: &str) -> bool {
    let words = text.split(|c: char| !c.is_ascii_alphabetic());
    let mut long = words.filter(|word| word.len() >= WORD_LETTERS);
    // A zone's name may follow a slash.
    let letters: Vec<char> = text.chars().collect();
    let has_path = letters
        .windows(2)
        .any(|pair| pair.contains(&'/') && pair.iter().any(char::is_ascii_alphabetic));
    has_path
        || text.contains('<')
        || long.any(|word| !WORDS_OF_DATES.contains(&word.to_ascii_lowercase().as_str()))
}

/// Whether the result of a call has a word of a constant, and whether it ends in one: what is only looked for is no part
/// of it.
pub(super) fn words_given(name: &str, call: &FuncCall, args: &[Value]) -> (bool, bool) {
    let has = |args: &[Value]| args.iter().any(|arg| arg.has_word || arg.ends_in_word);
    let first = args.get(..1).unwrap_or_default();
    let constant = |at: usize| call.args.get(at).and_then(string_constant).map(|(text, _)| text);
    match name {
        name if RULES.small.contains(name) => (false, false),
        "to_char" => match constant(1) {
            Some(format) => (format.split('"').skip(1).step_by(2).any(has_word), false),
            None => (true, false),
        },
        "concat" | "concat_ws" => match args.split_last() {
            Some((last, before)) if constant(before.len()).is_some() => {
                (has(before), last.has_word)
            }
            _ => (has(args), false),
        },
        "replace" | "regexp_replace" | "translate" => {
            (has(first) || has(args.get(2..).unwrap_or_default()), false)
        }
        "split_part" | "btrim" | "ltrim" | "rtrim" | "substring" | "substr" | "left" | "right"
        | "string_to_array" | "string_to_table" | "array_remove" => (has(first), false),
        name if name.starts_with("json") || name.starts_with("regexp_") => (has(first), false),
        _ => (has(args), false),
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

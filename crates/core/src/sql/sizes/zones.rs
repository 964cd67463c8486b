//! Bounds the time zones that a statement can ask for: PostgreSQL keeps each for as long as the session lasts, also those
//! that are made up, such as `Foo1`.

use pg_query::{
    Node, NodeEnum,
    protobuf::{FuncCall, TypeName},
};

use super::{rules::RULES, value::Value};
use crate::sql::{
    date_words,
    error::SqlFault,
    tree::{builtin_name, string_constant},
};

/// The letters of a short name of a month or a day.
const SHORT_NAME: usize = 3;

const DAYS_OF_WEEK: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// Words that PostgreSQL knows in a date, beside the names of months and days.
const WORDS_OF_DATES: [&str; 14] = [
    "sept",
    "infinity",
    "epoch",
    "now",
    "today",
    "tomorrow",
    "yesterday",
    "am",
    "pm",
    "ad",
    "bc",
    "at",
    "on",
    "t",
];

/// Whether PostgreSQL reads a word, or a month or a day by its name, as a part of a date.
fn is_of_dates(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    let mut names = date_words::MONTHS.iter().chain(&DAYS_OF_WEEK);
    WORDS_OF_DATES.contains(&word.as_str())
        || names.any(|name| *name == word || word.len() == SHORT_NAME && name.starts_with(&word))
}

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
    let times = [
        "timestamptz",
        "timestamp",
        "timetz",
        "time",
        "date",
        "tstzrange",
        "tsrange",
        "daterange",
        "tstzmultirange",
        "tsmultirange",
        "datemultirange",
    ];
    times.contains(&name)
}

/// Whether a text has a word that can be a part of a zone's name: `A5` is one, and so is `mon-5` behind a whole date.
pub(super) fn has_word(text: &str) -> bool {
    let is_letter = |letter: &char| letter.is_ascii_alphabetic();
    let letters: Vec<char> = text.chars().collect();
    // A zone's name may follow a slash.
    let has_path = letters.windows(2).any(|pair| pair.contains(&'/') && pair.iter().any(is_letter));
    let mut words = text.match_indices(char::is_alphabetic);
    has_path
        || text.contains('<')
        || words.any(|(at, _)| {
            let (before, rest) = text.split_at(at);
            !before.ends_with(char::is_alphabetic) && {
                let end = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
                let (word, after) = rest.split_at(end);
                let is_joined = after.starts_with(['-', '.', '+']) && !before.ends_with('-');
                is_joined || !is_of_dates(word)
            }
        })
}

/// Whether the result of a call has a word of a constant, and whether it ends in one: what is only looked for is no part
/// of it.
pub(super) fn words_given(name: &str, call: &FuncCall, args: &[Value]) -> (bool, bool) {
    let has = |args: &[Value]| args.iter().any(|arg| arg.has_word || arg.ends_in_word);
    let first = args.get(..1).unwrap_or_default();
    let constant = |at: usize| call.args.get(at).and_then(string_constant).map(|(text, _)| text);
    match name {
        // They write numbers, or anything, with letters.
        "to_hex" | "chr" | "md5" | "encode" => (true, false),
        name if RULES.small.contains(name) => (false, false),
        "to_char" => match constant(1) {
            Some(format) => {
                let quoted: Vec<_> = format.split('"').skip(1).step_by(2).collect();
                at_end(&quoted, format.ends_with('"'))
            }
            None => (true, false),
        },
        "concat" | "concat_ws" => match args.split_last() {
            Some((last, before)) if constant(before.len()).is_some() => {
                (has(before), last.has_word)
            }
            _ => (has(args), false),
        },
        "format" => match constant(0) {
            Some(format) => {
                let (is_within, is_at_end) = at_end(&fixed_parts(format), true);
                (is_within || has(args.get(1..).unwrap_or_default()), is_at_end)
            }
            None => (true, false),
        },
        "replace" | "regexp_replace" | "translate" => {
            (has(first) || has(args.get(2..3).unwrap_or_default()), false)
        }
        "split_part" | "btrim" | "ltrim" | "rtrim" | "substring" | "substr" | "left" | "right"
        | "string_to_array" | "string_to_table" | "array_remove" => (has(first), false),
        // Every other argument is a key.
        "json_build_object" | "jsonb_build_object" => {
            (args.iter().skip(1).step_by(2).any(|arg| arg.has_word || arg.ends_in_word), false)
        }
        name if RULES.parts.contains(name) || name.starts_with("regexp_") => (has(first), false),
        _ => (has(args), false),
    }
}

/// Whether one of several texts of a result has a word, and whether the last, which may be the end of it, has one.
fn at_end(texts: &[&str], last_is_end: bool) -> (bool, bool) {
    let Some((last, before)) = texts.split_last() else { return (false, false) };
    let last = has_word(last);
    (before.iter().any(|text| has_word(text)) || last && !last_is_end, last && last_is_end)
}

/// What stands between the conversions of a format, such as `%s` or `%1$-10L`.
fn fixed_parts(format: &str) -> Vec<&str> {
    let mut is_literal = true;
    let parts = format.split('%').map(|part| {
        // `%%` is a per cent sign.
        let is_fixed = std::mem::take(&mut is_literal);
        is_literal = !is_fixed && part.is_empty();
        match part.find(char::is_alphabetic) {
            Some(conversion) if !is_fixed => part.get(conversion + 1..).unwrap_or_default(),
            _ => part,
        }
    });
    parts.collect()
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

/// Checks a value that is read as one of a type: as a time it may name a zone.
pub(super) fn check_type(
    value: Value,
    ty: Option<&TypeName>,
    location: i32,
) -> Result<(), SqlFault> {
    match ty.and_then(|ty| builtin_name(&ty.names)) {
        Some(name) if is_time(name) => check_time(value, location),
        _ => Ok(()),
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

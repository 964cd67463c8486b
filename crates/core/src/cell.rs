//! The types of a file's cells: infers the types of a table's columns from texts. A type accepts a text
//! only if PostgreSQL parses it as a value of that type and no digit is lost.

use std::fmt;

use chrono::{NaiveDate, NaiveTime};
use thiserror::Error;
use uuid::Uuid;

use crate::json_text::is_json;

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CellType {
    /// `true` or `false`.
    Bool,
    /// A whole number of 64 bits.
    Int8,
    /// Any number, digit for digit.
    Numeric,
    /// A day.
    Date,
    /// A day and a time, without a zone.
    Timestamp,
    /// An instant: a day, a time and its distance from UTC.
    TimestampTz,
    /// A UUID.
    Uuid,
    /// An object or a list.
    Jsonb,
    /// Anything.
    Text,
}

impl CellType {
    /// All types. The type of a column is the first that accepts every cell.
    pub const ALL: [Self; 9] = [
        Self::Bool,
        Self::Int8,
        Self::Numeric,
        Self::Date,
        Self::Timestamp,
        Self::TimestampTz,
        Self::Uuid,
        Self::Jsonb,
        Self::Text,
    ];

    /// Returns PostgreSQL's name of the type.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int8 => "int8",
            Self::Numeric => "numeric",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::TimestampTz => "timestamptz",
            Self::Uuid => "uuid",
            Self::Jsonb => "jsonb",
            Self::Text => "text",
        }
    }

    /// Parses a type.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|ty| ty.as_str() == word)
    }

    /// Whether this type accepts a cell of a column whose type is inferred: in one form only, so that what
    /// the table gives back is what the file holds.
    #[must_use]
    pub fn takes(self, cell: Cell<'_>) -> bool {
        match cell {
            Cell::Plain(text) => match self {
                Self::Bool => {
                    text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false")
                }
                Self::Int8 => !has_idle_zero(text) && is_int8(text),
                Self::Numeric => !has_idle_zero(text) && is_numeric(text),
                Self::Jsonb => false,
                _ => self.takes_words(text),
            },
            Cell::Quoted(text) => self.takes_words(text),
            Cell::Number(text) => match self {
                Self::Int8 => is_int8(text),
                Self::Numeric => is_numeric(text),
                Self::Text => true,
                _ => false,
            },
            Cell::Bool(_) => matches!(self, Self::Bool | Self::Text),
            Cell::Nested(_) => matches!(self, Self::Jsonb | Self::Text),
        }
    }

    /// Whether this type accepts a cell of a column whose type is given: what [`Self::takes`] accepts, and the
    /// other forms in which PostgreSQL writes values of the type, as in `COPY … TO`.
    #[must_use]
    pub fn reads(self, cell: Cell<'_>) -> bool {
        let more = match (self, cell) {
            (Self::Bool, Cell::Plain(text)) => is_truth_value(text),
            (Self::Numeric, Cell::Plain(text)) => is_no_finite_number(text) || is_long_number(text),
            (Self::Date, Cell::Plain(text)) => is_any_day(text, LAST_YEAR_OF_DATE),
            (Self::Timestamp, Cell::Plain(text)) => is_any_moment(text, is_time),
            (Self::TimestampTz, Cell::Plain(text)) => is_any_moment(text, is_time_of_a_zone),
            (Self::Jsonb, Cell::Plain(text) | Cell::Number(text)) => is_json(text),
            (Self::Jsonb, Cell::Bool(_)) => true,
            _ => false,
        };
        more || self.takes(cell)
    }

    /// Whether this type accepts a text that is neither a number nor a truth value.
    fn takes_words(self, text: &str) -> bool {
        match self {
            Self::Date => is_date(text),
            Self::Timestamp => is_date(text) || is_timestamp(text),
            Self::TimestampTz => is_instant(text),
            Self::Uuid => text.len() == 36 && Uuid::try_parse(text).is_ok(),
            Self::Text => true,
            Self::Bool | Self::Int8 | Self::Numeric | Self::Jsonb => false,
        }
    }
}

impl fmt::Display for CellType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A cell of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell<'a> {
    /// A text of a file that has only texts, such as CSV: it may be a number.
    Plain(&'a str),
    /// A text of a file that has numbers of its own, such as JSON: it is not one.
    Quoted(&'a str),
    /// A number, as it is written.
    Number(&'a str),
    /// `true` or `false`.
    Bool(bool),
    /// An object or a list, as JSON.
    Nested(&'a str),
}

impl<'a> Cell<'a> {
    /// Returns the text that PostgreSQL parses.
    #[must_use]
    pub fn text(self) -> &'a str {
        match self {
            Self::Plain(text) | Self::Quoted(text) | Self::Number(text) | Self::Nested(text) => {
                text
            }
            Self::Bool(true) => "true",
            Self::Bool(false) => "false",
        }
    }
}

/// The types that accept every cell so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidates(u16);

impl Default for Candidates {
    fn default() -> Self {
        Self(CellType::ALL.into_iter().map(Self::bit).sum())
    }
}

impl Candidates {
    fn bit(ty: CellType) -> u16 {
        1 << ty as u16
    }

    /// Retains the types that accept `cell`, too.
    pub fn see(&mut self, cell: Cell<'_>) {
        for ty in CellType::ALL {
            if self.0 & Self::bit(ty) != 0 && !ty.takes(cell) {
                self.0 &= !Self::bit(ty);
            }
        }
    }

    /// Returns the type of the column: the narrowest, and `text` if there were no cells.
    #[must_use]
    pub fn narrowest(self) -> CellType {
        if self == Self::default() {
            return CellType::Text;
        }
        let narrowest = CellType::ALL.into_iter().find(|ty| self.0 & Self::bit(*ty) != 0);
        narrowest.unwrap_or(CellType::Text)
    }
}

/// A header that is not a name for a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("holds no letter or digit")]
pub struct Nameless;

/// Returns the column that a header names: lower-case letters, digits and `_`, at most 63 bytes.
///
/// # Errors
/// [`Nameless`] when no character of it is allowed.
pub fn column_name(header: &str) -> Result<String, Nameless> {
    let mut name = String::with_capacity(header.len());
    for letter in header.trim().chars().flat_map(char::to_lowercase) {
        if letter.is_alphanumeric() {
            name.push(letter);
        } else if !name.is_empty() && !name.ends_with('_') {
            name.push('_');
        }
    }
    let name = name.trim_end_matches('_');
    if name.is_empty() {
        return Err(Nameless);
    }
    let prefix = if name.starts_with(|first: char| first.is_numeric()) { "_" } else { "" };
    let mut name = format!("{prefix}{name}");
    while name.len() > 63 {
        name.pop();
    }
    Ok(name)
}

/// Whether a text has leading zeros, as in `007`: it is a name, and a number would lose them.
fn has_idle_zero(text: &str) -> bool {
    let digits = text.trim_start_matches(['-', '+']);
    digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit()
        || text.starts_with('+')
}

fn is_int8(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    // `-0` would come back as `0`.
    digits.bytes().all(|byte| byte.is_ascii_digit()) && text != "-0" && text.parse::<i64>().is_ok()
}

/// Digits with at most one point between them, and perhaps an exponent: within what PostgreSQL holds.
fn is_numeric(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let are_digits = |text: &str| {
        (1..=1_000).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let is_small = |exponent: &str| {
        let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        (1..=3).contains(&digits.len()) && are_digits(digits)
    };
    are_digits(whole) && are_digits(fraction) && exponent.is_none_or(is_small)
}

fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 10
        && bytes[4] == b'-'
        && bytes[7] == b'-'
        && bytes.iter().enumerate().all(|(at, byte)| matches!(at, 4 | 7) || byte.is_ascii_digit())
        && !text.starts_with("0000")
        && text.parse::<NaiveDate>().is_ok()
}

/// A day and a time.
fn is_timestamp(text: &str) -> bool {
    split_moment(text).is_some_and(|(day, time)| is_date(day) && is_time(time))
}

/// A day and a time with `Z` or the hours, and perhaps minutes and seconds, that it is ahead of UTC.
fn is_instant(text: &str) -> bool {
    split_moment(text).is_some_and(|(day, time)| is_date(day) && is_time_of_a_zone(time))
}

/// Splits at the blank or `T` between a day and a time.
fn split_moment(text: &str) -> Option<(&str, &str)> {
    text.split_once([' ', 'T']).filter(|_| text.is_ascii())
}

/// A time of at most six digits below the second: PostgreSQL would round a seventh.
fn is_time(time: &str) -> bool {
    let fraction = time.split_once('.').map(|(_, fraction)| fraction);
    time.len() >= 5
        && time.as_bytes()[0].is_ascii_digit()
        && fraction.is_none_or(|fraction| (1..=6).contains(&fraction.len()))
        && !time.contains(":60")
        && ["%H:%M", "%H:%M:%S%.f"].iter().any(|form| NaiveTime::parse_from_str(time, form).is_ok())
}

/// A [time](is_time) with `Z` or the hours, and perhaps minutes and seconds, that it is ahead of UTC.
fn is_time_of_a_zone(text: &str) -> bool {
    if let Some(time) = text.strip_suffix('Z') {
        return is_time(time);
    }
    let Some(sign) = text.rfind(['+', '-']) else {
        return false;
    };
    let (time, offset) = text.split_at(sign);
    let parts = match offset.len() {
        3 => [&offset[1..], "00", "00"],
        5 => [&offset[1..3], &offset[3..], "00"],
        6 if &offset[3..4] == ":" => [&offset[1..3], &offset[4..], "00"],
        9 if &offset[3..4] == ":" && &offset[6..7] == ":" => {
            [&offset[1..3], &offset[4..6], &offset[7..]]
        }
        _ => return false,
    };
    let below = |text: &str, limit: u8| {
        text.bytes().all(|byte| byte.is_ascii_digit())
            && text.parse::<u8>().is_ok_and(|n| n < limit)
    };
    is_time(time) && below(parts[0], 16) && below(parts[1], 60) && below(parts[2], 60)
}

/// PostgreSQL's last year of a `date`.
const LAST_YEAR_OF_DATE: i64 = 5_874_897;

/// PostgreSQL's last year of a `timestamp`.
const LAST_YEAR_OF_TIMESTAMP: i64 = 294_276;

/// PostgreSQL's first year, before Christ, and its first month and day.
const FIRST_YEAR: i64 = 4_714;
const FIRST_DAY: &str = "11-24";

fn is_truth_value(text: &str) -> bool {
    ["t", "f", "true", "false", "y", "n", "yes", "no", "on", "off", "1", "0"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word))
}

fn is_no_finite_number(text: &str) -> bool {
    ["NaN", "Infinity", "-Infinity"].contains(&text)
}

/// A number without an exponent, of all the digits that a `numeric` can have.
fn is_long_number(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let are_digits = |text: &str, most: usize| {
        (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    !has_idle_zero(unsigned) && are_digits(whole, 131_000) && are_digits(fraction, 16_383)
}

fn is_infinite(text: &str) -> bool {
    ["infinity", "-infinity"].contains(&text)
}

/// A day of any year up to `last_year`, perhaps before Christ, or none at all.
fn is_any_day(text: &str, last_year: i64) -> bool {
    let (day, is_before_christ) = match text.strip_suffix(" BC") {
        Some(day) => (day, true),
        None => (text, false),
    };
    is_infinite(text) || is_day_of(day, is_before_christ, last_year)
}

/// A day of any year and a time that `is_time` accepts, or a moment without an end.
fn is_any_moment(text: &str, is_time: fn(&str) -> bool) -> bool {
    let (moment, is_before_christ) = match text.strip_suffix(" BC") {
        Some(moment) => (moment, true),
        None => (text, false),
    };
    is_infinite(text)
        || split_moment(moment).is_some_and(|(day, time)| {
            is_day_of(day, is_before_christ, LAST_YEAR_OF_TIMESTAMP) && is_time(time)
        })
}

fn is_day_of(text: &str, is_before_christ: bool, last_year: i64) -> bool {
    let Some((year, day)) = text.split_once('-') else {
        return false;
    };
    let is_written_out = (4..=7).contains(&year.len())
        && day.len() == 5
        && day.is_ascii()
        && day.bytes().enumerate().all(|(at, byte)| at == 2 || byte.is_ascii_digit())
        && day.as_bytes()[2] == b'-'
        && year.bytes().all(|byte| byte.is_ascii_digit());
    if !is_written_out || year.len() > 4 && year.starts_with('0') {
        return false;
    }
    let Ok(year) = year.parse::<i64>() else {
        return false;
    };
    let last_year = if is_before_christ { FIRST_YEAR } else { last_year };
    let is_too_early = is_before_christ && year == FIRST_YEAR && day < FIRST_DAY;
    // The calendar repeats itself every 400 years, and there is no year 0.
    let year_of_cycle = if is_before_christ { 1 - year } else { year }.rem_euclid(400);
    (1..=last_year).contains(&year)
        && !is_too_early
        && format!("{:04}-{day}", 2_000 + year_of_cycle).parse::<NaiveDate>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn narrowest(cells: &[&str]) -> &'static str {
        let mut candidates = Candidates::default();
        for cell in cells {
            candidates.see(Cell::Plain(cell));
        }
        candidates.narrowest().as_str()
    }

    #[test]
    fn a_column_has_the_narrowest_type_that_takes_all_its_cells() {
        for (cells, expected) in [
            (&[][..], "text"),
            (&["true", "FALSE"], "bool"),
            (&["1", "-2", "9223372036854775807"], "int8"),
            (&["1", "9223372036854775808"], "numeric"),
            (&["1", "0.10", "-3e-7"], "numeric"),
            (&["1", "true"], "text"),
            (&["1", "007"], "text"),
            (&["+1"], "text"),
            (&["-0"], "numeric"),
            (&["0", "0.5"], "numeric"),
            (&["NaN"], "text"),
            (&["1,5"], "text"),
            (&[".5"], "text"),
            (&["1."], "text"),
            (&["1e9999"], "text"),
            (&["2025-06-01", "2024-02-29"], "date"),
            (&["2025-06-01", "2025-02-29"], "text"),
            (&["0000-01-01"], "text"),
            (&["2025-6-1"], "text"),
            (&["01.06.2025"], "text"),
            (&["2025-06-01", "2025-06-01 12:00"], "timestamp"),
            (&["2025-06-01T12:00:00.123456"], "timestamp"),
            (&["2025-06-01T12:00:00.1234567"], "text"),
            (&["2025-06-01T24:00:00"], "text"),
            (&["2025-06-01T12:00:60"], "text"),
            (
                &["2025-06-01T12:00:00Z", "2025-06-01 12:00+02", "2025-06-01 12:00-03:30"],
                "timestamptz",
            ),
            (&["2025-06-01T12:00:00Z", "2025-06-01T12:00:00"], "text"),
            (&["2025-06-01T12:00:00+99"], "text"),
            (&["8c5a6582-7417-4543-a54b-1379a7642543"], "uuid"),
            (&["8c5a658274174543a54b1379a7642543"], "text"),
            (&["{}"], "text"),
        ] {
            assert_eq!(narrowest(cells), expected, "{cells:?}");
        }
    }

    #[test]
    fn what_json_writes_as_a_text_is_no_number() {
        for (cells, expected) in [
            (&[Cell::Quoted("7")][..], CellType::Text),
            (&[Cell::Quoted("2025-06-01")], CellType::Date),
            (&[Cell::Number("7"), Cell::Number("1e2")], CellType::Numeric),
            (&[Cell::Number("7"), Cell::Quoted("7")], CellType::Text),
            (&[Cell::Bool(true)], CellType::Bool),
            (&[Cell::Nested("{}"), Cell::Nested("[1]")], CellType::Jsonb),
            (&[Cell::Nested("{}"), Cell::Number("7")], CellType::Text),
        ] {
            let mut candidates = Candidates::default();
            for cell in cells {
                candidates.see(*cell);
            }
            assert_eq!(candidates.narrowest(), expected, "{cells:?}");
        }
    }

    #[test]
    fn a_given_type_reads_what_postgresql_writes() {
        use CellType::{Bool, Date, Int8, Jsonb, Numeric, Timestamp, TimestampTz};
        for (ty, text) in [
            (Bool, "t"),
            (Bool, "f"),
            (Bool, "YES"),
            (Numeric, "NaN"),
            (Numeric, "-Infinity"),
            (Numeric, &"9".repeat(2_000)),
            (Numeric, "1e+300"),
            (Date, "infinity"),
            (Date, "0044-03-15 BC"),
            (Date, "0001-02-29 BC"),
            (Date, "12345-01-31"),
            (Timestamp, "-infinity"),
            (Timestamp, "0044-03-15 12:00:00.5 BC"),
            (Date, "4714-11-24 BC"),
            (Date, "5874897-12-31"),
            (Timestamp, "294276-12-31 23:59:59.999999"),
            (Timestamp, "4714-11-24 00:00:00 BC"),
            (TimestampTz, "4714-12-31 00:00:00+00 BC"),
            (TimestampTz, "0044-03-15 12:00:00+00 BC"),
            (TimestampTz, "1890-01-01 00:00:00+00:53:28"),
            (TimestampTz, "12345-01-31 00:00:00-03:30"),
            (Jsonb, "{\"a\": 2}"),
            (Jsonb, "null"),
            (Jsonb, "\"a\""),
        ] {
            assert!(ty.reads(Cell::Plain(text)), "{ty} {text}");
        }
        for (ty, text) in [
            (Bool, "tr"),
            (Bool, "2"),
            (Int8, "NaN"),
            (Numeric, "nano"),
            (Date, "0000-01-01"),
            (Date, "0002-02-29 BC"),
            (Date, "12345-02-30"),
            (Date, "5874898-01-01"),
            (Date, "02025-01-01"),
            (Date, "4800-01-01 BC"),
            (Date, "4714-11-23 BC"),
            (Timestamp, "294277-01-01 00:00:00"),
            (Timestamp, "12345-01-01 25:00"),
            (Timestamp, "2025-06-01 12:00:00+00"),
            (TimestampTz, "12345-01-01 00:00:00"),
            (TimestampTz, "2025-06-01 00:00:00+00:53:61"),
            (Jsonb, "a"),
            (Jsonb, "{\"a\": \"\\u0000\"}"),
        ] {
            assert!(!ty.reads(Cell::Plain(text)), "{ty} {text}");
        }
        assert!(Jsonb.reads(Cell::Number("5")) && Jsonb.reads(Cell::Bool(true)));
        assert!(!Jsonb.reads(Cell::Quoted("a")) && !Bool.reads(Cell::Quoted("t")));
    }

    #[test]
    fn headers_become_names() {
        for (header, expected) in [
            ("amount", Ok("amount")),
            (" Order ID ", Ok("order_id")),
            ("Größe (cm)", Ok("größe_cm")),
            ("2025", Ok("_2025")),
            ("--x--", Ok("x")),
            ("", Err(Nameless)),
            ("?!", Err(Nameless)),
        ] {
            assert_eq!(column_name(header).as_deref(), expected.as_deref(), "{header:?}");
        }
        assert_eq!(column_name(&"ä".repeat(99)).unwrap().len(), 62);
    }
}

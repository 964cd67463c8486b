//! Reads the literals that may become slots: whole days, their first and last instants, and whole days
//! back from today.
//!
//! Reads only what can mean one thing; everything else stays as written.

use chrono::NaiveDate;
use pg_query::{Node, NodeEnum};

use super::{
    parameter::{ParameterSource, ParameterType},
    placeholders::Placeholders,
    tree::{binary, cast_parts, integer_constant, param_number, plain_call, string_constant},
};
use crate::window::{MAX_DAYS, parse_date};

/// A whole day, written as a string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DayLiteral {
    pub(super) text: String,
    pub(super) date: NaiveDate,
    /// The type that it is cast to, if any.
    pub(super) cast: Option<ParameterType>,
    /// The instant of the day that it is written as, unless it is the day alone or its plain midnight.
    pub(super) instant: Option<DayInstant>,
    /// The time zone that `AT TIME ZONE` gives it, as far as it is written out.
    at_zone: Option<String>,
    pub(super) location: i32,
}

/// The first or last instant of a day, as `T23:59:59.999Z` after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DayInstant {
    /// The text after the day.
    pub(super) time: String,
    /// The text of its time zone, empty for the session's.
    pub(super) zone: String,
    pub(super) is_last: bool,
}

impl DayLiteral {
    /// Reads `'2025-06-01'`, with or without the first or last instant of the day after it, and casts,
    /// `AT TIME ZONE`, `to_date` or `to_timestamp` around it.
    pub(super) fn read(node: &Node) -> Option<Self> {
        if let Some(inner) = around_typed(node) {
            let literal = Self::read(inner).filter(|literal| literal.cast.is_some())?;
            let at_zone = zone_of(node).or_else(|| literal.at_zone.clone());
            return Some(Self { at_zone, ..literal });
        }
        let (constant, cast) = match (cast_parts(node), parsed(node)) {
            (Some((arg, ty, name)), _) if ty.typmods.is_empty() => (arg, Some(temporal(name)?)),
            (Some(_), _) => return None,
            (None, Some((text, ty))) => (text, Some(ty)),
            (None, None) => (node, None),
        };
        let (text, location) = string_constant(constant)?;
        let day = text.strip_suffix(" 00:00:00").unwrap_or(text);
        let (date, instant) = if let Ok(date) = parse_date(day) {
            (date, None)
        } else {
            let (day, time) = text.split_at_checked("2025-06-01".len())?;
            (parse_date(day).ok()?, Some(DayInstant::read(time)?))
        };
        // A date has no time, and a function reads a text.
        let instant = match (cast, cast_parts(node)) {
            (Some(ParameterType::Date), Some(_)) => None,
            (Some(_), None) => instant.or_else(|| {
                let time = text.get("2025-06-01".len()..)?.to_owned();
                Some(DayInstant { time, zone: String::new(), is_last: false })
            }),
            _ => instant,
        };
        Some(Self { text: text.to_owned(), date, cast, instant, at_zone: None, location })
    }

    /// Whether it may be bound as text: only there is its spelling part of its meaning.
    pub(super) fn is_plain(&self) -> bool {
        self.cast.is_none() && self.text.len() == "2025-06-01".len()
    }

    /// Whether it is the last instant of its day.
    pub(super) fn is_last_instant(&self) -> bool {
        self.instant.as_ref().is_some_and(|instant| instant.is_last)
    }

    /// Whether it is in the time zone of another, by its own text and by what is around it.
    pub(super) fn is_in_zone_of(&self, other: &Self) -> bool {
        let zone =
            |literal: &Self| literal.instant.as_ref().map_or(String::new(), |i| i.zone.clone());
        zone(self) == zone(other) && self.at_zone == other.at_zone
    }

    /// The constant inside the casts and calls that [`Self::read`] accepts.
    pub(super) fn constant(node: &mut Node) -> Option<&mut Node> {
        if string_constant(node).is_some() {
            return Some(node);
        }
        let is_zone = is_at_time_zone(node);
        match &mut node.node {
            Some(NodeEnum::TypeCast(cast)) => Self::constant(cast.arg.as_deref_mut()?),
            Some(NodeEnum::FuncCall(call)) => {
                Self::constant(call.args.get_mut(usize::from(is_zone))?)
            }
            _ => None,
        }
    }

    /// What stands for the constant inside casts and calls, once it may have been replaced.
    pub(super) fn innermost(node: &Node) -> &Node {
        let inner = match &node.node {
            Some(NodeEnum::TypeCast(cast)) => cast.arg.as_deref(),
            Some(NodeEnum::FuncCall(call)) => call.args.get(usize::from(is_at_time_zone(node))),
            _ => None,
        };
        inner.map_or(node, Self::innermost)
    }
}

/// Returns the typed literal of `'…'::timestamp AT TIME ZONE zone` or of a cast around another.
fn around_typed(node: &Node) -> Option<&Node> {
    if is_at_time_zone(node) {
        return plain_call(node)?.1.args.get(1);
    }
    let (arg, ty, name) = cast_parts(node)?;
    temporal(name).filter(|_| ty.typmods.is_empty())?;
    string_constant(arg).is_none().then_some(arg)
}

/// Returns the zone of `x AT TIME ZONE zone`, empty if it is not a text.
fn zone_of(node: &Node) -> Option<String> {
    let zone = plain_call(node).filter(|_| is_at_time_zone(node))?.1.args.first()?;
    Some(string_constant(zone).map_or(String::new(), |(zone, _)| zone.to_lowercase()))
}

/// Whether it is `x AT TIME ZONE zone`, whose second argument is `x`.
fn is_at_time_zone(node: &Node) -> bool {
    plain_call(node).is_some_and(|(name, call)| name == "timezone" && call.args.len() == 2)
}

impl DayInstant {
    /// Reads what follows a day: `T00:00:00.000Z`, ` 23:59`, ` 23:59:59.999+02`.
    fn read(time: &str) -> Option<Self> {
        let written = time.strip_prefix([' ', 'T', 't'])?;
        let is_clock = |c: char| c.is_ascii_digit() || c == ':' || c == '.';
        let (clock, zone) =
            written.split_at(written.find(|c| !is_clock(c)).unwrap_or(written.len()));
        let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
        if !fraction.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let is_last = match clock {
            "00:00" | "00:00:00" if fraction.bytes().all(|b| b == b'0') => false,
            "23:59" | "23:59:00" | "23:59:59" => true,
            _ => return None,
        };
        Some(Self { time: time.to_owned(), zone: zone_called(zone.trim())?, is_last })
    }
}

/// Returns a time zone in one spelling: an offset, or a name with the rules of a place.
fn zone_called(zone: &str) -> Option<String> {
    let offset = zone.strip_prefix(['+', '-']);
    let is_offset = offset.is_some_and(|digits| {
        matches!(digits.len(), 2 | 4 | 5) && digits.bytes().all(|b| b.is_ascii_digit() || b == b':')
    });
    let is_zero = offset.is_some_and(|digits| digits.bytes().all(|b| b == b'0' || b == b':'));
    let is_utc = ["z", "utc", "gmt"].contains(&zone.to_ascii_lowercase().as_str());
    let is_place =
        zone.contains('/') && zone.chars().all(|c| c.is_ascii_alphabetic() || c == '/' || c == '_');
    if is_utc || is_offset && is_zero {
        Some("UTC".to_owned())
    } else if zone.is_empty() || is_offset || is_place {
        Some(zone.to_owned())
    } else {
        None
    }
}

/// Reads the text of `to_date('2025-06-01', 'YYYY-MM-DD')` and of `to_timestamp`, and the type that they give.
fn parsed(node: &Node) -> Option<(&Node, ParameterType)> {
    let (name, call) = plain_call(node)?;
    let ty = match name {
        "to_date" => ParameterType::Date,
        "to_timestamp" => ParameterType::TimestampTz,
        _ => return None,
    };
    let [text, format] = call.args.as_slice() else {
        return None;
    };
    let (format, _) = string_constant(format)?;
    format.get(..10).is_some_and(|day| day.eq_ignore_ascii_case("YYYY-MM-DD")).then_some((text, ty))
}

/// Whether a text begins like a date: the author gets a note when it is not a slot.
pub(super) fn looks_like_a_date(text: &str) -> bool {
    text.get(..10).is_some_and(|day| parse_date(day).is_ok())
}

/// Whole days that are subtracted from the present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DaysBack {
    pub(super) days: u32,
    /// Whether they are written as an interval rather than as a number.
    pub(super) is_interval: bool,
}

/// Returns the amount of `today - amount`, with casts around it.
pub(super) fn subtracted<'a>(node: &'a Node, placeholders: &Placeholders) -> Option<&'a Node> {
    let mut expression = node;
    while let Some((arg, ty, name)) = cast_parts(expression) {
        temporal(name).filter(|_| ty.typmods.is_empty())?;
        expression = arg;
    }
    let (left, operator, right) = binary(expression)?;
    (operator == "-" && is_present(left, placeholders)).then_some(right)
}

/// As [`subtracted`], mutable.
pub(super) fn subtracted_mut(node: &mut Node) -> Option<&mut Node> {
    match &mut node.node {
        Some(NodeEnum::TypeCast(cast)) => subtracted_mut(cast.arg.as_deref_mut()?),
        Some(NodeEnum::AExpr(expr)) => expr.rexpr.as_deref_mut(),
        _ => None,
    }
}

impl DaysBack {
    /// Reads a positive number of whole days or weeks in any of its spellings.
    pub(super) fn read(amount: &Node) -> Option<Self> {
        let (days, is_interval) = match integer_constant(amount) {
            Some(days) => (i64::from(days), false),
            None => (interval_days(amount)?, true),
        };
        let days = u32::try_from(days).ok().filter(|days| (1..=MAX_DAYS).contains(days))?;
        Some(Self { days, is_interval })
    }
}

/// `CURRENT_DATE`, `now()` or one of them cast to a date or timestamp.
fn is_present(node: &Node, placeholders: &Placeholders) -> bool {
    if let Some((arg, ty, name)) = cast_parts(node) {
        return ty.typmods.is_empty() && temporal(name).is_some() && is_present(arg, placeholders);
    }
    let parameter = param_number(node).and_then(|number| placeholders.fixed_parameter(number));
    parameter.is_some_and(|p| matches!(p.source, ParameterSource::Today | ParameterSource::Now))
}

fn interval_days(node: &Node) -> Option<i64> {
    if let Some((arg, ty, "interval")) = cast_parts(node) {
        let (text, _) = string_constant(arg)?;
        return match ty.typmods.as_slice() {
            [] => days_in_words(text),
            [unit] if integer_constant(unit) == Some(DAY) => {
                digits(text.trim()).or_else(|| days_in_words(text))
            }
            _ => None,
        };
    }
    if let Some((left, "*", right)) = binary(node) {
        let (count, unit) = match integer_constant(left) {
            Some(count) => (count, right),
            None => (integer_constant(right)?, left),
        };
        return i64::from(count).checked_mul(interval_days(unit)?);
    }
    let ("make_interval", call) = plain_call(node)? else {
        return None;
    };
    let [argument] = call.args.as_slice() else {
        return None;
    };
    let Some(NodeEnum::NamedArgExpr(argument)) = &argument.node else {
        return None;
    };
    let count = i64::from(integer_constant(argument.arg.as_deref()?)?);
    match argument.name.as_str() {
        "days" => Some(count),
        "weeks" => Some(count * 7),
        _ => None,
    }
}

/// The modifier of `INTERVAL '…' DAY`: PostgreSQL's bit for the field DAY.
const DAY: i32 = 1 << 3;

/// Returns the days of `30 days` or `4 weeks`.
fn days_in_words(text: &str) -> Option<i64> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let count = digits(&text[..split])?;
    match text[split..].trim().to_ascii_lowercase().as_str() {
        "day" | "days" | "d" => Some(count),
        "week" | "weeks" | "w" => Some(count * 7),
        _ => None,
    }
}

fn digits(text: &str) -> Option<i64> {
    let plain = !text.is_empty() && text.len() <= 9 && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

pub(super) fn temporal(ty: &str) -> Option<ParameterType> {
    match ty {
        "date" => Some(ParameterType::Date),
        "timestamp" => Some(ParameterType::Timestamp),
        "timestamptz" => Some(ParameterType::TimestampTz),
        _ => None,
    }
}

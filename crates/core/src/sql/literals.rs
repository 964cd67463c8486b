//! Reads the literals that may become slots: whole days, their first and last instants, and whole days
//! back from today.
//!
//! Reads only what can mean one thing; everything else stays as written.

use chrono::{Days, Months, NaiveDate};
use pg_query::{
    Node, NodeEnum,
    protobuf::{SelectStmt, SubLinkType},
};

use super::{
    parameter::{ParameterSource, ParameterType},
    placeholders::Placeholders,
    tree::{
        binary, cast_parts, integer_constant, param_number, plain_call, string_constant, target,
    },
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
    /// The time zone that `AT TIME ZONE` gives it, empty unless it is written out.
    pub(super) at_zone: Option<String>,
    /// Whether a placeholder in its place needs a cast of its own, as for `date('2025-06-30')` and all of
    /// `DATE '2025-06-30' + 1`.
    pub(super) needs_cast: bool,
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
    /// Reads `'2025-06-01'` or `'20250601'`, with or without the first or last instant of the day after it;
    /// casts, `AT TIME ZONE`, `date_trunc('day', …)`, `to_date` or `to_timestamp` around it; and whole days or
    /// months added to it.
    pub(super) fn read(node: &Node) -> Option<Self> {
        let around = Around::of(node);
        let (constant, cast) = match &around {
            Some(Around::Cast { arg, ty, .. }) if string_constant(arg).is_some() => {
                (*arg, Some(*ty))
            }
            Some(around) => return Self::inside(around),
            None => match parsed(node) {
                Some((text, ty)) => (text, Some(ty)),
                None if string_constant(node).is_some() => (node, None),
                None => return Self::shifted(node),
            },
        };
        let (text, location) = string_constant(constant)?;
        let day = text.strip_suffix(" 00:00:00").unwrap_or(text);
        let (date, instant) = if let Some(date) = plain_day(day) {
            (date, None)
        } else {
            let (day, time) = text.split_at_checked("2025-06-01".len())?;
            (parse_date(day).ok()?, Some(DayInstant::read(time)?))
        };
        // A date has no time, and a function reads a text.
        let instant = match (cast, &around) {
            (Some(ParameterType::Date), Some(_)) => None,
            (Some(_), None) => instant.or_else(|| {
                let time = text.get("2025-06-01".len()..)?.to_owned();
                Some(DayInstant { time, zone: String::new(), is_last: false })
            }),
            _ => instant,
        };
        let text = text.to_owned();
        // PostgreSQL would take another function for an untyped placeholder.
        let needs_cast = around.is_some() && cast_parts(node).is_none();
        if needs_cast && instant.is_some() {
            return None;
        }
        let read = Self { text, date, cast, instant, at_zone: None, needs_cast, location };
        let is_rounded = matches!(around, Some(Around::Cast { is_rounded: true, .. }));
        // The last instant rounds up to the next day.
        Some(read).filter(|read| !(is_rounded && read.is_last_instant()))
    }

    /// Reads a typed literal inside something else.
    fn inside(around: &Around<'_>) -> Option<Self> {
        let literal = Self::read(around.inner()).filter(|literal| literal.cast.is_some())?;
        match around {
            Around::Zone { zone, .. } => {
                let zone = string_constant(zone).map_or(String::new(), |(zone, _)| zone.to_owned());
                Some(Self { at_zone: Some(zone), ..literal })
            }
            Around::Truncated(_) | Around::Cast { is_rounded: true, .. } => {
                Some(literal).filter(|literal| !literal.is_last_instant())
            }
            Around::Cast { .. } | Around::Subquery(_) => Some(literal),
        }
    }

    /// Reads `DATE '2025-06-30' + 1` and `'2025-06-01'::timestamp + interval '1 month'`.
    fn shifted(node: &Node) -> Option<Self> {
        let (left, operator @ ("+" | "-"), right) = binary(node)? else {
            return None;
        };
        let literal = Self::read(left)?;
        let cast = literal.cast?;
        let has_zone = literal.instant.as_ref().is_some_and(|instant| !instant.zone.is_empty());
        if literal.is_last_instant() || has_zone || literal.at_zone.is_some() {
            return None;
        }
        let (months, days, cast) = match (integer_constant(right), interval(right)) {
            (Some(days), _) if cast == ParameterType::Date => (0, i64::from(days), cast),
            (None, Some((months, days))) if cast == ParameterType::Date => {
                (months, days, ParameterType::Timestamp)
            }
            (None, Some((months, days))) => (months, days, cast),
            _ => return None,
        };
        let sign = if operator == "-" { -1 } else { 1 };
        let date = moved(literal.date, months * sign, days * sign)?;
        Some(Self { date, cast: Some(cast), instant: None, needs_cast: true, ..literal })
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
        let at_zone = |literal: &Self| literal.at_zone.as_ref().map(|zone| zone.to_lowercase());
        zone(self) == zone(other) && at_zone(self) == at_zone(other)
    }

    /// The constant inside the casts and calls that [`Self::read`] accepts, or the sum that it is.
    pub(super) fn constant(node: &mut Node) -> Option<&mut Node> {
        if string_constant(node).is_some() || binary(node).is_some() {
            return Some(node);
        }
        if Around::of(node).is_none() && parsed(node).is_some() {
            return match &mut node.node {
                Some(NodeEnum::FuncCall(call)) => call.args.first_mut(),
                _ => None,
            };
        }
        Self::constant(inner_mut(node)?)
    }

    /// What stands for the constant inside casts and calls, once it may have been replaced.
    pub(super) fn innermost(node: &Node) -> &Node {
        let inner = match (Around::of(node), &node.node) {
            (Some(around), _) => Some(around.inner()),
            (None, Some(NodeEnum::FuncCall(call))) => call.args.first(),
            _ => None,
        };
        inner.map_or(node, Self::innermost)
    }
}

/// What may stand around a day, or around the present, and gives a value of the same day.
pub(super) enum Around<'a> {
    /// A cast, or a call such as `date(x)`; whether it rounds to a number of digits.
    Cast { arg: &'a Node, ty: ParameterType, is_rounded: bool },
    /// `x AT TIME ZONE zone`
    Zone { arg: &'a Node, zone: &'a Node },
    /// `date_trunc('day', x)`
    Truncated(&'a Node),
    /// `(SELECT x)`
    Subquery(&'a Node),
}

impl<'a> Around<'a> {
    pub(super) fn of(node: &'a Node) -> Option<Self> {
        if let Some((arg, ty, name)) = cast_parts(node) {
            return Some(Self::Cast {
                arg,
                ty: temporal(name)?,
                is_rounded: !ty.typmods.is_empty(),
            });
        }
        if let Some(NodeEnum::SubLink(link)) = &node.node {
            let is_value = link.sub_link_type() == SubLinkType::ExprSublink;
            let NodeEnum::SelectStmt(select) = link.subselect.as_deref()?.node.as_ref()? else {
                return None;
            };
            return only_value(select).filter(|_| is_value).map(Self::Subquery);
        }
        let (name, call) = plain_call(node)?;
        match (name, call.args.as_slice()) {
            ("date_trunc", [unit, arg] | [unit, arg, _]) => {
                let is_day = string_constant(unit)?.0.eq_ignore_ascii_case("day");
                is_day.then_some(Self::Truncated(arg))
            }
            ("timezone", [zone, arg]) => Some(Self::Zone { arg, zone }),
            (name, [arg]) => Some(Self::Cast { arg, ty: temporal(name)?, is_rounded: false }),
            _ => None,
        }
    }

    /// Returns what it stands around.
    pub(super) fn inner(&self) -> &'a Node {
        match self {
            Self::Cast { arg, .. }
            | Self::Zone { arg, .. }
            | Self::Truncated(arg)
            | Self::Subquery(arg) => arg,
        }
    }
}

/// As [`Around::inner`], mutable.
fn inner_mut(node: &mut Node) -> Option<&mut Node> {
    let around = Around::of(node)?;
    let at = usize::from(matches!(around, Around::Zone { .. } | Around::Truncated(_)));
    match &mut node.node {
        Some(NodeEnum::TypeCast(cast)) => cast.arg.as_deref_mut(),
        Some(NodeEnum::FuncCall(call)) => call.args.get_mut(at),
        Some(NodeEnum::SubLink(link)) => match &mut link.subselect.as_deref_mut()?.node {
            Some(NodeEnum::SelectStmt(select)) => match &mut select.target_list.first_mut()?.node {
                Some(NodeEnum::ResTarget(target)) => target.val.as_deref_mut(),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

/// Returns the value of a SELECT that is nothing else.
fn only_value(select: &SelectStmt) -> Option<&Node> {
    let [column] = select.target_list.as_slice() else {
        return None;
    };
    let value = target(column)?.val.as_deref()?;
    let clauses = [
        &select.from_clause,
        &select.group_clause,
        &select.distinct_clause,
        &select.window_clause,
        &select.values_lists,
        &select.sort_clause,
        &select.locking_clause,
    ];
    let conditions = [&select.where_clause, &select.having_clause];
    let limits = [&select.limit_count, &select.limit_offset];
    let is_plain = clauses.into_iter().all(Vec::is_empty)
        && conditions.into_iter().chain(limits).all(Option::is_none)
        && select.with_clause.is_none()
        && select.larg.is_none();
    is_plain.then_some(value)
}

/// Reads `2025-06-01` and `20250601`.
pub(super) fn plain_day(text: &str) -> Option<NaiveDate> {
    let is_compact = text.len() == 8 && text.bytes().all(|b| b.is_ascii_digit());
    if is_compact {
        return parse_date(&format!("{}-{}-{}", &text[..4], &text[4..6], &text[6..])).ok();
    }
    parse_date(text).ok()
}

/// Returns the day so many months and then days after another, as PostgreSQL adds them.
fn moved(day: NaiveDate, months: i64, days: i64) -> Option<NaiveDate> {
    let count = Months::new(u32::try_from(months.unsigned_abs()).ok()?);
    let day = match months {
        ..0 => day.checked_sub_months(count),
        _ => day.checked_add_months(count),
    }?;
    match days {
        ..0 => day.checked_sub_days(Days::new(days.unsigned_abs())),
        _ => day.checked_add_days(Days::new(days.unsigned_abs())),
    }
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
            "24:00" | "24:00:00" if fraction.bytes().all(|b| b == b'0') => true,
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

/// An amount that is subtracted from the present, or a negative one that is added to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subtracted<'a> {
    pub(super) amount: &'a Node,
    is_added: bool,
}

/// Whole days that are subtracted from the present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DaysBack {
    pub(super) days: u32,
    /// Whether they are written as an interval rather than as a number.
    pub(super) is_interval: bool,
    /// Whether they are written as a negative amount that is added.
    pub(super) is_added: bool,
}

/// Returns the amount of `today - amount` or `today + -amount`, with casts and the like around it.
pub(super) fn subtracted<'a>(
    node: &'a Node,
    placeholders: &Placeholders,
) -> Option<Subtracted<'a>> {
    if let Some(around) = Around::of(node) {
        return subtracted(around.inner(), placeholders);
    }
    match binary(node)? {
        (left, "-", amount) if is_present(left, placeholders) => {
            Some(Subtracted { amount, is_added: false })
        }
        (present, "+", amount) if is_present(present, placeholders) && is_negative(amount) => {
            Some(Subtracted { amount, is_added: true })
        }
        (amount, "+", present) if is_present(present, placeholders) && is_negative(amount) => {
            Some(Subtracted { amount, is_added: true })
        }
        _ => None,
    }
}

/// As [`subtracted`], mutable.
pub(super) fn subtracted_mut<'a>(
    node: &'a mut Node,
    placeholders: &Placeholders,
) -> Option<&'a mut Node> {
    if Around::of(node).is_some() {
        return subtracted_mut(inner_mut(node)?, placeholders);
    }
    let is_first = !is_present(binary(node)?.0, placeholders);
    let Some(NodeEnum::AExpr(expr)) = &mut node.node else {
        return None;
    };
    if is_first { expr.lexpr.as_deref_mut() } else { expr.rexpr.as_deref_mut() }
}

impl Subtracted<'_> {
    /// Reads a number of whole days or weeks back in any of its spellings.
    pub(super) fn days(self) -> Option<DaysBack> {
        let (days, is_interval) = match integer_constant(self.amount) {
            Some(days) => (i64::from(days), false),
            None => (interval_days(self.amount)?, true),
        };
        let days = if self.is_added { -days } else { days };
        let days = u32::try_from(days).ok().filter(|days| (1..=MAX_DAYS).contains(days))?;
        Some(DaysBack { days, is_interval, is_added: self.is_added })
    }
}

/// Whether an amount lies back when it is added.
fn is_negative(amount: &Node) -> bool {
    if let Some(days) = integer_constant(amount) {
        return days < 0;
    }
    match interval(amount) {
        Some((months, days)) => months < 0 || days < 0,
        None => cast_parts(amount).is_some_and(|(arg, _, name)| {
            name == "interval"
                && string_constant(arg).is_some_and(|(text, _)| text.trim().starts_with('-'))
        }),
    }
}

/// Whether it is `CURRENT_DATE`, `now()` or one of them as another type or in another zone.
fn is_present(node: &Node, placeholders: &Placeholders) -> bool {
    if let Some(around) = Around::of(node) {
        return is_present(around.inner(), placeholders);
    }
    if let Some(("date_trunc", call)) = plain_call(node)
        && let [unit, arg] = call.args.as_slice()
    {
        let unit = string_constant(unit).map(|(unit, _)| unit.to_ascii_lowercase());
        let is_short = ["hour", "minute", "second"].map(Some).contains(&unit.as_deref());
        return is_short && is_present(arg, placeholders);
    }
    let parameter = param_number(node).and_then(|number| placeholders.fixed_parameter(number));
    parameter.is_some_and(|p| matches!(p.source, ParameterSource::Today | ParameterSource::Now))
}

/// Reads an interval of whole days and weeks alone.
fn interval_days(node: &Node) -> Option<i64> {
    interval(node).filter(|(months, _)| *months == 0).map(|(_, days)| days)
}

/// Reads the months and days of an interval without a time.
fn interval(node: &Node) -> Option<(i64, i64)> {
    if let Some((arg, ty, "interval")) = cast_parts(node) {
        let text = concatenated(arg)?;
        return match ty.typmods.as_slice() {
            [] => interval_in_words(&text),
            [unit] => {
                let unit = integer_constant(unit).and_then(unit_of_field)?;
                match signed(text.trim()) {
                    Some(count) => of_unit(count, unit),
                    None => interval_in_words(&text),
                }
            }
            _ => None,
        };
    }
    if let Some((left, "*", right)) = binary(node) {
        let (count, unit) = match integer_constant(left) {
            Some(count) => (count, right),
            None => (integer_constant(right)?, left),
        };
        let (months, days) = interval(unit)?;
        let count = i64::from(count);
        return Some((months.checked_mul(count)?, days.checked_mul(count)?));
    }
    let ("make_interval", call) = plain_call(node)? else {
        return None;
    };
    let units = ["years", "months", "weeks", "days"];
    let parts = call.args.iter().enumerate().map(|(index, argument)| {
        let (unit, value) = match &argument.node {
            Some(NodeEnum::NamedArgExpr(named)) => (named.name.as_str(), named.arg.as_deref()?),
            _ => (*units.get(index)?, argument),
        };
        of_unit(i64::from(integer_constant(value)?), unit)
    });
    sum(parts)
}

/// Whether an amount adds nothing: `0`, `interval '0 days'`, `time '00:00'`.
pub(super) fn is_nothing(amount: &Node) -> bool {
    let is_zero = |text: &str| text.chars().all(|c| "0:. ".contains(c));
    integer_constant(amount) == Some(0)
        || interval(amount) == Some((0, 0))
        || cast_parts(amount).is_some_and(|(arg, _, name)| {
            ["time", "interval"].contains(&name)
                && string_constant(arg).is_some_and(|(text, _)| is_zero(text))
        })
}

/// Returns the text of a constant, or of constants one after the other: `30 || ' days'`.
pub(super) fn concatenated(node: &Node) -> Option<String> {
    match (string_constant(node), integer_constant(node), binary(node)) {
        (Some((text, _)), ..) => Some(text.to_owned()),
        (_, Some(number), _) => Some(number.to_string()),
        (.., Some((left, "||", right))) => Some(concatenated(left)? + &concatenated(right)?),
        _ => cast_parts(node)
            .filter(|(_, ty, name)| ["text", "varchar"].contains(name) && ty.typmods.is_empty())
            .and_then(|(arg, ..)| concatenated(arg)),
    }
}

/// Returns the unit of `INTERVAL '…' DAY`, by PostgreSQL's bits.
fn unit_of_field(bits: i32) -> Option<&'static str> {
    match bits {
        4 => Some("years"),
        2 => Some("months"),
        8 => Some("days"),
        _ => None,
    }
}

/// Reads `30 days`, `-4 weeks`, `1 month 2 days ago` and `P30D`.
fn interval_in_words(text: &str) -> Option<(i64, i64)> {
    let lower = text.trim().trim_start_matches('@').trim_start().to_ascii_lowercase();
    let (lower, sign) = match lower.strip_suffix("ago") {
        Some(ahead) => (ahead.trim_end(), -1),
        None => (lower.as_str(), 1),
    };
    let mut rest = lower.strip_prefix('p').unwrap_or(lower);
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && !"+-".contains(c))?;
        let (count, after) = rest.split_at_checked(end)?;
        let after = after.trim_start();
        let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(end)?;
        // Elsewhere an m is a minute.
        let unit = if unit == "m" && lower.starts_with('p') { "months" } else { unit };
        parts.push(of_unit(signed(count)? * sign, unit));
        rest = after.trim_start();
    }
    sum(parts.into_iter())
}

/// Returns the sum of at least one part.
fn sum(mut parts: impl Iterator<Item = Option<(i64, i64)>>) -> Option<(i64, i64)> {
    let first = parts.next()??;
    parts.try_fold(first, |(months, days), part| {
        let part = part?;
        Some((months + part.0, days + part.1))
    })
}

/// Returns the months and days of so many units.
fn of_unit(count: i64, unit: &str) -> Option<(i64, i64)> {
    match unit {
        "year" | "years" | "yr" | "yrs" | "y" => Some((count * 12, 0)),
        "month" | "months" | "mon" | "mons" => Some((count, 0)),
        "week" | "weeks" | "w" => Some((0, count * 7)),
        "day" | "days" | "d" => Some((0, count)),
        _ => None,
    }
}

fn signed(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let plain =
        !digits.is_empty() && digits.len() <= 9 && digits.bytes().all(|b| b.is_ascii_digit());
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

//! Estimates what an expression can be before anything runs.
//!
//! Reads constants and what a window can hold, and never evaluates anything else: a column may hold
//! any number.

use chrono::{Datelike, NaiveDate};
use pg_query::{
    Node, NodeEnum,
    protobuf::{AExprKind, SqlValueFunctionOp as Op, a_const::Val},
};

use super::{
    intervals::{field, plain_number, sum, unit, written},
    parameter::ParameterSource,
    tree::{binary, cast_parts, integer_constant, param_number, plain_call, string_constant, sval},
};
use crate::window::MAX_DAYS;

/// The years of a constant day.
const YEARS: std::ops::RangeInclusive<i32> = 1900..=2100;

/// The largest whole number up to which a float has each of them: 2 to the power of 53.
const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;

/// The kind of value that a `$n` has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ParameterKind {
    /// The first or last day of a window, or the day after.
    WindowDay,
    /// The present day or instant.
    Present,
    /// Days back.
    DayRange,
    /// The time zone's name.
    Timezone,
    /// A claim of the caller's token: anything.
    Claim,
}

impl ParameterKind {
    pub(super) fn of(source: &ParameterSource) -> Self {
        match source {
            ParameterSource::StartDate
            | ParameterSource::EndDate
            | ParameterSource::DayAfterEnd => Self::WindowDay,
            ParameterSource::Today | ParameterSource::Now => Self::Present,
            ParameterSource::DayRange => Self::DayRange,
            ParameterSource::Timezone => Self::Timezone,
            ParameterSource::Claim(_) => Self::Claim,
        }
    }
}

/// The least and the most that a number can be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) low: f64,
    pub(super) high: f64,
    /// Whether a window decides it.
    pub(super) of_window: bool,
}

impl Span {
    pub(super) fn of(number: f64) -> Self {
        Self { low: number, high: number, of_window: false }
    }

    fn of_window(low: f64, high: f64) -> Self {
        Self { low, high, of_window: true }
    }

    fn negated(self) -> Self {
        Self { low: -self.high, high: -self.low, ..self }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            low: self.low + other.low,
            high: self.high + other.high,
            of_window: self.of_window || other.of_window,
        }
    }

    fn times(self, other: Self) -> Self {
        let ends = [
            self.low * other.low,
            self.low * other.high,
            self.high * other.low,
            self.high * other.high,
        ];
        Self {
            low: ends.into_iter().fold(f64::INFINITY, f64::min),
            high: ends.into_iter().fold(f64::NEG_INFINITY, f64::max),
            of_window: self.of_window || other.of_window,
        }
    }

    /// Whether it loses no digit: PostgreSQL computes with all of them.
    fn is_exact(&self) -> bool {
        let exact = |number: f64| number.is_finite() && number.abs() <= LARGEST_EXACT;
        exact(self.low) && exact(self.high)
    }
}

/// Estimates expressions whose `$n` have these kinds.
pub(super) struct Estimator<'a> {
    pub(super) parameters: &'a [ParameterKind],
}

impl Estimator<'_> {
    /// Estimates a number: constants, `:day_range`, and the days of a window.
    pub(super) fn number(&self, node: &Node) -> Option<Span> {
        self.computed(node).filter(Span::is_exact)
    }

    fn computed(&self, node: &Node) -> Option<Span> {
        if let Some((arg, _, ty)) = cast_parts(node) {
            let number = ["int2", "int4", "int8", "numeric", "float4", "float8"].contains(&ty);
            return self.number(arg).filter(|_| number);
        }
        if let Some(kind) = self.kind(node) {
            let days = Span::of_window(0.0, longest_window());
            return (kind == ParameterKind::DayRange).then_some(days);
        }
        match (binary(node), &node.node) {
            (Some((left, "-", right)), _)
                if self.is_window_day(left) && self.is_window_day(right) =>
            {
                let most = longest_window() + 1.0;
                Some(Span::of_window(-most, most))
            }
            (Some((left, "+", right)), _) => Some(self.number(left)?.plus(self.number(right)?)),
            (Some((left, "-", right)), _) => {
                Some(self.number(left)?.plus(self.number(right)?.negated()))
            }
            (Some((left, "*", right)), _) => Some(self.number(left)?.times(self.number(right)?)),
            (None, Some(NodeEnum::AExpr(expr)))
                if expr.kind() == AExprKind::AexprOp && expr.lexpr.is_none() =>
            {
                let operand = self.number(expr.rexpr.as_deref()?)?;
                match expr.name.as_slice() {
                    [name] if sval(name) == Some("-") => Some(operand.negated()),
                    [name] if sval(name) == Some("+") => Some(operand),
                    _ => None,
                }
            }
            (_, Some(NodeEnum::AConst(constant))) => match constant.val.as_ref()? {
                Val::Ival(value) => Some(Span::of(f64::from(value.ival))),
                Val::Fval(value) => value.fval.parse().ok().map(Span::of),
                _ => None,
            },
            _ => None,
        }
    }

    /// Estimates how many days an expression can be away from a day or instant that does not depend on
    /// a row, everything that is added taken together.
    pub(super) fn day(&self, node: &Node) -> Option<f64> {
        if let Some((arg, _, ty)) = cast_parts(node) {
            return self.day(arg).filter(|_| ["date", "timestamp", "timestamptz"].contains(&ty));
        }
        let at = |known: bool| known.then_some(0.0);
        if let Some(kind) = self.kind(node) {
            return at(matches!(kind, ParameterKind::WindowDay | ParameterKind::Present));
        }
        if let Some((text, _)) = string_constant(node) {
            return at(is_day(text));
        }
        if let Some((left, operator @ ("+" | "-"), right)) = binary(node) {
            return match (self.day(left), self.day(right)) {
                (Some(away), None) => Some(away + self.distance(right)?),
                (None, Some(away)) if operator == "+" => Some(away + self.distance(left)?),
                _ => None,
            };
        }
        let farthest = |days: &[Node]| {
            days.iter().try_fold(0.0, |most: f64, day| Some(most.max(self.day(day)?)))
        };
        match &node.node {
            Some(NodeEnum::SqlvalueFunction(function)) => {
                use Op::{
                    SvfopCurrentDate as Date, SvfopCurrentTimestamp as Now,
                    SvfopCurrentTimestampN as NowN, SvfopLocaltimestamp as Local,
                    SvfopLocaltimestampN as LocalN,
                };
                return at(matches!(function.op(), Date | Now | NowN | Local | LocalN));
            }
            Some(NodeEnum::MinMaxExpr(expr)) => return farthest(&expr.args),
            Some(NodeEnum::CoalesceExpr(expr)) => return farthest(&expr.args),
            _ => {}
        }
        match plain_call(node).map(|(name, call)| (name, call.args.as_slice()))? {
            ("now" | "transaction_timestamp" | "statement_timestamp" | "clock_timestamp", []) => {
                Some(0.0)
            }
            ("date" | "timestamp" | "timestamptz", [day]) => self.day(day),
            ("date_trunc", [unit, day]) => Some(self.day(day)? + truncated(unit)?),
            ("date_trunc", [unit, day, zone]) if self.zone(zone) => {
                Some(self.day(day)? + truncated(unit)?)
            }
            ("timezone", [zone, day]) if self.zone(zone) => self.day(day),
            ("to_date" | "to_timestamp", [day, pattern]) => {
                let is_known = string_constant(day).is_some_and(|(day, _)| is_day(day));
                // Other patterns read the same digits as another day.
                at(is_known && string_constant(pattern).is_some_and(|(text, _)| is_plain(text)))
            }
            ("make_date", [year, month, day]) => {
                let year = self.number(year).is_some_and(|year| {
                    year.low >= f64::from(*YEARS.start()) && year.high <= f64::from(*YEARS.end())
                });
                at(year && self.number(month).is_some() && self.number(day).is_some())
            }
            _ => None,
        }
    }

    /// Estimates the most days of an interval or a number, in either direction, if it does not depend
    /// on a row.
    fn distance(&self, node: &Node) -> Option<f64> {
        let days = match (binary(node), self.number(node)) {
            (_, Some(number)) => number,
            (Some((left, "*", right)), None) => {
                let (count, unit) = match self.number(left) {
                    Some(count) => (count, right),
                    None => (self.number(right)?, left),
                };
                count.times(Span::of(interval(unit)?))
            }
            _ => Span::of(interval(node)?),
        };
        let most = days.low.abs().max(days.high.abs());
        most.is_finite().then_some(most)
    }

    /// Whether an expression is a time zone's name that does not depend on a row.
    pub(super) fn zone(&self, node: &Node) -> bool {
        match cast_parts(node) {
            Some((arg, _, "text")) => self.zone(arg),
            _ => {
                string_constant(node).is_some() || self.kind(node) == Some(ParameterKind::Timezone)
            }
        }
    }

    fn is_window_day(&self, node: &Node) -> bool {
        match cast_parts(node) {
            Some((arg, _, "date")) => self.is_window_day(arg),
            _ => self.kind(node) == Some(ParameterKind::WindowDay),
        }
    }

    fn kind(&self, node: &Node) -> Option<ParameterKind> {
        let index = usize::try_from(param_number(node)? - 1).ok()?;
        self.parameters.get(index).copied()
    }
}

/// Returns the most days that a window may span.
pub(super) fn longest_window() -> f64 {
    f64::from(MAX_DAYS)
}

/// The fields of an interval that names none, only how many digits its seconds have.
const ALL_FIELDS: i32 = 0x7FFF;

/// Returns the days of a constant interval, with months of 30 and years of 365 days. Parts of both
/// signs have no length that holds in every month.
pub(super) fn interval(node: &Node) -> Option<f64> {
    if let Some((arg, ty, "interval")) = cast_parts(node) {
        let (text, _) = string_constant(arg)?;
        return match ty.typmods.first().map(integer_constant) {
            None | Some(Some(ALL_FIELDS)) => written(text),
            // With fields, anything but a plain number is parsed in other ways, and truncated.
            Some(fields) => Some(plain_number(text.trim())? * field(fields?)?),
        };
    }
    if let Some((text, _)) = string_constant(node) {
        return written(text);
    }
    let constants = Estimator { parameters: &[] };
    if let Some((left, "*", right)) = binary(node) {
        let (count, unit) = match constants.number(left) {
            Some(count) => (count, right),
            None => (constants.number(right)?, left),
        };
        return Some(count.low * interval(unit)?);
    }
    let ("make_interval", call) = plain_call(node)? else {
        return None;
    };
    let parts = call.args.iter().enumerate().map(|(index, arg)| {
        let (name, value) = match &arg.node {
            Some(NodeEnum::NamedArgExpr(named)) => (named.name.as_str(), named.arg.as_deref()?),
            _ => (*["years", "months", "weeks", "days", "hours", "mins", "secs"].get(index)?, arg),
        };
        Some(constants.number(value)?.low * unit(name)?)
    });
    sum(parts)
}

/// Returns the most days that `date_trunc` subtracts. A millennium is too much.
fn truncated(unit: &Node) -> Option<f64> {
    let (unit, _) = string_constant(unit)?;
    let unit = unit.trim().to_ascii_lowercase();
    Some(match unit.strip_suffix('s').unwrap_or(&unit) {
        "microsecond" | "millisecond" | "second" | "minute" | "hour" | "day" => 1.0,
        "week" => 7.0,
        "month" => 31.0,
        "quarter" => 92.0,
        "year" => 366.0,
        "decade" => 3_653.0,
        "century" | "centurie" => 36_525.0,
        _ => return None,
    })
}

/// Whether a text is a day of a year near the present, with or without a time, or a special date
/// such as `today`.
fn is_day(text: &str) -> bool {
    let text = text.trim();
    if ["now", "today", "yesterday", "tomorrow"].iter().any(|word| text.eq_ignore_ascii_case(word))
    {
        return true;
    }
    let Some((day, time)) = text.split_at_checked(10) else {
        return false;
    };
    let spelled = day.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    let before_christ = time.to_ascii_lowercase().contains("bc");
    let year = day.parse::<NaiveDate>().ok().map(|day| day.year());
    spelled
        && (time.is_empty() || time.starts_with([' ', 'T', 't']))
        && !before_christ
        && year.is_some_and(|year| YEARS.contains(&year))
}

/// Whether a pattern parses a day as it is written, and perhaps its time.
fn is_plain(pattern: &str) -> bool {
    let pattern = pattern.trim().to_ascii_uppercase();
    let times = ["", " HH24", " HH24:MI", " HH24:MI:SS"];
    pattern.strip_prefix("YYYY-MM-DD").is_some_and(|time| times.contains(&time))
}

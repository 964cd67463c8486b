//! Calls whose cost is a number that they are given: `repeat`, `lpad`, `rpad`, `format` and
//! `generate_series`, and the padding types.
//!
//! Reads constants and what a window can hold, and never evaluates anything else: a column may hold
//! any number. What a single statement can still pile up (a text that is joined to itself over and
//! over, `replace` of one letter by many) ends at PostgreSQL's own limit of 1 GB for a value. A
//! `WITH RECURSIVE` without end, a regular expression that goes back and forth and powers of large
//! numbers (a quarter of a second each, at the most digits that PostgreSQL has) are for the query's
//! deadline.

use chrono::{Datelike, NaiveDate};
use pg_query::{
    Node, NodeEnum,
    protobuf::{AExprKind, FuncCall, SqlValueFunctionOp as Op, TypeName, a_const::Val},
};

use super::{
    error::SqlFault,
    parameter::ParameterSource,
    tree::{binary, builtin_name, cast_parts, param_number, plain_call, string_constant, sval},
    walk::{SqlNode, Visitor, walk},
};
use crate::window::MAX_DAYS;

/// The most characters that one call may repeat or pad to.
const MAX_LENGTH: f64 = 10_000.0;

/// The most rows of one series of numbers with constant bounds.
const MAX_ROWS: f64 = 10_000.0;

/// The most days that a constant may be away from another day.
const MAX_DISTANCE: f64 = 40_000.0;

/// The years of a constant day.
const YEARS: std::ops::RangeInclusive<i32> = 1900..=2100;

/// The largest whole number up to which a float has each of them: 2 to the power of 53.
const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;

const HOUR: f64 = 1.0 / 24.0;

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

/// Checks a call of a function whose arguments bound its cost; of any other it has nothing to say.
pub(super) fn check(call: &FuncCall, parameters: &[ParameterKind]) -> Result<(), SqlFault> {
    let Some(name) = builtin_name(&call.funcname) else {
        return Ok(());
    };
    let known = Known { parameters };
    match (name, call.args.as_slice()) {
        ("repeat" | "lpad" | "rpad", args) => {
            let length = args.get(1).and_then(|arg| known.number(arg));
            if length.is_some_and(|length| length.high <= MAX_LENGTH) {
                return once(name, call, args);
            }
            let message = format!("the length that {name}() is given is not a small constant");
            Err(SqlFault::new(call.location, message)
                .hint(format!("write a number of at most {MAX_LENGTH}")))
        }
        ("format", args) => format_width(call, args).and_then(|()| once(name, call, args)),
        ("generate_series", args) => known.series(call, args),
        _ => Ok(()),
    }
}

/// Checks that a call is not given what another one has made long.
fn once(name: &str, call: &FuncCall, args: &[Node]) -> Result<(), SqlFault> {
    if args.iter().any(grows) {
        let message = format!("{name}() is given what another call has made long");
        return Err(SqlFault::new(call.location, message).hint("repeat or pad once"));
    }
    Ok(())
}

/// Whether a call that makes a text long stands anywhere in `node`: together they would multiply.
fn grows(node: &Node) -> bool {
    struct Finds(bool);
    impl Visitor for Finds {
        fn enter(&mut self, part: &mut SqlNode<'_>) -> Result<(), SqlFault> {
            if let SqlNode::FuncCall(call) = part {
                let name = builtin_name(&call.funcname);
                self.0 |= matches!(name, Some("repeat" | "lpad" | "rpad" | "format"));
            }
            Ok(())
        }
    }
    let mut finds = Finds(false);
    // A part that the walk refuses is refused where it stands.
    let _ = walk(&mut node.clone(), &mut finds);
    finds.0
}

/// Checks the length of a type that pads its values.
pub(super) fn check_type(ty: &TypeName) -> Result<(), SqlFault> {
    let pads = matches!(builtin_name(&ty.names), Some("bpchar" | "char" | "bit" | "varbit"));
    let known = Known { parameters: &[] };
    let small = |length: &Node| known.number(length).is_some_and(|n| n.high <= MAX_LENGTH);
    if !pads || ty.typmods.iter().all(small) {
        return Ok(());
    }
    Err(SqlFault::new(ty.location, "the length of this type is not a small constant")
        .hint(format!("write a number of at most {MAX_LENGTH}, or text")))
}

/// Checks that `format` pads to constant and small widths.
fn format_width(call: &FuncCall, args: &[Node]) -> Result<(), SqlFault> {
    let refuse = |what: &str| {
        Err(SqlFault::new(call.location, format!("format() is given {what}"))
            .hint(format!("write its text as one constant, with widths of at most {MAX_LENGTH}")))
    };
    let Some(text) = args.first().and_then(text_constant) else {
        return refuse("a text that is not a constant");
    };
    let specs = text.split('%').skip(1).map(|spec| {
        let end = spec.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(spec.len());
        spec.get(..end).unwrap_or(spec)
    });
    for spec in specs {
        if spec.contains('*') {
            return refuse("a width that is no constant");
        }
        let numbers = spec.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty());
        if numbers.map(|n| n.parse().unwrap_or(f64::MAX)).any(|n: f64| n > MAX_LENGTH) {
            return refuse("a width that is too large");
        }
    }
    Ok(())
}

/// What a number can be, from the least to the most.
#[derive(Debug, Clone, Copy)]
struct Span {
    low: f64,
    high: f64,
    /// Whether a window decides it.
    of_window: bool,
}

impl Span {
    fn of(number: f64) -> Self {
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

    /// Whether no digit of it is lost: PostgreSQL computes with all of them.
    fn is_exact(&self) -> bool {
        let exact = |number: f64| number.is_finite() && number.abs() <= LARGEST_EXACT;
        exact(self.low) && exact(self.high)
    }
}

/// What is known of an expression before anything runs.
struct Known<'a> {
    parameters: &'a [ParameterKind],
}

impl Known<'_> {
    fn series(&self, call: &FuncCall, args: &[Node]) -> Result<(), SqlFault> {
        let refuse =
            |message: &str, hint: String| Err(SqlFault::new(call.location, message).hint(hint));
        let (from, to, step) = match args {
            [from, to] => (from, to, None),
            [from, to, step] | [from, to, step, _] => (from, to, Some(step)),
            _ => {
                return refuse(
                    "generate_series() takes two or three arguments",
                    "write generate_series(first, last, step)".into(),
                );
            }
        };
        let number = |node: &Node| self.number(node);
        let step_number = step.map_or(Some(Span::of(1.0)), number);
        if let (Some(from), Some(to), Some(step)) = (number(from), number(to), step_number) {
            let rows = rows(from, to, step);
            let of_window = from.of_window || to.of_window;
            // From the first day to the last, and one more at either side.
            let most = if of_window { longest_window() + 3.0 } else { MAX_ROWS };
            if rows <= most {
                return Ok(());
            }
            return refuse(
                "this generate_series() has too many rows",
                format!("a series of numbers has at most {MAX_ROWS}, with constant bounds"),
            );
        }
        let days = "write both bounds with :start_date, :end_date, CURRENT_DATE or constants of the \
                    years 1900 to 2100, and a step such as '1 day'; what a column or a subquery \
                    says is no bound";
        let Some(step) = step else {
            return refuse(
                "the bounds of this generate_series() are not constants",
                format!(
                    "a series of numbers has constant bounds and at most {MAX_ROWS} rows, or goes \
                     up to :day_range; for days, {days}"
                ),
            );
        };
        match interval(step) {
            None => {
                return refuse(
                    "the bounds or the step of this generate_series() are not constants",
                    format!("for days, {days}"),
                );
            }
            Some(step) if step.abs() < HOUR => {
                return refuse(
                    "the step of this generate_series() is shorter than an hour",
                    "write a step such as '1 hour' or '1 day'".into(),
                );
            }
            Some(_) => {}
        }
        let near = |day: &Node| self.day(day).is_some_and(|away| away <= MAX_DISTANCE);
        if near(from) && near(to) && args.get(3).is_none_or(|zone| self.zone(zone)) {
            return Ok(());
        }
        refuse("the bounds of this generate_series() are not constants", days.into())
    }

    /// What a number can be: constants, `:day_range`, and the days of a window.
    fn number(&self, node: &Node) -> Option<Span> {
        self.computed(node).filter(Span::is_exact)
    }

    fn computed(&self, node: &Node) -> Option<Span> {
        if let Some((arg, _, ty)) = cast_parts(node) {
            let number = ["int2", "int4", "int8", "numeric", "float4", "float8"].contains(&ty);
            return self.number(arg).filter(|_| number);
        }
        if let Some(number) = self.kind(node) {
            let days = Span::of_window(0.0, longest_window());
            return (number == ParameterKind::DayRange).then_some(days);
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

    /// How many days an expression can be away from a day or instant that no row decides, all that
    /// is added on the way taken together.
    fn day(&self, node: &Node) -> Option<f64> {
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

    /// The most days that an interval or a number is, either way, if no row decides it.
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

    /// Whether an expression is a time zone's name that no row decides.
    fn zone(&self, node: &Node) -> bool {
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

/// The days that a window may span.
fn longest_window() -> f64 {
    f64::from(MAX_DAYS)
}

fn rows(from: Span, to: Span, step: Span) -> f64 {
    if step.low > 0.0 {
        (to.high - from.low) / step.low + 1.0
    } else if step.high < 0.0 {
        (from.high - to.low) / -step.high + 1.0
    } else {
        f64::INFINITY
    }
}

/// The days of a constant interval, a month being 30 and a year 365 of them. Parts of both signs
/// have no length that holds in every month.
fn interval(node: &Node) -> Option<f64> {
    if let Some((arg, ty, "interval")) = cast_parts(node) {
        let (text, _) = string_constant(arg)?;
        return match ty.typmods.first().map(super::tree::integer_constant) {
            None | Some(Some(ALL_FIELDS)) => in_words(text),
            // With fields, what is no plain number is read in other ways, and cut off.
            Some(fields) => Some(plain_number(text.trim())? * field(fields?)?),
        };
    }
    if let Some((text, _)) = string_constant(node) {
        return in_words(text);
    }
    let constants = Known { parameters: &[] };
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

/// The days of `1 mon 2 days 03:00`.
fn in_words(text: &str) -> Option<f64> {
    let is_number = |c: char| c.is_ascii_digit() || ".:+-".contains(c);
    let mut rest = text.trim();
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let end = rest.find(|c| !is_number(c)).unwrap_or(rest.len());
        let (number, after) = rest.split_at_checked(end)?;
        if number.contains(':') {
            parts.push(clock_time(number));
            rest = after.trim_start();
            continue;
        }
        let after = after.trim_start();
        let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (name, after) = after.split_at_checked(end)?;
        parts.push(Some(plain_number(number)? * unit(&name.to_ascii_lowercase())?));
        rest = after.trim_start();
    }
    sum(parts.into_iter())
}

/// The days of `[-]hours:minutes[:seconds]`. With a fraction after its second number it would be
/// minutes and seconds.
fn clock_time(text: &str) -> Option<f64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1.0, digits),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let whole = |part: &str| part.parse::<u32>().ok().filter(|_| !part.starts_with('+'));
    let (hours, minutes) = match digits.split(':').collect::<Vec<_>>().as_slice() {
        [hours, minutes] => (whole(hours)?, whole(minutes)?),
        [hours, minutes, seconds] if seconds.starts_with(|c: char| c.is_ascii_digit()) => {
            plain_number(seconds)?;
            (whole(hours)?, whole(minutes)?)
        }
        _ => return None,
    };
    Some(sign * (f64::from(hours) * HOUR + f64::from(minutes) * HOUR / 60.0))
}

/// A number in digits, with a sign and a fraction at most.
fn plain_number(text: &str) -> Option<f64> {
    let digits = text.chars().all(|c| c.is_ascii_digit() || ".+-".contains(c));
    text.parse().ok().filter(|_| digits)
}

/// The sum of at least one part, all of one sign.
fn sum(parts: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let parts = parts.collect::<Option<Vec<_>>>()?;
    let one_sign = parts.iter().all(|part| *part >= 0.0) || parts.iter().all(|part| *part <= 0.0);
    (one_sign && !parts.is_empty()).then(|| parts.iter().sum())
}

/// The days of a unit, in every spelling that PostgreSQL reads.
fn unit(name: &str) -> Option<f64> {
    Some(match name {
        "years" | "year" | "yrs" | "yr" | "y" => 365.0,
        "months" | "month" | "mons" | "mon" => 30.0,
        "weeks" | "week" | "w" => 7.0,
        "days" | "day" | "d" => 1.0,
        "hours" | "hour" | "hrs" | "hr" | "h" => HOUR,
        "minutes" | "minute" | "mins" | "min" | "m" => HOUR / 60.0,
        "seconds" | "second" | "secs" | "sec" | "s" => HOUR / 3600.0,
        _ => return None,
    })
}

/// The fields of an interval that names none, only how many digits its seconds have.
const ALL_FIELDS: i32 = 0x7FFF;

/// The days of a field that an interval is written in: `INTERVAL '3' HOUR`.
fn field(bits: i32) -> Option<f64> {
    unit(match bits {
        4 => "year",
        2 => "month",
        8 => "day",
        0x400 => "hour",
        0x800 => "minute",
        0x1000 => "second",
        _ => return None,
    })
}

/// The most days that `date_trunc` takes away. A millennium is too far.
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

/// Whether a text is a day of a year near ours, with or without a time, or one of the clock's
/// words.
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

/// Whether a pattern reads a day as it is written, and perhaps its time.
fn is_plain(pattern: &str) -> bool {
    let pattern = pattern.trim().to_ascii_uppercase();
    let times = ["", " HH24", " HH24:MI", " HH24:MI:SS"];
    pattern.strip_prefix("YYYY-MM-DD").is_some_and(|time| times.contains(&time))
}

/// The text of a constant, with or without a cast to text.
fn text_constant(node: &Node) -> Option<&str> {
    match cast_parts(node) {
        Some((arg, _, "text" | "varchar")) => text_constant(arg),
        _ => string_constant(node).map(|(text, _)| text),
    }
}

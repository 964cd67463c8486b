//! Finds where a query names its period a second time: `sum(x) / 30` beside 30 days, or
//! `extract(month FROM d) = 6` beside June. A literal range that moved alone would contradict it.
//!
//! Reads a tree whose ranges and numbers of days are placeholders already, and never changes it. In
//! doubt it is a mention.

use std::collections::BTreeSet;

use chrono::{Datelike, NaiveDate};
use pg_query::{
    Node, NodeEnum,
    protobuf::{AConst, AExprKind, FuncCall, a_const::Val},
};

use super::{
    error::SqlFault,
    literals::{DayLiteral, days_in_words},
    tree::{binary, builtin_name, cast_parts, integer_constant, plain_call, string_constant, sval},
    walk::{SqlNode, Visitor, first_location, walk},
};

/// The period of a query.
#[derive(Debug, Clone, Copy)]
pub(super) enum NamedPeriod {
    /// From the first to the last day.
    Range(NaiveDate, NaiveDate),
    /// A number of days back from today.
    DaysBack(u32),
}

/// A second mention of a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mention {
    pub(super) location: i32,
    /// What it says, for a note.
    pub(super) what: String,
    /// How to write it so that it moves with the window.
    pub(super) instead: String,
}

/// Finds the first mention of `period` in `tree`, apart from its literals.
pub(super) fn find(tree: &mut Node, period: NamedPeriod) -> Result<Option<Mention>, SqlFault> {
    let mut finder = Finder { period, aside: BTreeSet::new(), types: 0, found: None };
    walk(tree, &mut finder)?;
    Ok(finder.found)
}

struct Finder {
    period: NamedPeriod,
    /// Locations of numbers that count no days: positions, lengths and digits.
    aside: BTreeSet<i32>,
    /// The depth inside types, whose numbers are lengths and digits.
    types: u32,
    found: Option<Mention>,
}

impl Visitor for Finder {
    fn enter(&mut self, node: &mut SqlNode<'_>) -> Result<(), SqlFault> {
        match node {
            SqlNode::TypeName(_) => self.types += 1,
            SqlNode::SelectStmt(select) => {
                let sorted = select.sort_clause.iter().filter_map(|sort| match &sort.node {
                    Some(NodeEnum::SortBy(sort)) => sort.node.as_deref(),
                    _ => None,
                });
                let distinct = select.distinct_clause.iter();
                let positions = select.group_clause.iter().chain(distinct).chain(sorted);
                self.aside.extend(positions.filter_map(number).map(|(_, location)| location));
            }
            SqlNode::AIndices(indices) => {
                let ends = [indices.lidx.as_deref(), indices.uidx.as_deref()];
                let numbers = ends.into_iter().flatten().filter_map(number);
                self.aside.extend(numbers.map(|(_, location)| location));
            }
            SqlNode::FuncCall(call) => {
                if is_of_lengths(call) {
                    let numbers = call.args.iter().skip(1).filter_map(number);
                    self.aside.extend(numbers.map(|(_, location)| location));
                }
                let mention = self.of_day_made(call).or_else(|| self.of_series(call));
                self.add(mention.or_else(|| self.of_literal_part(call)));
            }
            SqlNode::ResTarget(target) => {
                let mention = target.val.as_deref().and_then(|value| self.of_output(value));
                self.add(mention);
            }
            _ => {}
        }
        Ok(())
    }

    fn leave(&mut self, node: &mut SqlNode<'_>) -> Result<(), SqlFault> {
        if matches!(node, SqlNode::TypeName(_)) {
            self.types -= 1;
        }
        Ok(())
    }

    fn replace(&mut self, node: &mut Node) -> Result<(), SqlFault> {
        if self.types == 0 && self.found.is_none() {
            let mention = self.of_number(node).or_else(|| self.of_divisor(node));
            let mention = mention.or_else(|| self.of_condition(node));
            self.add(mention);
        }
        Ok(())
    }
}

impl Finder {
    fn add(&mut self, mention: Option<Mention>) {
        if self.found.is_none() {
            self.found = mention.filter(|mention| mention.location >= 0);
        }
    }

    /// Returns the days of the period: all dates of a range, and those back from today.
    fn days(&self) -> u32 {
        match self.period {
            NamedPeriod::Range(first, last) => {
                u32::try_from((last - first).num_days() + 1).unwrap_or_default()
            }
            NamedPeriod::DaysBack(days) => days,
        }
    }

    fn number_of_days(&self, location: i32, what: String) -> Mention {
        let instead = match self.period {
            NamedPeriod::Range(..) => "`:end_date - :start_date + 1` for its number of days",
            NamedPeriod::DaysBack(_) => {
                "`:day_range` for the number (or a window of :start_date and :end_date, which has \
                 `:end_date - :start_date + 1` days)"
            }
        };
        Mention { location, what, instead: instead.to_owned() }
    }

    /// Reads a number, or an interval, of as many days as the period has.
    fn of_number(&self, node: &Node) -> Option<Mention> {
        let days = self.days();
        if days < 2 {
            return None;
        }
        if let Some((text, location)) = string_constant(node) {
            let is_equal = days_in_words(text) == Some(i64::from(days));
            return is_equal.then(|| self.number_of_days(location, format!("'{text}'")));
        }
        let (value, location) = number(node).filter(|(_, at)| !self.aside.contains(at))?;
        is(value, f64::from(days))
            .then(|| self.number_of_days(location, format!("the number {value}")))
    }

    /// Reads a divisor that is the number of days, hours, weeks or months of the period, or nearly so.
    fn of_divisor(&self, node: &Node) -> Option<Mention> {
        let (_, "/" | "%", right) = binary(node)? else {
            return None;
        };
        let (value, location) = number(plain(right))?;
        let days = f64::from(self.days());
        // Days back from today are one date less than the window has.
        let dates = match self.period {
            NamedPeriod::Range(..) => days,
            NamedPeriod::DaysBack(_) => days + 1.0,
        };
        let near = |count: f64| count > 1.5 && (value - count).abs() <= count / 20.0;
        let window = match self.period {
            NamedPeriod::Range(..) => "(:end_date - :start_date + 1)",
            NamedPeriod::DaysBack(_) => ":day_range",
        };
        let instead = if dates > 1.5 && is(value, dates) {
            "`(:day_range + 1)` for its number of dates".to_owned()
        } else if dates > 1.5 && (is(value, days * 24.0) || is(value, dates * 24.0)) {
            format!("`({window} * 24)` for its number of hours")
        } else if near(days / 7.0) {
            format!("`({window} / 7.0)` for its number of weeks")
        } else if near(days / 30.44) {
            format!("`({window} / 30.44)` for its number of months")
        } else {
            return None;
        };
        Some(Mention { location, what: format!("the divisor {value}"), instead })
    }

    /// Reads a series of as many numbers as the period has days.
    fn of_series(&self, call: &FuncCall) -> Option<Mention> {
        let ("generate_series", [from, to, ..]) = (builtin_name(&call.funcname)?, &call.args[..])
        else {
            return None;
        };
        let (from, (to, location)) = (integer_constant(from)?, number(to)?);
        let days = self.days();
        let is_equal = days > 1 && is(to - f64::from(from) + 1.0, f64::from(days));
        is_equal.then(|| self.number_of_days(location, format!("the series up to {to}")))
    }

    /// Reads a column that says the period itself: `'June 2025' AS month`, `2025 AS year`.
    fn of_output(&self, value: &Node) -> Option<Mention> {
        let value = plain(value);
        if let Some((text, location)) = string_constant(value) {
            let what = || format!("the text '{text}'");
            let days = self.days();
            let lower = text.to_lowercase();
            let mut ends = [format!("{days} day"), format!("{days}-day")].into_iter();
            if days > 1 && ends.any(|words| holds_words(&lower, &words)) {
                return Some(self.number_of_days(location, what()));
            }
            let (first, last) = self.range()?;
            let instead = "`to_char(:start_date, 'YYYY-MM-DD')` in a form of your own".to_owned();
            return names(text, first, last).then(|| Mention { location, what: what(), instead });
        }
        let (first, last) = self.range()?;
        let (year, location) = integer_constant(value).zip(number(value).map(|(_, at)| at))?;
        let is_year = (first.year()..=last.year()).contains(&year);
        let instead = "`extract(year FROM :start_date)`".to_owned();
        is_year.then(|| Mention { location, what: format!("the year {year}"), instead })
    }

    /// Reads `make_date(2025, 6, 1)` and its kin inside the range.
    fn of_day_made(&self, call: &FuncCall) -> Option<Mention> {
        let name = builtin_name(&call.funcname)?;
        if !["make_date", "make_timestamp", "make_timestamptz"].contains(&name) {
            return None;
        }
        let (first, last) = self.range()?;
        let [year, month, ..] = call.args.as_slice() else {
            return None;
        };
        let year = integer_constant(year)?;
        let month = integer_constant(month);
        let is_inside = days_of(first, last).any(|day| {
            day.year() == year
                && month.is_none_or(|month| i64::from(day.month()) == i64::from(month))
        });
        is_inside.then(|| Mention {
            location: call.location,
            what: format!("{name}({year}, …)"),
            instead: ":start_date or :end_date".to_owned(),
        })
    }

    /// Reads a part of a literal day of the range: `date_trunc('month', DATE '2025-06-10')`.
    fn of_literal_part(&self, call: &FuncCall) -> Option<Mention> {
        let (first, last) = self.range()?;
        let name = builtin_name(&call.funcname)?;
        if !["extract", "date_part", "date_trunc", "to_char"].contains(&name) {
            return None;
        }
        let literal = call.args.iter().find_map(DayLiteral::read)?;
        (first..=last).contains(&literal.date).then(|| Mention {
            location: literal.location,
            what: format!("{name}(… '{}')", literal.text),
            instead: format!("{name} of :start_date in its place"),
        })
    }

    /// Reads a condition on a part of a date, such as `extract(month FROM d) = 6`, that holds for days of the
    /// range.
    fn of_condition(&self, node: &Node) -> Option<Mention> {
        let (first, last) = self.range()?;
        if let Some(NodeEnum::CaseExpr(case)) = &node.node {
            let part = Part::read(case.arg.as_deref()?)?;
            let literals = case.args.iter().filter_map(|when| match &when.node {
                Some(NodeEnum::CaseWhen(when)) => when.expr.as_deref(),
                _ => None,
            });
            return part.mention(literals, first, last);
        }
        let Some(NodeEnum::AExpr(expr)) = &node.node else {
            return None;
        };
        let (left, right) = (expr.lexpr.as_deref()?, expr.rexpr.as_deref()?);
        let operator = expr.name.last().and_then(sval).unwrap_or_default();
        let is_pattern = matches!(expr.kind(), AExprKind::AexprLike | AExprKind::AexprIlike);
        if let Some((text, location)) = string_constant(right).filter(|_| is_pattern) {
            let beginning = text.trim_end_matches(['%', '-', ' ']);
            return is_beginning(beginning, first, last).then(|| Mention {
                location,
                what: format!("LIKE '{text}'"),
                instead: "`to_char(:start_date, 'YYYY-MM')`".to_owned(),
            });
        }
        let compares = ["=", "<>", "<", "<=", ">", ">="].contains(&operator);
        if expr.kind() == AExprKind::AexprOp && !compares {
            return None;
        }
        for (part, other) in [(left, right), (right, left)] {
            if let Some(part) = Part::read(part) {
                return part.mention(constants(other).into_iter(), first, last);
            }
        }
        let mut months = constants(right).into_iter().chain(constants(left));
        months.find_map(|literal| {
            let (text, location) = string_constant(plain(literal))?;
            let is_month = text.len() == "2025-06".len() && is_beginning(text, first, last);
            is_month.then(|| Mention {
                location,
                what: format!("the month '{text}'"),
                instead: "`to_char(:start_date, 'YYYY-MM')`".to_owned(),
            })
        })
    }

    fn range(&self) -> Option<(NaiveDate, NaiveDate)> {
        match self.period {
            NamedPeriod::Range(first, last) => Some((first, last)),
            NamedPeriod::DaysBack(_) => None,
        }
    }
}

/// A part of a date that a condition names.
enum Part<'a> {
    /// `extract(month FROM d)`
    Field(&'a str),
    /// `date_trunc('month', d)`
    Truncated(&'a str),
    /// `to_char(d, 'YYYY-MM')`
    Formatted(&'a str),
}

impl<'a> Part<'a> {
    fn read(node: &'a Node) -> Option<Self> {
        let (name, call) = plain_call(plain(node))?;
        let [one, other] = call.args.as_slice() else {
            return None;
        };
        Some(match name {
            "extract" | "date_part" => Self::Field(string_constant(one)?.0),
            "date_trunc" => Self::Truncated(string_constant(one)?.0),
            "to_char" => Self::Formatted(string_constant(other)?.0),
            _ => return None,
        })
    }

    /// Returns the mention of a period by the first of `literals` that is this part of one of its days.
    fn mention<'b>(
        &self,
        mut literals: impl Iterator<Item = &'b Node>,
        first: NaiveDate,
        last: NaiveDate,
    ) -> Option<Mention> {
        let literal = literals.find(|literal| self.holds(plain(literal), first, last))?;
        let shown = match (string_constant(plain(literal)), number(plain(literal))) {
            (Some((text, _)), _) => format!("'{text}'"),
            (None, Some((value, _))) => value.to_string(),
            (None, None) => "…".to_owned(),
        };
        let (what, instead) = match self {
            Self::Field(field) => (
                format!("extract({field} …) = {shown}"),
                format!("`extract({field} FROM :start_date)`"),
            ),
            Self::Truncated(unit) => (
                format!("date_trunc('{unit}', …) = {shown}"),
                format!("`date_trunc('{unit}', :start_date)`"),
            ),
            Self::Formatted(format) => (
                format!("to_char(…, '{format}') = {shown}"),
                format!("`to_char(:start_date, '{format}')`"),
            ),
        };
        let instead = format!("{instead} in its place, or leave that condition out");
        Some(Mention { location: first_location(literal), what, instead })
    }

    /// Whether `literal` is this part of a day from `first` to `last`.
    fn holds(&self, literal: &Node, first: NaiveDate, last: NaiveDate) -> bool {
        let mut days = days_of(first, last);
        match self {
            Self::Field(name) => {
                let text = string_constant(literal).map(|(text, _)| text.trim());
                let value = match text {
                    Some(text) => text.parse().ok(),
                    None => number(literal).map(|(value, _)| value),
                };
                value.is_some_and(|value| {
                    days.any(|day| field(name, day).is_some_and(|own| is(f64::from(own), value)))
                })
            }
            Self::Truncated(unit) => DayLiteral::read(literal).is_some_and(|literal| {
                let begins = truncated(unit, first);
                begins.is_some_and(|begins| (begins..=last).contains(&literal.date))
            }),
            Self::Formatted(format) => string_constant(literal).is_some_and(|(text, _)| {
                is_of_the_calendar(format)
                    && days
                        .any(|day| formatted(format, day).is_none_or(|own| same_words(&own, text)))
            }),
        }
    }
}

/// The days of a range.
fn days_of(first: NaiveDate, last: NaiveDate) -> impl Iterator<Item = NaiveDate> {
    first.iter_days().take_while(move |day| *day <= last)
}

/// Returns a field of a day that has a place in the calendar; a weekday or an hour has none.
fn field(name: &str, day: NaiveDate) -> Option<i32> {
    let year = day.year();
    let week = day.iso_week();
    Some(match name.to_ascii_lowercase().as_str() {
        "year" | "years" | "y" | "yr" => year,
        "isoyear" => week.year(),
        "decade" | "decades" => year.div_euclid(10),
        "century" | "centuries" => (year + 99).div_euclid(100),
        "millennium" | "millennia" => (year + 999).div_euclid(1000),
        "quarter" | "qtr" => day.month0().cast_signed() / 3 + 1,
        "month" | "months" | "mon" => day.month().cast_signed(),
        "week" | "weeks" => week.week().cast_signed(),
        "doy" => day.ordinal().cast_signed(),
        "day" | "days" => day.day().cast_signed(),
        _ => return None,
    })
}

/// Returns the first day of a unit, as `date_trunc` does.
fn truncated(unit: &str, day: NaiveDate) -> Option<NaiveDate> {
    match unit.to_ascii_lowercase().as_str() {
        "day" => Some(day),
        "week" => Some(day.week(chrono::Weekday::Mon).first_day()),
        "month" => day.with_day(1),
        "quarter" => NaiveDate::from_ymd_opt(day.year(), day.month0() / 3 * 3 + 1, 1),
        "year" => NaiveDate::from_ymd_opt(day.year(), 1, 1),
        _ => None,
    }
}

/// Whether two numbers are the same but for the last digits.
fn is(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-6
}

/// What a pattern of `to_char` prints for a day.
type Print = fn(NaiveDate) -> String;

/// The patterns of `to_char` that name a place in the calendar, longest first, and what they print.
const PATTERNS: [(&str, Print); 12] = [
    ("iyyy", |day| format!("{:04}", day.iso_week().year())),
    ("yyyy", |day| format!("{:04}", day.year())),
    ("month", |day| day.format("%B").to_string()),
    ("ddd", |day| format!("{:03}", day.ordinal())),
    ("mon", |day| day.format("%b").to_string()),
    ("yy", |day| format!("{:02}", day.year().rem_euclid(100))),
    ("mm", |day| format!("{:02}", day.month())),
    ("dd", |day| format!("{:02}", day.day())),
    ("iw", |day| format!("{:02}", day.iso_week().week())),
    ("ww", |day| format!("{:02}", day.ordinal0() / 7 + 1)),
    ("q", |day| (day.month0() / 3 + 1).to_string()),
    ("cc", |day| ((day.year() + 99) / 100).to_string()),
];

/// Patterns of `to_char` that name a weekday or a time of day.
const OTHER_PATTERNS: [&str; 12] =
    ["hh24", "hh12", "hh", "mi", "ss", "ms", "us", "day", "dy", "id", "d", "fm"];

/// Whether a format of `to_char` names a place in the calendar.
fn is_of_the_calendar(format: &str) -> bool {
    let lower = format.to_ascii_lowercase();
    PATTERNS.iter().any(|(pattern, _)| lower.contains(pattern))
}

/// Prints a day as `to_char` does; `None` where the format has more than days.
fn formatted(format: &str, day: NaiveDate) -> Option<String> {
    let lower = format.to_ascii_lowercase();
    let mut rest = lower.as_str();
    let mut printed = String::new();
    while let Some(next) = rest.chars().next() {
        if let Some(quoted) = rest.strip_prefix('"') {
            let (text, after) = quoted.split_once('"')?;
            printed.push_str(text);
            rest = after;
        } else if let Some((pattern, print)) =
            PATTERNS.iter().find(|(pattern, _)| rest.starts_with(pattern))
        {
            printed.push_str(&print(day));
            rest = &rest[pattern.len()..];
        } else if let Some(after) = rest.strip_prefix("fm") {
            rest = after;
        } else if OTHER_PATTERNS.iter().any(|pattern| rest.starts_with(pattern)) {
            return None;
        } else {
            printed.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    Some(printed)
}

/// Whether two texts have the same words and numbers: `to_char` pads both.
fn same_words(one: &str, other: &str) -> bool {
    let words = |text: &str| {
        let lower = text.to_lowercase();
        let parts = lower.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty());
        parts.map(|part| part.trim_start_matches('0').to_owned()).collect::<Vec<_>>()
    };
    words(one) == words(other)
}

/// Whether a text is `2025`, `2025-06` or longer, and begins a day of the range.
fn is_beginning(text: &str, first: NaiveDate, last: NaiveDate) -> bool {
    let is_part = text.len() >= 4 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    is_part && days_of(first, last).any(|day| day.to_string().starts_with(text))
}

/// Whether all words of a text name the period: its year, and a month or quarter of it.
fn names(text: &str, first: NaiveDate, last: NaiveDate) -> bool {
    let lower = text.to_lowercase();
    let words: Vec<_> =
        lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let mut has_year = false;
    let mut is_known = |word: &&str| {
        let is_year = word.len() == 4
            && word.parse().is_ok_and(|year| (first.year()..=last.year()).contains(&year));
        has_year |= is_year;
        let is_name = |day: NaiveDate| {
            let month = day.format("%B").to_string().to_lowercase();
            *word == month
                || *word == &month[..3]
                || *word == format!("q{}", day.month0() / 3 + 1)
                || word.parse() == Ok(day.month())
                || word.parse() == Ok(day.day())
        };
        is_year || days_of(first, last).any(is_name)
    };
    !words.is_empty() && words.iter().all(&mut is_known) && has_year
}

/// Whether `text` holds `words`, not as a part of a longer number or word.
fn holds_words(text: &str, words: &str) -> bool {
    text.match_indices(words).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        before.is_none_or(|c| !c.is_alphanumeric() && c != '.' && c != '-')
    })
}

/// Returns the constants that a value is compared with, alone or in a list.
fn constants(node: &Node) -> Vec<&Node> {
    match &node.node {
        Some(NodeEnum::List(list)) => list.items.iter().flat_map(constants).collect(),
        Some(NodeEnum::AArrayExpr(array)) => array.elements.iter().flat_map(constants).collect(),
        _ => vec![node],
    }
}

/// Returns an expression without casts and without `nullif(…, 0)` around it.
fn plain(node: &Node) -> &Node {
    if let Some((arg, ..)) = cast_parts(node) {
        return plain(arg);
    }
    match &node.node {
        Some(NodeEnum::AExpr(expr)) if expr.kind() == AExprKind::AexprNullif => {
            expr.lexpr.as_deref().map_or(node, plain)
        }
        _ => node,
    }
}

/// Whether the numbers after the first argument are positions, lengths or digits.
fn is_of_lengths(call: &FuncCall) -> bool {
    let names = [
        "round",
        "trunc",
        "left",
        "right",
        "substr",
        "substring",
        "lpad",
        "rpad",
        "repeat",
        "split_part",
        "overlay",
        "nth_value",
    ];
    builtin_name(&call.funcname).is_some_and(|name| names.contains(&name))
}

/// A number as it is written, and its location.
fn number(node: &Node) -> Option<(f64, i32)> {
    let Some(NodeEnum::AConst(AConst { val: Some(val), location, .. })) = &node.node else {
        return None;
    };
    let value = match val {
        Val::Ival(value) => f64::from(value.ival),
        Val::Fval(value) => value.fval.parse().ok()?,
        _ => return None,
    };
    Some((value, *location))
}

#[cfg(test)]
mod tests {
    use crate::sql::{Draft, Gate, Template};

    const JUNE: &str = "d BETWEEN '2025-06-01' AND '2025-06-30'";
    const QUARTER: &str = "d >= '2025-04-01' AND d < '2025-07-01'";

    fn template(sql: &str) -> Template {
        let draft = Draft::parse(sql, &Gate::default()).unwrap_or_else(|e| panic!("{e}: {sql}"));
        draft.assume().unwrap()
    }

    fn has_slots(template: &Template) -> bool {
        let slots = template.slots;
        slots.start_date.is_some() || slots.end_date.is_some() || slots.day_range.is_some()
    }

    #[test]
    fn a_period_that_is_named_twice_stays_with_a_note() {
        let month = "SELECT count(*) AS n FROM t WHERE";
        let cases = [
            ("SELECT round(sum(x)/30, 2) AS a FROM t WHERE d >= CURRENT_DATE - 30".to_owned(), "the number 30 on line 1, column 21"),
            ("SELECT sum(x) / 30.0 AS a FROM t WHERE d >= now() - interval '30 days'".into(), "the number 30"),
            ("SELECT sum(x) / nullif(31, 0) AS a FROM t WHERE d >= CURRENT_DATE - 30".into(), "the divisor 31"),
            ("SELECT sum(x) / 4 AS a FROM t WHERE d >= CURRENT_DATE - 28".into(), "the divisor 4"),
            ("SELECT sum(x) / 4.3 AS a FROM t WHERE d >= CURRENT_DATE - 30".into(), "the divisor 4.3"),
            ("SELECT sum(x) / 3 AS a FROM t WHERE d >= CURRENT_DATE - 90".into(), "the divisor 3"),
            ("SELECT sum(x) / 12 AS a FROM t WHERE d >= CURRENT_DATE - 365".into(), "the divisor 12"),
            ("SELECT sum(x) / 720 AS a FROM t WHERE d >= CURRENT_DATE - 30".into(), "the divisor 720"),
            ("SELECT sum(x) AS a, 7 AS days FROM t WHERE d >= CURRENT_DATE - 7".into(), "the number 7"),
            ("SELECT sum(x) AS a, 'Last 7 days' AS label FROM t WHERE d >= CURRENT_DATE - 7".into(), "the text 'Last 7 days'"),
            ("SELECT 1 AS a FROM t WHERE d >= CURRENT_DATE - 14 GROUP BY b HAVING count(DISTINCT d) = 14".into(), "the number 14"),
            ("SELECT 1 AS a FROM t WHERE d >= CURRENT_DATE - 14 AND e - d > '14 days'".into(), "'14 days'"),
            ("SELECT 1 AS a FROM generate_series(0, 29) AS n, t WHERE d >= CURRENT_DATE - 30".into(), "the series up to 29"),
            (format!("SELECT sum(x)/30 AS a FROM t WHERE {JUNE}"), "the number 30"),
            (format!("SELECT sum(x)/91 AS a FROM t WHERE {QUARTER}"), "the number 91"),
            (format!("SELECT sum(x)/13 AS a FROM t WHERE {QUARTER}"), "the divisor 13"),
            (format!("SELECT sum(x)/3 AS a FROM t WHERE {QUARTER}"), "the divisor 3"),
            (format!("{month} extract(month FROM d) = 6 AND {JUNE}"), "extract(month …) = 6"),
            (format!("{month} 6 = date_part('month', e) AND {JUNE}"), "extract(month …) = 6"),
            (format!("{month} extract(month FROM d)::int IN (5, 6) AND {QUARTER}"), "extract(month …) = 5"),
            (format!("{month} extract(month FROM d) BETWEEN 4 AND 6 AND {QUARTER}"), "extract(month …) = 4"),
            (format!("{month} extract(year FROM d) = '2025' AND {JUNE}"), "extract(year …) = '2025'"),
            (format!("{month} extract(quarter FROM d) = 2 AND {JUNE}"), "extract(quarter …) = 2"),
            (format!("{month} to_char(d, 'YYYY-MM') = '2025-06' AND {JUNE}"), "to_char(…, 'YYYY-MM') = '2025-06'"),
            (format!("{month} to_char(d, 'Month') = 'June     ' AND {JUNE}"), "to_char(…, 'Month')"),
            (format!("{month} to_char(d, 'FMMonth YYYY') IN ('June 2025') AND {JUNE}"), "to_char(…, 'FMMonth YYYY')"),
            (format!("{month} to_char(d, 'IYYY-IW') = '2025-23' AND {JUNE}"), "to_char(…, 'IYYY-IW')"),
            (format!("{month} date_trunc('quarter', d) = '2025-04-01' AND {JUNE}"), "date_trunc('quarter', …)"),
            (format!("{month} date_trunc('week', d) = DATE '2025-06-09' AND {JUNE}"), "date_trunc('week', …)"),
            (format!("{month} d::text LIKE '2025-06-%' AND {JUNE}"), "LIKE '2025-06-%'"),
            (format!("{month} left(d::text, 7) = '2025-06' AND {JUNE}"), "the month '2025-06'"),
            (
                format!("{month} date_trunc('month', d) = date_trunc('month', DATE '2025-06-10') AND {JUNE}"),
                "date_trunc(… '2025-06-10')",
            ),
            (format!("{month} d >= make_date(2025, 6, 10) AND {JUNE}"), "make_date(2025, …)"),
            (format!("SELECT count(*) FILTER (WHERE extract(month FROM d) = 6) AS n FROM t WHERE {JUNE}"), "extract(month …) = 6"),
            (format!("SELECT sum(CASE extract(month FROM d) WHEN 4 THEN x END) AS n FROM t WHERE {QUARTER}"), "extract(month …) = 4"),
            (format!("SELECT 'June 2025' AS month, sum(x) AS n FROM t WHERE {JUNE}"), "the text 'June 2025'"),
            (format!("SELECT 'Q2 2025' AS q, sum(x) AS n FROM t WHERE {QUARTER}"), "the text 'Q2 2025'"),
            (format!("SELECT 2025 AS year, sum(x) AS n FROM t WHERE {JUNE}"), "the year 2025"),
        ];
        for (sql, what) in cases {
            let template = template(&sql);
            assert!(!has_slots(&template), "{sql}");
            assert!(
                template.parameters.iter().all(|p| p.source == crate::sql::ParameterSource::Today
                    || p.source == crate::sql::ParameterSource::Now),
                "{}",
                template.sql
            );
            let said = |message: &str| {
                message.contains("names its period a second time")
                    && message.contains(what)
                    && message.contains("; write ")
            };
            assert!(template.notes.iter().any(|n| said(&n.message)), "{sql}: {:?}", template.notes);
        }
    }

    #[test]
    fn what_names_no_period_lets_it_move() {
        for sql in [
            "SELECT x::numeric(30, 7) AS a FROM t WHERE d >= CURRENT_DATE - 7".to_owned(),
            "SELECT a, round(sum(x), 2) AS s FROM t WHERE d >= CURRENT_DATE - 2 GROUP BY 1 ORDER BY 2".into(),
            "SELECT sum(x) / 100 AS a FROM t WHERE d >= CURRENT_DATE - 30".into(),
            "SELECT 1 AS a FROM t WHERE d >= CURRENT_DATE - 1 AND x > 1".into(),
            "SELECT 1 AS a FROM t WHERE id = 'cost-avoided-30d' AND d >= CURRENT_DATE - 30".into(),
            "SELECT 1 AS a FROM t WHERE d >= CURRENT_DATE - 30 AND x > 300 LIMIT 10".into(),
            format!("SELECT avg(x)::decimal(10, 2) AS a FROM t WHERE {JUNE}"),
            format!("SELECT 100.0 * sum(x) / sum(y) AS a FROM t WHERE {JUNE} LIMIT 5"),
            format!("SELECT 1 AS a FROM t WHERE extract(dow FROM d) = 1 AND {JUNE}"),
            format!("SELECT 1 AS a FROM t WHERE extract(hour FROM d) BETWEEN 6 AND 17 AND {JUNE}"),
            format!("SELECT 1 AS a FROM t WHERE extract(year FROM born) < 1990 AND {JUNE}"),
            format!("SELECT 1 AS a FROM t WHERE to_char(d, 'HH24') = '06' AND {JUNE}"),
            format!("SELECT 1 AS a FROM t WHERE to_char(d, 'FMDay') = 'Monday' AND {JUNE}"),
            format!("SELECT extract(month FROM d) AS m FROM t WHERE {QUARTER} GROUP BY extract(month FROM d)"),
            format!("SELECT date_trunc('month', d) AS m FROM t WHERE {QUARTER} GROUP BY 1"),
            format!("SELECT 1 AS a FROM t WHERE name LIKE '20%' AND {JUNE}"),
            format!("SELECT 'flagged' AS a FROM t WHERE code = 'June' AND {JUNE}"),
        ] {
            let template = template(&sql);
            assert!(has_slots(&template), "{sql}: {:?}", template.notes);
        }
    }
}

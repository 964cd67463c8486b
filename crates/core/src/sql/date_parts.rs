//! The parts of dates that expressions give, `extract(month FROM d)`, and whether a literal is such a part
//! of a day.
//!
//! Reads a tree and never changes it. A column may be such a part by its name alone, as `year` is.

use std::collections::BTreeSet;

use chrono::{Datelike, NaiveDate};
use pg_query::{
    Node, NodeEnum,
    protobuf::{AExprKind, FuncCall},
};

use super::{
    date_words::{Among, is_name_of},
    literals::{Around, DayLiteral, is_nothing},
    period::{LengthUnit, is, number},
    tree::{binary, builtin_name, cast_parts, plain_call, string_constant, sval, target},
    walk::{SqlNode, Visitor, walk},
};

/// A part of a date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DatePart {
    kind: PartKind,
    /// The names of the columns that it is a part of.
    pub(super) columns: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum PartKind {
    /// `extract(month FROM d)`
    Field(String),
    /// `date_trunc('month', d)`
    Truncated(String),
    /// `to_char(d, 'YYYY-MM')`
    Formatted(String),
    /// A column that is called `month`: the column, and the field.
    Called(String, &'static str),
}

/// The most days of which each is looked at.
const MAX_DAYS_LOOKED_AT: i64 = 800;

impl DatePart {
    /// Reads an expression, with casts and functions of text around it.
    pub(super) fn read(node: &Node) -> Option<Self> {
        let node = unwrapped(node);
        let (name, call) = plain_call(node)?;
        let [one, other] = call.args.as_slice() else {
            return None;
        };
        let (kind, of) = match name {
            "extract" | "date_part" => (PartKind::Field(string_constant(one)?.0.to_owned()), other),
            "date_trunc" => (PartKind::Truncated(string_constant(one)?.0.to_owned()), other),
            "to_char" => (PartKind::Formatted(string_constant(other)?.0.to_owned()), one),
            _ => return None,
        };
        Some(Self { kind, columns: columns_of(of) })
    }

    /// Reads `count(DISTINCT date_trunc('month', d))`, and returns the unit that it counts.
    pub(super) fn counted(node: &Node) -> Option<LengthUnit> {
        let Some(NodeEnum::FuncCall(call)) = &unwrapped(node).node else {
            return None;
        };
        let [part] = call.args.as_slice() else {
            return None;
        };
        let is_count = call.agg_distinct && builtin_name(&call.funcname) == Some("count");
        Self::read(part).filter(|_| is_count)?.unit()
    }

    /// Returns the unit of which there is one for each value.
    fn unit(&self) -> Option<LengthUnit> {
        let lower = match &self.kind {
            PartKind::Field(name) | PartKind::Truncated(name) => name.to_ascii_lowercase(),
            PartKind::Called(_, name) => (*name).to_owned(),
            PartKind::Formatted(format) => {
                let lower = format.to_ascii_lowercase();
                let patterns = [
                    ("dd", "day"),
                    ("iw", "week"),
                    ("ww", "week"),
                    ("mm", "month"),
                    ("mon", "month"),
                    ("q", "quarter"),
                    ("yy", "year"),
                ];
                let (_, unit) = patterns.iter().find(|(pattern, _)| lower.contains(pattern))?;
                (*unit).to_owned()
            }
        };
        LengthUnit::ALL.into_iter().find(|unit| unit.is_called(&lower))
    }

    /// Returns the part that a column is by its name: `order_year`, `month_no`.
    pub(super) fn called(name: &str) -> Option<Self> {
        let lower = name.to_ascii_lowercase();
        let words: Vec<_> = lower.split('_').collect();
        let others =
            ["per", "in", "by", "count", "total", "sum", "avg", "min", "max", "last", "next"];
        if words.iter().any(|word| others.contains(word)) {
            return None;
        }
        let numbered = ["no", "num", "number", "name", "key", "id"].contains(words.last()?);
        let word = words.get(words.len().checked_sub(if numbered { 2 } else { 1 })?)?;
        let field = match *word {
            "year" | "yr" => "year",
            "quarter" | "qtr" => "quarter",
            "month" => "month",
            "week" | "wk" => "week",
            _ => return None,
        };
        Some(Self { kind: PartKind::Called(name.to_owned(), field), columns: BTreeSet::new() })
    }

    /// Whether it is a month, a quarter or another part of the calendar; a weekday, an hour or the number of
    /// a day in its month is none.
    pub(super) fn is_of_the_calendar(&self) -> bool {
        match &self.kind {
            PartKind::Field(name) => {
                let is_day = ["day", "days"].contains(&name.to_ascii_lowercase().as_str());
                !is_day
                    && NaiveDate::from_ymd_opt(2025, 6, 1)
                        .and_then(|day| field(name, day))
                        .is_some()
            }
            PartKind::Truncated(unit) => {
                ["week", "month", "quarter", "year"].contains(&unit.to_ascii_lowercase().as_str())
            }
            PartKind::Formatted(format) => {
                let lower = format.to_ascii_lowercase().replace("day", "");
                // With the number of a day it is a date.
                !lower.contains("dd") && PATTERNS.iter().any(|(pattern, _)| lower.contains(pattern))
            }
            PartKind::Called(..) => true,
        }
    }

    /// Returns the first of `literals` by which a condition holds for days of a range only because they are
    /// those, or for some days alone if there is no range.
    pub(super) fn met<'b>(
        &self,
        operator: &str,
        literals: &[&'b Node],
        among: Among,
    ) -> Option<&'b Node> {
        let Some((first, last)) = among else {
            return literals.iter().copied().find(|literal| self.could_be(unwrapped(literal)));
        };
        if let Some(literal) = self.met_as_a_bound(operator, literals, first, last) {
            return Some(literal);
        }
        literals.iter().copied().find(|literal| self.holds(unwrapped(literal), first, last))
    }

    /// Returns a bound that days of the range meet: months, weeks and quarters come again each year, and a
    /// year may be told by its neighbours.
    fn met_as_a_bound<'b>(
        &self,
        operator: &str,
        literals: &[&'b Node],
        first: NaiveDate,
        last: NaiveDate,
    ) -> Option<&'b Node> {
        let name = match &self.kind {
            PartKind::Field(name) => name.as_str(),
            PartKind::Called(_, field) => field,
            PartKind::Formatted(format) => {
                let [low, high] = literals else { return None };
                let (low, high) = (text_of(unwrapped(low))?, text_of(unwrapped(high))?);
                let mut days = looked_at(first, last).filter_map(|day| formatted(format, day));
                let is_met = operator == "BETWEEN"
                    && is_calendar_format(format)
                    && days.any(|own| (low.as_str()..=high.as_str()).contains(&own.as_str()));
                return literals.first().copied().filter(|_| is_met);
            }
            PartKind::Truncated(_) => return None,
        };
        let values: Vec<_> =
            literals.iter().map(|literal| value(unwrapped(literal))).collect::<Option<_>>()?;
        let comes_again = ["month", "months", "mon", "quarter", "qtr", "week", "weeks", "doy"];
        let comes_again = comes_again.contains(&name.to_ascii_lowercase().as_str());
        let meets = |own: f64| match (operator, values.as_slice()) {
            (">", [bound]) => own > *bound,
            (">=", [bound]) => own >= *bound,
            ("<", [bound]) => own < *bound,
            ("<=", [bound]) => own <= *bound,
            ("BETWEEN", [low, high]) => (*low..=*high).contains(&own),
            _ => false,
        };
        let is_met = if comes_again {
            let is_met = |day| field(name, day).is_some_and(|own| meets(f64::from(own)));
            looked_at(first, last).any(is_met)
        } else if !is_year(name) {
            return None;
        } else {
            let beside = match operator {
                ">" => 1.0,
                "<" => -1.0,
                _ => return None,
            };
            let ends = [first, last].map(|day| field(name, day).map(f64::from));
            let [Some(low), Some(high)] = ends else {
                return None;
            };
            matches!(values.as_slice(), [bound] if (low..=high).contains(&(bound + beside)))
        };
        literals.first().copied().filter(|_| is_met)
    }

    /// Whether `literal` is this part of a day from `first` to `last`.
    fn holds(&self, literal: &Node, first: NaiveDate, last: NaiveDate) -> bool {
        let is_field = |name: &str| match value(literal) {
            Some(value) if is_year(name) => {
                let ends = [first, last].map(|day| field(name, day).map(f64::from));
                matches!(ends, [Some(low), Some(high)] if (low..=high).contains(&value))
            }
            Some(value) => {
                let is_own = |day| field(name, day).is_some_and(|own| is(f64::from(own), value));
                looked_at(first, last).any(is_own)
            }
            None => {
                let items = string_constant(literal).map_or("", |(text, _)| text);
                items.trim_matches(['{', '}']).split(',').any(|item| {
                    let is_own = |day| field(name, day).map(|own| own.to_string());
                    let is_number = looked_at(first, last)
                        .any(|day| is_own(day).is_some_and(|own| own == item.trim()));
                    is_number || is_name_of(name, item, Some((first, last)))
                })
            }
        };
        match &self.kind {
            PartKind::Field(name) => is_field(name),
            PartKind::Called(_, name) => is_field(name),
            PartKind::Truncated(unit) => DayLiteral::read(literal).is_some_and(|literal| {
                let begins = truncated(unit, first);
                begins.is_some_and(|begins| (begins..=last).contains(&literal.date))
            }),
            PartKind::Formatted(format) => {
                is_calendar_format(format)
                    && text_of(literal).is_some_and(|text| {
                        // In doubt it is.
                        (last - first).num_days() > MAX_DAYS_LOOKED_AT
                            || looked_at(first, last).any(|day| {
                                formatted(format, day).is_none_or(|own| same_words(&own, &text))
                            })
                    })
            }
        }
    }

    /// Whether `literal` is this part of any day.
    fn could_be(&self, literal: &Node) -> bool {
        self.is_of_the_calendar()
            && match &self.kind {
                PartKind::Truncated(_) => {
                    let made = ["to_date", "to_timestamp", "make_date", "make_timestamp"];
                    DayLiteral::read(literal).is_some()
                        || plain_call(literal).is_some_and(|(name, _)| made.contains(&name))
                }
                PartKind::Field(_) | PartKind::Formatted(_) => text_of(literal).is_some(),
                PartKind::Called(name, field) => {
                    let is_name = |text| is_name_of(field, text, None);
                    is_of_no_other_date(name)
                        && (value(literal).is_some()
                            || string_constant(literal).is_some_and(|(text, _)| is_name(text)))
                }
            }
    }

    /// Returns what a condition says, for a note.
    pub(super) fn what(&self, literal: &Node) -> String {
        let shown = match string_constant(unwrapped(literal)) {
            Some((text, _)) => format!("'{text}'"),
            None => {
                number(unwrapped(literal)).map_or("…".to_owned(), |(value, _)| value.to_string())
            }
        };
        match &self.kind {
            PartKind::Field(field) => format!("extract({field} …) = {shown}"),
            PartKind::Truncated(unit) => format!("date_trunc('{unit}', …) = {shown}"),
            PartKind::Formatted(format) => format!("to_char(…, '{format}') = {shown}"),
            PartKind::Called(name, _) => format!("{name} = {shown}"),
        }
    }

    /// Returns how to write it so that it moves with the window.
    pub(super) fn instead(&self) -> String {
        let instead = match &self.kind {
            PartKind::Field(field) => format!("`extract({field} FROM :start_date)`"),
            PartKind::Truncated(unit) => format!("`date_trunc('{unit}', :start_date)`"),
            PartKind::Formatted(format) => format!("`to_char(:start_date, '{format}')`"),
            PartKind::Called(_, field) => format!("`extract({field} FROM :start_date)`"),
        };
        format!("{instead} in its place, or leave that condition out")
    }
}

/// Whether a column's name says no more than a part of the calendar: `birth_year` is another date's.
fn is_of_no_other_date(name: &str) -> bool {
    let known = [
        "year", "yr", "quarter", "qtr", "month", "week", "wk", "fiscal", "iso", "calendar", "no",
        "num", "number", "name", "key",
    ];
    name.to_ascii_lowercase().split('_').all(|word| known.contains(&word))
}

/// Whether a field counts years or more, and comes never again.
fn is_year(name: &str) -> bool {
    let comes_again =
        ["quarter", "qtr", "month", "months", "mon", "week", "weeks", "doy", "day", "days"];
    !comes_again.contains(&name.to_ascii_lowercase().as_str())
}

/// Returns the names of the columns in an expression.
pub(super) fn columns_of(node: &Node) -> BTreeSet<String> {
    struct Columns(BTreeSet<String>);
    impl Visitor for Columns {
        fn enter(&mut self, node: &mut SqlNode<'_>) -> Result<(), super::error::SqlFault> {
            if let SqlNode::ColumnRef(column) = node {
                self.0.extend(column.fields.last().and_then(sval).map(str::to_owned));
            }
            Ok(())
        }
    }
    let mut columns = Columns(BTreeSet::new());
    // A node that the walk refuses is refused again where it stands.
    let _ = walk(&mut node.clone(), &mut columns);
    columns.0
}

/// Functions of numbers and of text that keep a part of a date what it is.
const AROUND: [&str; 22] = [
    "btrim",
    "ltrim",
    "rtrim",
    "lower",
    "upper",
    "initcap",
    "floor",
    "round",
    "trunc",
    "ceil",
    "ceiling",
    "abs",
    "to_number",
    "replace",
    "translate",
    "regexp_replace",
    "int2",
    "int4",
    "int8",
    "numeric",
    "float8",
    "text",
];

/// Returns an expression without casts and `(SELECT …)`, without `nullif(…, 0)` or `coalesce(…, 0)`, and without functions of text around it.
pub(super) fn unwrapped(node: &Node) -> &Node {
    if let Some((arg, ..)) = cast_parts(node) {
        return unwrapped(arg);
    }
    if let Some((name, call)) = plain_call(node)
        && AROUND.contains(&name)
        && let Some(arg) = call.args.first()
    {
        return unwrapped(arg);
    }
    if let Some(Around::Subquery(value)) = Around::of(node) {
        return unwrapped(value);
    }
    if let Some((left, "+" | "-" | "||", right)) = binary(node)
        && (is_nothing(right) || string_constant(right).is_some_and(|(text, _)| text.is_empty()))
    {
        return unwrapped(left);
    }
    match &node.node {
        Some(NodeEnum::AExpr(expr)) if expr.kind() == AExprKind::AexprNullif => {
            expr.lexpr.as_deref().map_or(node, unwrapped)
        }
        Some(NodeEnum::CoalesceExpr(expr)) => expr.args.first().map_or(node, unwrapped),
        _ => node,
    }
}

/// Returns the values that a value is compared with, alone, in a list or in the rows of a subquery.
pub(super) fn values(node: &Node) -> Vec<&Node> {
    match &node.node {
        Some(NodeEnum::List(list)) => list.items.iter().flat_map(values).collect(),
        Some(NodeEnum::SubLink(link)) => link.subselect.as_deref().map(values).unwrap_or_default(),
        Some(NodeEnum::SelectStmt(select)) => {
            let outputs = select.target_list.iter().filter_map(target);
            let outputs = outputs.filter_map(|target| target.val.as_deref());
            outputs.chain(&select.values_lists).flat_map(values).collect()
        }
        Some(NodeEnum::AArrayExpr(array)) => array.elements.iter().flat_map(values).collect(),
        Some(NodeEnum::FuncCall(call))
            if builtin_name(&call.funcname)
                .is_some_and(|name| ["daterange", "tsrange", "tstzrange"].contains(&name)) =>
        {
            call.args.iter().take(2).collect()
        }
        Some(NodeEnum::TypeCast(cast))
            if cast.type_name.as_ref().is_some_and(|ty| !ty.array_bounds.is_empty()) =>
        {
            cast.arg.as_deref().map(values).unwrap_or_default()
        }
        _ => vec![node],
    }
}

/// Whether the numbers after the first argument are positions, lengths or digits.
pub(super) fn is_of_lengths(call: &FuncCall) -> bool {
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

/// Whether a value is a piece of a text.
pub(super) fn is_piece(value: &Node) -> bool {
    let pieces = ["left", "right", "substr", "substring", "split_part"];
    plain_call(unwrapped(value)).is_some_and(|(name, _)| pieces.contains(&name))
}

/// Whether a text is digits alone.
pub(super) fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Returns the days of a range, or the first of many.
fn looked_at(first: NaiveDate, last: NaiveDate) -> impl Iterator<Item = NaiveDate> {
    let most = usize::try_from(MAX_DAYS_LOOKED_AT).unwrap_or(0) + 1;
    first.iter_days().take_while(move |day| *day <= last).take(most)
}

/// Returns a number that is written as one or as a text.
fn value(literal: &Node) -> Option<f64> {
    match string_constant(literal) {
        Some((text, _)) => text.trim().parse().ok(),
        None => number(literal).map(|(value, _)| value),
    }
}

fn text_of(literal: &Node) -> Option<String> {
    match string_constant(literal) {
        Some((text, _)) => Some(text.to_owned()),
        None => number(literal).map(|(value, _)| value.to_string()),
    }
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
fn is_calendar_format(format: &str) -> bool {
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

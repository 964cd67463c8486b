//! Finds where a query names its period a second time: `sum(x) / 30` beside 30 days, or
//! `extract(month FROM d) = 6` beside June. A literal range that moved alone would contradict it.
//!
//! Reads a tree whose ranges and numbers of days are placeholders already, and never changes it. In
//! doubt it is a mention.

use std::{collections::BTreeSet, iter};

use chrono::{Datelike, Days};
use pg_query::{
    Node, NodeEnum,
    protobuf::{AExpr, AExprKind, CaseExpr, FuncCall},
};

use super::{
    date_parts::{DatePart, columns_of, is_digits, is_of_lengths, is_piece, unwrapped, values},
    date_words::{
        begins_with_a_year, has_a_month, holds_one_of, is_day_number, is_named_in_a_label,
        is_part_of_a_year, months_of,
    },
    error::SqlFault,
    literals::{DayLiteral, is_nothing, looks_like_a_date},
    outputs::{Outputs, explained_divisor},
    period::{NamedPeriod, TimeAmount, number},
    placeholders::Placeholders,
    present::PresentReader,
    tree::{binary, builtin_name, integer_constant, plain_call, string_constant, sval},
    walk::{SqlNode, Visitor, first_location, walk},
};
use crate::window::parse_date;

/// A second mention of a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mention {
    pub(super) location: i32,
    /// What it says, for a note.
    pub(super) what: String,
    /// How to write it so that it moves with the window.
    pub(super) instead: String,
}

/// Finds the first mention of `period` in `tree`, apart from its literals. `columns` are the names of what
/// they bound.
pub(super) fn find(
    tree: &mut Node,
    placeholders: &Placeholders,
    period: NamedPeriod,
    columns: BTreeSet<String>,
) -> Result<Option<Mention>, SqlFault> {
    let outputs = Outputs::of(tree, columns)?;
    let present = PresentReader { placeholders };
    let aside = BTreeSet::new();
    let mut finder =
        Finder { period, present, outputs, aside, types: 0, found: None, by_name: None };
    walk(tree, &mut finder)?;
    Ok(finder.found.or(finder.by_name))
}

/// Looks for mentions of a period.
pub(super) struct Finder<'a> {
    pub(super) period: NamedPeriod,
    pub(super) present: PresentReader<'a>,
    pub(super) outputs: Outputs,
    /// Locations of numbers that count no days: positions, lengths and digits.
    pub(super) aside: BTreeSet<i32>,
    /// The depth inside types, whose numbers are lengths and digits.
    types: u32,
    found: Option<Mention>,
    /// A column whose name says it, if nothing else does.
    by_name: Option<Mention>,
}

impl Visitor for Finder<'_> {
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
                let rows = select.values_lists.iter().filter_map(|row| match &row.node {
                    Some(NodeEnum::List(row)) => row.items.first(),
                    _ => None,
                });
                let mention = self.of_months(rows);
                self.add(mention);
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
                let mention = self.of_call(call);
                self.add(mention);
            }
            SqlNode::ResTarget(target) => {
                self.aside.extend(explained_divisor(target));
                let mention = self.of_output(target);
                self.add(mention);
                self.by_name = self.by_name.take().or_else(|| self.of_name(target));
            }
            SqlNode::AExpr(expr) => {
                if expr
                    .name
                    .last()
                    .and_then(sval)
                    .is_some_and(|name| ["->", "->>", "^"].contains(&name))
                {
                    let position = expr.rexpr.as_deref().and_then(number);
                    self.aside.extend(position.map(|(_, location)| location));
                }
                let mention = self.of_condition(expr);
                self.add(mention);
            }
            SqlNode::AArrayExpr(array) => {
                let mention = self.of_months(array.elements.iter());
                self.add(mention);
            }
            SqlNode::SubLink(link) => {
                let mention = link.testexpr.as_deref().zip(link.subselect.as_deref());
                let mention =
                    mention.and_then(|(value, rows)| self.of_comparison(value, "=", rows));
                self.add(mention);
            }
            SqlNode::CaseExpr(case) => {
                let mention = self.of_case(case);
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
            let mention = self.of_number(node).or_else(|| self.of_amount(node));
            let mention = mention.or_else(|| self.of_divisor(node)).or_else(|| self.of_text(node));
            let mention = mention.or_else(|| self.of_days_between(node));
            self.add(mention);
        }
        Ok(())
    }
}

impl Finder<'_> {
    fn add(&mut self, mention: Option<Mention>) {
        if self.found.is_none() {
            self.found = mention.filter(|mention| mention.location >= 0);
        }
    }

    fn of_call(&self, call: &FuncCall) -> Option<Mention> {
        let mention = self.of_day_made(call).or_else(|| self.of_series(call));
        let mention = mention.or_else(|| self.of_literal_part(call));
        mention.or_else(|| match call.args.as_slice() {
            [value, text] if is_search(call) => self.of_pattern(value, text),
            args if builtin_name(&call.funcname) == Some("overlaps") => {
                let mut pairs =
                    args.iter().flat_map(|one| args.iter().map(move |other| (one, other)));
                pairs.find_map(|(one, other)| self.of_day(one, "=", other))
            }
            _ => None,
        })
    }

    /// Reads a list of the months of the range: `VALUES (4), (5), (6)`.
    fn of_months<'b>(&self, values: impl Iterator<Item = &'b Node>) -> Option<Mention> {
        let (first, last) = self.period.range()?;
        let values: Vec<_> = values.map(unwrapped).collect();
        let months = months_of(first, last).take(13).map(|day| f64::from(day.month()));
        let numbers = values.iter().filter_map(|value| number(value)).map(|(value, _)| value);
        let is_same = values.len() > 1 && numbers.eq(months);
        is_same.then(|| Mention {
            location: first_location(values[0]),
            what: "a list of its months".to_owned(),
            instead: "`generate_series(:start_date, :end_date, '1 month')`".to_owned(),
        })
    }

    /// Reads `make_date(2025, 6, 1)` and its kin inside the range.
    fn of_day_made(&self, call: &FuncCall) -> Option<Mention> {
        let name = builtin_name(&call.funcname)?;
        if !["make_date", "make_timestamp", "make_timestamptz"].contains(&name) {
            return None;
        }
        let range = self.period.range()?;
        let [year, month, ..] = call.args.as_slice() else {
            return None;
        };
        let year = integer_constant(year)?;
        let is_inside = match integer_constant(month) {
            Some(month) => is_day_number(f64::from(year) * 100.0 + f64::from(month), range),
            None => (range.0.year()..=range.1.year()).contains(&year),
        };
        is_inside.then(|| Mention {
            location: call.location,
            what: format!("{name}({year}, …)"),
            instead: ":start_date or :end_date".to_owned(),
        })
    }

    /// Reads a part of a literal day of the range: `date_trunc('month', DATE '2025-06-10')`.
    fn of_literal_part(&self, call: &FuncCall) -> Option<Mention> {
        let (first, last) = self.period.range()?;
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

    /// Reads a text that is a month, a quarter or a day of the range, or holds its first or last day.
    fn of_text(&self, node: &Node) -> Option<Mention> {
        let (text, location) = string_constant(node)?;
        let (first, last) = self.period.range()?;
        // A pattern is read with what it is compared with.
        if looks_like_a_date(text) && DayLiteral::read(node).is_some() || text.ends_with('%') {
            return None;
        }
        let ends = [Some(first), Some(last), last.checked_add_days(Days::new(1))];
        let ends: Vec<_> = ends.into_iter().flatten().collect();
        let what = if holds_one_of(text, &ends) {
            format!("'{text}'")
        } else if !looks_like_a_date(text) && is_part_of_a_year(text, Some((first, last))) {
            format!("the month '{text}'")
        } else {
            return None;
        };
        let instead = "`to_char(:start_date, 'YYYY-MM')` or another form of it".to_owned();
        Some(Mention { location, what, instead })
    }

    /// Reads a condition on a part of a date, such as `extract(month FROM d) = 6`, that holds for days of the
    /// period.
    fn of_condition(&self, expr: &AExpr) -> Option<Mention> {
        let (left, right) = (expr.lexpr.as_deref()?, expr.rexpr.as_deref()?);
        let operator = match (expr.kind(), expr.name.last().and_then(sval)?) {
            (AExprKind::AexprLike | AExprKind::AexprIlike | AExprKind::AexprSimilar, _)
            | (AExprKind::AexprOp, "~" | "~*" | "^@") => return self.of_pattern(left, right),
            (AExprKind::AexprBetween | AExprKind::AexprBetweenSym, _) => "BETWEEN",
            (
                AExprKind::AexprNotBetween
                | AExprKind::AexprNotBetweenSym
                | AExprKind::AexprDistinct,
                _,
            ) => "<>",
            (_, operator @ ("=" | "<>" | "<" | "<=" | ">" | ">=")) => operator,
            (_, "@>" | "<@" | "&&") => "=",
            _ => return None,
        };
        self.of_comparison(left, operator, right)
    }

    /// Reads `CASE extract(month FROM d) WHEN 6 THEN …`.
    fn of_case(&self, case: &CaseExpr) -> Option<Mention> {
        let whens = case.args.iter().filter_map(|when| match &when.node {
            Some(NodeEnum::CaseWhen(when)) => when.expr.as_deref(),
            _ => None,
        });
        let whens: Vec<_> = whens.collect();
        let (of, whens) = (case.arg.as_deref()?, whens.as_slice());
        let others = whens.iter().filter(|when| self.of_parts(of, "=", &[**when]).is_none());
        // Names for more months than the period has are a table of names.
        let is_of_all = whens.len() >= 12 || self.period.range().is_some() && others.count() > 1;
        self.of_parts(of, "=", whens).filter(|_| !is_of_all)
    }

    /// Reads `d::text LIKE '2025-06-%'`.
    fn of_pattern(&self, value: &Node, pattern: &Node) -> Option<Mention> {
        let pattern = match plain_call(pattern) {
            Some(("similar_to_escape" | "like_escape", call)) => call.args.first()?,
            _ => pattern,
        };
        let (text, location) = string_constant(unwrapped(pattern))?;
        // A year alone may be a number of anything.
        let has_month = text.len() >= "2025-06".len() && self.period.range().is_some();
        let range = self.period.range();
        let is_year = begins_with_a_year(text, range) && (has_month || self.is_bounded(value));
        let is_part = || {
            let part = DatePart::read(value).filter(DatePart::is_of_the_calendar);
            part.is_some_and(|part| !part.columns.is_disjoint(&self.outputs.bounded))
                && (range.is_none() || is_named_in_a_label(text, range))
        };
        let is_month =
            || self.is_bounded(value) && range.is_some_and(|range| has_a_month(text, range));
        let is_mention = is_year || is_part() || is_month();
        is_mention.then(|| Mention {
            location,
            what: format!("LIKE '{text}'"),
            instead: "`to_char(:start_date, 'YYYY-MM')`".to_owned(),
        })
    }

    fn of_comparison(&self, left: &Node, operator: &str, right: &Node) -> Option<Mention> {
        if let (Some(NodeEnum::RowExpr(row)), others) = (&left.node, values(right)) {
            let rows = others.into_iter().filter_map(|other| match &other.node {
                Some(NodeEnum::RowExpr(other)) => Some(other),
                _ => None,
            });
            let mut pairs = rows.flat_map(|other| row.args.iter().zip(&other.args));
            return pairs.find_map(|(left, right)| self.of_comparison(left, operator, right));
        }
        let mirrored = match operator {
            "<" => ">",
            "<=" => ">=",
            ">" => "<",
            ">=" => "<=",
            same => same,
        };
        let sides = [(left, operator, right), (right, mirrored, left)];
        sides.into_iter().find_map(|(value, operator, other)| {
            let others: Vec<_> = values(other)
                .into_iter()
                .flat_map(|other| iter::once(other).chain(self.constants(other)))
                .collect();
            let mut own = values(value).into_iter();
            own.find_map(|value| self.of_parts(value, operator, &others)).or_else(|| {
                others.into_iter().find_map(|other| self.of_day(value, operator, other))
            })
        })
    }

    /// Reads a part of a date that is compared with literals.
    fn of_parts(&self, value: &Node, operator: &str, others: &[&Node]) -> Option<Mention> {
        // `extract(month FROM d) - 6 = 0`
        if let (Some((left, "-", right)), [zero]) = (binary(unwrapped(value)), others)
            && is_nothing(zero)
            && !is_nothing(right)
        {
            return self.of_parts(left, operator, &[right]);
        }
        let named = match &unwrapped(value).node {
            Some(NodeEnum::ColumnRef(column)) => column.fields.last().and_then(sval),
            _ => None,
        };
        let unit = DatePart::counted(value);
        let unit = unit.or_else(|| self.outputs.counts.get(named?).copied());
        if let Some(mention) = unit.and_then(|unit| self.of_count(unit, others)) {
            return Some(mention);
        }
        let parts = [
            DatePart::read(value),
            named.and_then(|name| self.outputs.parts.get(name).cloned()),
            named.and_then(DatePart::called),
        ];
        let is_of_period = |part: &DatePart| {
            self.period.range().is_some()
                || part.columns.is_empty()
                || !part.columns.is_disjoint(&self.outputs.bounded)
        };
        parts.into_iter().flatten().filter(is_of_period).find_map(|part| {
            let literal = part.met(operator, others, self.period.range())?;
            let location = first_location(literal);
            Some(Mention { location, what: part.what(literal), instead: part.instead() })
        })
    }

    /// Reads a day inside the range, or another one counted from today, with which what the period bounds is
    /// compared: it would split another window elsewhere.
    fn of_day(&self, value: &Node, operator: &str, other: &Node) -> Option<Mention> {
        let text = string_constant(unwrapped(other)).map(|(text, _)| text);
        let what = match (self.period, text) {
            (NamedPeriod::Range(first, last), Some(text)) if looks_like_a_date(text) => {
                let day = text.get(..10).and_then(|day| parse_date(day).ok());
                day.filter(|day| operator != "<>" && (first..=last).contains(day))?;
                format!("the day '{text}'")
            }
            (period, Some(text))
                if !looks_like_a_date(text) && begins_with_a_year(text, period.range()) =>
            {
                format!("the month '{text}'")
            }
            (NamedPeriod::Range(..), Some(text)) if is_piece(value) && is_digits(text) => {
                format!("a piece of the date's text, '{text}'")
            }
            (NamedPeriod::DaysBack(_), None) => {
                let other_days = |amount: TimeAmount| {
                    amount.months > 0.5 || amount.days.fract() > 1e-6 && amount.days > 1.0
                };
                if self.present.days_back(other).is_some_and(other_days) {
                    "another period back from today".to_owned()
                } else if self.present.is_part_of_today(other) {
                    "a part of the present date".to_owned()
                } else {
                    return None;
                }
            }
            _ => return None,
        };
        self.is_bounded(value).then(|| Mention {
            location: first_location(other),
            what,
            instead: "a condition by :start_date or :end_date in its place".to_owned(),
        })
    }

    /// Returns the constants that a column gives by its name.
    pub(super) fn constants(&self, node: &Node) -> &[Node] {
        let name = match &unwrapped(node).node {
            Some(NodeEnum::ColumnRef(column)) => column.fields.last().and_then(sval),
            _ => None,
        };
        name.and_then(|name| self.outputs.constants.get(name)).map_or(&[], Vec::as_slice)
    }

    /// Whether an expression is made from what the period bounds.
    fn is_bounded(&self, value: &Node) -> bool {
        !columns_of(value).is_disjoint(&self.outputs.bounded)
    }
}

/// Whether a function looks for its second argument in the first.
fn is_search(call: &FuncCall) -> bool {
    let names = ["starts_with", "strpos", "position", "regexp_like"];
    builtin_name(&call.funcname).is_some_and(|name| names.contains(&name))
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
    fn what_names_a_period_twice_stays_and_is_named_in_a_note() {
        let text = include_str!("../../tests/second_mentions/kept.txt");
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let lines: Vec<_> = lines.collect();
        assert!(lines.len() > 200 && lines.len().is_multiple_of(2));
        for pair in lines.chunks(2) {
            let (template, what) = (template(pair[0]), pair[1].strip_prefix("  by ").unwrap());
            assert!(!has_slots(&template), "{}", pair[0]);
            let is_said = |message: &str| {
                message.contains(&format!("names its period a second time, by {what} on line 1"))
                    && message.contains("; write ")
            };
            let notes = &template.notes;
            assert!(notes.iter().any(|note| is_said(&note.message)), "{}: {notes:?}", pair[0]);
        }
    }

    #[test]
    fn what_names_its_period_once_moves() {
        let text = include_str!("../../tests/second_mentions/moved.txt");
        for sql in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let template = template(sql);
            assert!(has_slots(&template), "{sql}: {:?}", template.notes);
        }
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

//! Finds where a query names its period a second time by its length: a number, an interval, a divisor or a
//! series of as many days, weeks or months.

use chrono::Days;
use pg_query::{
    Node, NodeEnum,
    protobuf::{AExprKind, FuncCall},
};

use super::{
    date_parts::unwrapped,
    date_words::{is_day_number, is_second_of_a_day},
    literals::{Around, DayLiteral},
    mentions::{Finder, Mention},
    period::{LengthUnit, NamedPeriod, TimeAmount, folded, is, number},
    tree::{binary, builtin_name, cast_parts, plain_call, string_constant},
    walk::first_location,
};

impl Finder<'_> {
    pub(super) fn number_of_days(&self, location: i32, what: String) -> Mention {
        let instead = match self.period {
            NamedPeriod::Range(..) => "`:end_date - :start_date + 1` for its number of days",
            NamedPeriod::DaysBack(_) => {
                "`:day_range` for the number (or a window of :start_date and :end_date, which has \
                 `:end_date - :start_date + 1` days)"
            }
        };
        Mention { location, what, instead: instead.to_owned() }
    }

    /// Reads a number of as many days as the period has, or that is its month: `202506`.
    pub(super) fn of_number(&self, node: &Node) -> Option<Mention> {
        let of_text = || {
            let (text, location) = string_constant(cast_parts(node)?.0)?;
            folded(node).map(|value| (value, location)).filter(|_| !text.is_empty())
        };
        let read = number(node).or_else(of_text);
        let (value, location) = read.filter(|(_, at)| !self.aside.contains(at))?;
        let days = f64::from(self.period.days());
        if days > 1.5 && (is(value.abs(), days) || is(value.abs(), days * 86_400.0)) {
            return Some(self.number_of_days(location, format!("the number {value}")));
        }
        let range = self
            .period
            .range()
            .filter(|range| is_day_number(value, *range) || is_second_of_a_day(value, *range));
        range.map(|_| Mention {
            location,
            what: format!("the number {value}"),
            instead: "`to_char(:start_date, 'YYYYMM')::int` or `'YYYYMMDD'`".to_owned(),
        })
    }

    /// Reads the days from the first of the period to its last: `DATE '2025-06-30' - DATE '2025-06-01'`.
    pub(super) fn of_days_between(&self, node: &Node) -> Option<Mention> {
        let (first, last) = self.period.range()?;
        let (end, "-", start) = binary(node)? else {
            return None;
        };
        let (start, end) = (DayLiteral::read(start)?, DayLiteral::read(end)?);
        let is_end = end.date == last || last.checked_add_days(Days::new(1)) == Some(end.date);
        (start.date == first && is_end).then(|| {
            let what = format!("the days from '{}' to '{}'", start.text, end.text);
            self.number_of_days(first_location(node), what)
        })
    }

    /// Reads an interval as long as the period.
    pub(super) fn of_amount(&self, node: &Node) -> Option<Mention> {
        let (amount, what) = match (string_constant(node), cast_parts(node)) {
            (Some((text, _)), _) => (TimeAmount::in_text(text)?, format!("'{text}'")),
            (None, Some((arg, ..))) => {
                let amount = TimeAmount::read(node)?;
                let text = string_constant(arg).map(|(text, _)| format!("interval '{text}'"));
                (amount, text.unwrap_or_else(|| "an interval".to_owned()))
            }
            (None, None) => (TimeAmount::read(node)?, "an interval".to_owned()),
        };
        let is_as_long = self.period.is_as_long_as(amount);
        is_as_long.then(|| self.number_of_days(first_location(node), what))
    }

    /// Reads a divisor that is the number of days, hours, weeks or months of the period, or nearly so; and a
    /// factor that makes a year of it.
    pub(super) fn of_divisor(&self, node: &Node) -> Option<Mention> {
        let by = match (binary(node), plain_call(node)) {
            (Some((_, "/" | "%", right)), _) => right,
            (Some((left, "*", right)), _) => return self.of_factor(left, right),
            (None, Some(("div" | "mod", call))) => call.args.get(1)?,
            _ => return None,
        };
        let is_field = |call: &FuncCall| {
            let name = builtin_name(&call.funcname);
            name.is_some_and(|name| ["extract", "date_part"].contains(&name))
                && call.args.iter().any(|arg| self.present.is_present(arg))
        };
        if matches!(self.period, NamedPeriod::DaysBack(_))
            && plain_call(unwrapped(by)).is_some_and(|(_, call)| is_field(call))
        {
            let what = "a part of the present date".to_owned();
            return Some(self.number_of_days(first_location(by), what));
        }
        self.divisors(by).into_iter().find_map(|(value, location)| {
            let instead = self.period.instead_of_divisor(value)?;
            (!self.aside.contains(&location)).then_some(())?;
            Some(Mention { location, what: format!("the divisor {value}"), instead })
        })
    }

    /// Returns the numbers that a divisor can be, and their locations.
    fn divisors(&self, node: &Node) -> Vec<(f64, i32)> {
        let of_text = || string_constant(node)?.0.trim().parse().ok();
        if let Some(value) = folded(node).or_else(of_text) {
            return vec![(value, first_location(node))];
        }
        if let Some(Around::Subquery(value)) = Around::of(node) {
            return self.divisors(value);
        }
        let all = |args: &[Node]| args.iter().flat_map(|arg| self.divisors(arg)).collect();
        match (&node.node, cast_parts(node)) {
            (_, Some((arg, ..))) => self.divisors(arg),
            (Some(NodeEnum::AExpr(expr)), _) if expr.kind() == AExprKind::AexprNullif => {
                expr.lexpr.as_deref().map(|value| self.divisors(value)).unwrap_or_default()
            }
            (Some(NodeEnum::CoalesceExpr(expr)), _) => all(&expr.args),
            (Some(NodeEnum::MinMaxExpr(expr)), _) => all(&expr.args),
            (Some(NodeEnum::ColumnRef(column)), _) => {
                let values = self.constants(node).iter().filter_map(folded);
                values.map(|value| (value, column.location)).collect()
            }
            _ => Vec::new(),
        }
    }

    fn of_factor(&self, left: &Node, right: &Node) -> Option<Mention> {
        let mut factors = [left, right].into_iter().filter_map(number);
        let (value, location) = factors.find(|(value, _)| self.period.makes_a_year(*value))?;
        let is_interval = [left, right].into_iter().any(|side| TimeAmount::read(side).is_some());
        (!is_interval).then(|| Mention {
            location,
            what: format!("the factor {value}, which makes a year of it"),
            instead: "`365.25 / (:end_date - :start_date + 1)`".to_owned(),
        })
    }

    /// Reads a series of as many numbers as the period has days, weeks, months, quarters or years; and one of
    /// days inside the period, or back from today.
    pub(super) fn of_series(&self, call: &FuncCall) -> Option<Mention> {
        let [from, to, step @ ..] = call.args.as_slice() else {
            return None;
        };
        if builtin_name(&call.funcname) != Some("generate_series") {
            return None;
        }
        if let (Some(from), Some(last)) = (folded(from), folded(to)) {
            let step = step.first().and_then(folded).filter(|step| *step > 0.5).unwrap_or(1.0);
            let members = ((last - from) / step).floor() + 1.0;
            let is_equal =
                self.period.has_as_many(members) || self.period.has_as_many(members * step);
            let what = format!("the series up to {last}");
            return is_equal.then(|| self.number_of_days(first_location(to), what));
        }
        let bound = [from, to].into_iter().find(|bound| match self.period {
            NamedPeriod::Range(first, last) => {
                DayLiteral::read(bound).is_some_and(|day| (first..=last).contains(&day.date))
            }
            NamedPeriod::DaysBack(_) => self.present.days_back(bound).is_some(),
        })?;
        Some(Mention {
            location: first_location(bound),
            what: "a series of days".to_owned(),
            instead: "`generate_series(:start_date, :end_date, …)`".to_owned(),
        })
    }

    /// Reads `count(DISTINCT date_trunc('month', d)) = 3` where the period has as many.
    pub(super) fn of_count(&self, unit: LengthUnit, others: &[&Node]) -> Option<Mention> {
        let count = f64::from(self.period.count(unit).filter(|count| *count > 1)?);
        let (value, location) = others.iter().find_map(|other| number(unwrapped(other)))?;
        let is_equal = is(value, count) || is(value, count + 1.0);
        is_equal.then(|| self.number_of_days(location, format!("the number {value}")))
    }
}

//! Finds the upper bounds that lose the last day of a window where what they bound has a time of day.
//!
//! PREPARE tells its type: in the statement that is described, an untyped placeholder stands for the
//! bound. Never changes what runs.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate};
use pg_query::{Node, NodeEnum};

use super::{
    candidates::SlotCandidates,
    error::SqlFault,
    grain::{Grain, Scopes, is_named_like_an_instant},
    grammar::without_locations,
    literals::{Around, DayLiteral, is_nothing},
    notes::{Note, NoteSeverity},
    parameter::{Parameter, ParameterSource, ParameterType},
    placeholders::{LiteralKind, Placeholders},
    quoting::{quoted_name, quoted_text},
    ranges::Side,
    special_dates::SpecialDateLiteral,
    tree::{binary, param_number, sval},
    upper_conditions::{Holder, LiteralRange, Shape, UpperCondition},
    walk::{SqlNode, Visitor, walk},
};

/// An upper bound that is the last day of a window.
#[derive(Debug, Clone)]
pub(super) struct UpperBound {
    location: i32,
    /// The placeholder that PREPARE gives the type of the compared value.
    number: i32,
    /// Whether that placeholder stands for nothing else.
    is_probe: bool,
    /// What the text tells of the compared value.
    grain: Grain,
    /// The compared column, as it is written.
    column: Option<String>,
    form: Form,
    end: End,
    /// Whether the bounds are known well enough to say what to write instead.
    is_offered: bool,
}

/// The form of a condition with an upper bound.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    /// `x < end`
    Before,
    /// `x <= end`
    Through,
    /// `x BETWEEN start AND end`, with the start as it is written.
    Between(String),
    /// `x NOT BETWEEN start AND end`
    Outside(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum End {
    /// `:end_date`
    Placeholder,
    /// `CURRENT_DATE`
    Today,
    /// A day, as the SQL of the day after it; whether its midnight is written out; the number of its slot,
    /// if it may become one.
    Day { next: Option<String>, is_midnight: bool, slot: Option<i32> },
}

/// What is known of the types of compared values.
pub(super) enum Types<'a> {
    /// Those that PREPARE inferred, by placeholder.
    Inferred(&'a dyn Fn(i32) -> Option<ParameterType>),
    /// Nothing but the text: there is no database.
    Assumed,
}

/// Finds the upper bounds, and replaces each by a placeholder for PREPARE.
pub(super) fn find(
    tree: &mut Node,
    placeholders: &mut Placeholders,
    candidates: &SlotCandidates,
    special_dates: &[SpecialDateLiteral],
) -> Result<Vec<UpperBound>, SqlFault> {
    let slots = candidates.ranges.iter().map(|range| (range.end_number, range.end.clone()));
    let starts = candidates.ranges.iter().map(|range| (range.start_number, range.start.clone()));
    let is_today =
        |literal: &&SpecialDateLiteral| literal.text.trim().eq_ignore_ascii_case("today");
    let today = special_dates.iter().filter(is_today);
    let mut finder = Finder {
        placeholders,
        literals: slots.chain(starts).collect(),
        today: today.map(|literal| literal.number).collect(),
        scopes: Scopes::default(),
        selects: 0,
        inside: Vec::new(),
        known: Vec::new(),
        found: Vec::new(),
    };
    walk(tree, &mut finder)?;
    Ok(finder.found)
}

/// Restores the bounds that [`find`] replaced.
pub(super) fn restore(
    tree: &mut Node,
    placeholders: &mut Placeholders,
    bounds: &[UpperBound],
) -> Result<(), SqlFault> {
    let is_probe = |number| bounds.iter().any(|bound| bound.is_probe && bound.number == number);
    placeholders.restore(tree, |number| !is_probe(number))
}

struct Finder<'a> {
    placeholders: &'a mut Placeholders,
    /// The literals that may become slots, by number.
    literals: BTreeMap<i32, DayLiteral>,
    /// The placeholders of `'today'`.
    today: BTreeSet<i32>,
    scopes: Scopes,
    selects: usize,
    /// The SELECTs being visited, by number, outermost first.
    inside: Vec<usize>,
    /// Conditions with a placeholder. The same condition of the same SELECT has the same one:
    /// PostgreSQL would not see otherwise that a GROUP BY repeats it.
    known: Vec<(Option<usize>, Node, i32)>,
    found: Vec<UpperBound>,
}

impl Visitor for Finder<'_> {
    fn enter(&mut self, node: &mut SqlNode<'_>) -> Result<(), SqlFault> {
        self.scopes.enter(node);
        if matches!(node, SqlNode::SelectStmt(_)) {
            self.inside.push(self.selects);
            self.selects += 1;
        }
        Ok(())
    }

    fn leave(&mut self, node: &mut SqlNode<'_>) -> Result<(), SqlFault> {
        self.scopes.leave(node);
        if matches!(node, SqlNode::SelectStmt(_)) {
            self.inside.pop();
        }
        Ok(())
    }

    fn replace(&mut self, node: &mut Node) -> Result<(), SqlFault> {
        if let Some(range) = LiteralRange::read(node) {
            self.found.extend(self.of_literal_range(&range));
            return Ok(());
        }
        let Some(mut condition) = UpperCondition::read(node) else {
            return Ok(());
        };
        if condition.is_symmetric && self.is_reversed(&condition) {
            condition.swap();
        }
        let Some((end, location, is_known)) = self.end(
            condition.bound,
            condition.shape == Shape::Before && condition.holder != Holder::Range,
        ) else {
            return Ok(());
        };
        let start = condition.start.and_then(|start| self.start(start));
        let is_offered =
            is_known && condition.is_sayable && (!condition.is_symmetric || start.is_some());
        let start = start.unwrap_or_else(|| "…".to_owned());
        let form = match condition.shape {
            Shape::Before => Form::Before,
            Shape::Through => Form::Through,
            Shape::Between => Form::Between(start),
            Shape::Outside => Form::Outside(start),
        };
        let grain = match self.scopes.grain(condition.value) {
            // The type of the range tells.
            Grain::Unknown | Grain::AsColumn if condition.holder == Holder::Range => {
                Grain::Instants
            }
            grain => grain,
        };
        let column = column(condition.value);
        let grain = match grain {
            // PREPARE cannot tell: the elements of an array have the types that they are written with.
            Grain::Unknown if condition.holder == Holder::Array => match &column {
                Some(column) if is_called_like_an_instant(column) => Grain::Instants,
                _ => Grain::AsColumn,
            },
            grain => grain,
        };
        let (number, is_probe) = match param_number(condition.bound) {
            _ if condition.holder != Holder::Condition => (-1, false),
            // Already a placeholder without a type.
            Some(number) => (number, false),
            None => {
                let side = condition.side;
                (self.probe(node, side)?, true)
            }
        };
        self.found.push(UpperBound {
            location,
            number,
            is_probe,
            grain,
            column,
            form,
            end,
            is_offered,
        });
        Ok(())
    }
}

impl Finder<'_> {
    /// Reads the last day that a bound is, its location, and whether the day after it can be written.
    fn end(&self, bound: &Node, is_open: bool) -> Option<(End, i32, bool)> {
        if let Some((location, is_plain)) = self.placeholder(bound, &ParameterSource::EndDate) {
            return Some((End::Placeholder, location, is_plain));
        }
        if let Some((location, is_plain)) = self.placeholder(bound, &ParameterSource::Today) {
            return (!is_open).then_some((End::Today, location, is_plain));
        }
        if let Some(NodeEnum::ParamRef(param)) = &bound.node
            && self.today.contains(&param.number)
        {
            return (!is_open).then_some((End::Today, param.location, true));
        }
        // A literal that a value lies before is no last day.
        let (day, slot) =
            self.literal(bound).filter(|(day, _)| !is_open && !day.is_last_instant())?;
        let is_midnight = day.text.len() > "2025-06-01".len();
        let next = day.date.checked_add_days(Days::new(1)).and_then(|next| written(&day, next));
        let is_known = next.is_some();
        Some((End::Day { next, is_midnight, slot }, day.location, is_known))
    }

    fn of_literal_range(&self, range: &LiteralRange<'_>) -> Option<UpperBound> {
        let next = range.last.checked_add_days(Days::new(1))?;
        let grain = match self.scopes.grain(range.value) {
            Grain::Unknown | Grain::AsColumn => Grain::Instants,
            grain => grain,
        };
        Some(UpperBound {
            location: range.location,
            number: -1,
            is_probe: false,
            grain,
            column: column(range.value),
            form: match &range.start {
                Some(start) => Form::Between(format!("'{start}'")),
                None => Form::Through,
            },
            end: End::Day { next: Some(format!("'{next}'")), is_midnight: false, slot: None },
            is_offered: range.is_from_start,
        })
    }

    /// Whether the first bound of a BETWEEN SYMMETRIC is the later one.
    fn is_reversed(&self, condition: &UpperCondition<'_>) -> bool {
        let Some(start) = condition.start else {
            return false;
        };
        let days = (self.literal(start), self.literal(condition.bound));
        self.placeholder(start, &ParameterSource::EndDate).is_some()
            || matches!(days, (Some((start, _)), Some((end, _))) if start.date > end.date)
    }

    /// Returns the start of a range as its author may have written it.
    fn start(&self, start: &Node) -> Option<String> {
        if let Some((_, is_plain)) = self.placeholder(start, &ParameterSource::StartDate) {
            return is_plain.then(|| ":start_date".to_owned());
        }
        let (day, _) = self.literal(start)?;
        if day.is_last_instant() { None } else { written(&day, day.date) }
    }

    /// Returns the location of a placeholder, if `bound` is its midnight or falls back to another value, and
    /// whether it is the midnight of the session's zone.
    fn placeholder(&self, bound: &Node, source: &ParameterSource) -> Option<(i32, bool)> {
        let (mut value, mut is_plain, mut is_day) = (bound, true, false);
        loop {
            if let Some(around) = Around::of(value) {
                is_plain &= !matches!(around, Around::Zone { .. });
                is_day |= matches!(
                    around,
                    Around::Truncated(_) | Around::Cast { ty: ParameterType::Date, .. }
                );
                value = around.inner();
            } else if let Some((left, "+" | "-", amount)) = binary(value)
                && is_nothing(amount)
            {
                value = left;
            } else {
                break;
            }
        }
        let any = |args: &[Node], is_first: bool| {
            let mut found = args.iter().enumerate();
            let found = found.find_map(|(at, arg)| Some((at, self.placeholder(arg, source)?)));
            // A placeholder is never null.
            found.map(|(at, (location, is_own))| {
                (location, is_own && is_plain && is_first && at == 0)
            })
        };
        match &value.node {
            Some(NodeEnum::ParamRef(param)) => {
                let found = self.placeholders.fixed_parameter(param.number)?.source;
                let is_today =
                    is_day && *source == ParameterSource::Today && found == ParameterSource::Now;
                (found == *source || is_today).then_some((param.location, is_plain))
            }
            Some(NodeEnum::CoalesceExpr(expr)) => any(&expr.args, true),
            Some(NodeEnum::MinMaxExpr(expr)) => any(&expr.args, false),
            _ => None,
        }
    }

    /// Reads a day, and the number of its slot if it may become one.
    fn literal(&self, bound: &Node) -> Option<(DayLiteral, Option<i32>)> {
        if let Some(number) = param_number(DayLiteral::innermost(bound)) {
            return self.literals.get(&number).map(|literal| (literal.clone(), Some(number)));
        }
        DayLiteral::read(bound).map(|literal| (literal, None))
    }

    fn probe(&mut self, node: &mut Node, side: Side) -> Result<i32, SqlFault> {
        let select = self.inside.last().copied();
        let condition = without_locations(node)?;
        let known = self.known.iter().find(|(of, other, _)| *of == select && *other == condition);
        let known = known.map(|(_, _, number)| *number);
        let Some(bound) = UpperCondition::bound_mut(node, side) else {
            return Ok(-1);
        };
        if let Some(number) = known {
            *bound = super::tree::param(number, -1);
            return Ok(number);
        }
        let parameter = Parameter { source: ParameterSource::EndDate, ty: ParameterType::Date };
        let number = self.placeholders.literal(bound, -1, LiteralKind::Value(parameter));
        self.known.push((select, condition, number));
        Ok(number)
    }
}

/// Writes a day in the place of a literal, in its time zone; `None` if that is not known.
fn written(literal: &DayLiteral, day: NaiveDate) -> Option<String> {
    let instant = literal.instant.as_ref().filter(|instant| !instant.zone.is_empty());
    let time = instant.map_or("", |instant| instant.time.as_str());
    let Some(zone) = &literal.at_zone else {
        return Some(format!("'{day}{time}'"));
    };
    let ty = match literal.cast? {
        ParameterType::Date => "date",
        ParameterType::TimestampTz => "timestamptz",
        ParameterType::Timestamp => "timestamp",
        ParameterType::Text | ParameterType::Int => return None,
    };
    (!zone.is_empty()).then(|| format!("{ty} '{day}{time}' AT TIME ZONE {}", quoted_text(zone)))
}

/// Writes a column as its author would.
fn column(value: &Node) -> Option<String> {
    let Some(NodeEnum::ColumnRef(column)) = &value.node else {
        return None;
    };
    let names = column.fields.iter().map(sval).collect::<Option<Vec<_>>>()?;
    let written = |name: &str| {
        let is_plain = |c: char| c.is_alphanumeric() && !c.is_uppercase() || c == '_';
        if name.chars().all(is_plain) { name.to_owned() } else { quoted_name(name) }
    };
    Some(names.into_iter().map(written).collect::<Vec<_>>().join("."))
}

impl UpperBound {
    fn slot(&self) -> Option<i32> {
        match self.end {
            End::Day { slot, .. } => slot,
            End::Placeholder | End::Today => None,
        }
    }

    /// Returns what to tell the author, once the types are known; `kept` are the literals that became slots.
    pub(super) fn note(&self, types: &Types<'_>, kept: impl Fn(i32) -> bool) -> Option<Note> {
        let (severity, message) = match &self.end {
            End::Placeholder => self.of_placeholder(self.known_grain(types)?)?,
            End::Today => match self.known_grain(types)? {
                Grain::Instants | Grain::Records => {
                    (NoteSeverity::Warning, self.until_midnight("CURRENT_DATE + 1"))
                }
                Grain::Days | Grain::AsColumn | Grain::Unknown => return None,
            },
            End::Day { next, is_midnight, .. } => {
                let severity = match self.known_grain(types)? {
                    Grain::Instants | Grain::Records if *is_midnight => NoteSeverity::Info,
                    Grain::Instants | Grain::Records => NoteSeverity::Warning,
                    Grain::Days | Grain::AsColumn | Grain::Unknown => return None,
                };
                (severity, self.until_midnight(next.as_deref().unwrap_or_default()))
            }
        };
        let is_slot = self.end == End::Placeholder || self.slot().is_some_and(kept);
        let of_records = self.grain == Grain::Records && matches!(self.end, End::Day { .. });
        Some(Note { location: self.location, is_slot, severity, of_records, message })
    }

    fn of_placeholder(&self, grain: Grain) -> Option<(NoteSeverity, String)> {
        let name = self.column.as_deref().unwrap_or("…");
        let is_before = self.form == Form::Before;
        let instead = match grain {
            // A date is compared as a whole.
            Grain::Days if is_before && self.is_offered => format!("write `{name} <= :end_date`"),
            Grain::Days => return None,
            _ => self.advice(":end_date + 1"),
        };
        let severity = match grain {
            Grain::Instants | Grain::Records => NoteSeverity::Warning,
            Grain::Days | Grain::AsColumn | Grain::Unknown => NoteSeverity::Info,
        };
        let message = match grain {
            _ if is_before => format!(
                "end_date is inclusive for callers, and `< :end_date` leaves their last day out; \
                 {instead}"
            ),
            Grain::AsColumn | Grain::Unknown => format!(
                "if `{name}` has a time of day, the last day counts only up to midnight; then {instead} \
                 to count all of it"
            ),
            _ => self.until_midnight(":end_date + 1"),
        };
        Some((severity, message))
    }

    /// Tells that the last day is lost; `next` is the day after it.
    fn until_midnight(&self, next: &str) -> String {
        let instead = self.advice(next);
        format!("the last day counts only up to midnight; {instead} to count all of it")
    }

    /// Tells what to write, with the day after the last one.
    fn advice(&self, next: &str) -> String {
        if self.is_offered {
            format!("write `{}`", self.instead(next))
        } else {
            "compare with the midnight after it".to_owned()
        }
    }

    /// Returns the condition that counts the whole last day, with the day after it.
    fn instead(&self, next: &str) -> String {
        let name = self.column.as_deref().unwrap_or("…");
        match &self.form {
            Form::Before | Form::Through => format!("{name} < {next}"),
            Form::Between(start) => format!("{name} >= {start} AND {name} < {next}"),
            Form::Outside(start) => format!("{name} < {start} OR {name} >= {next}"),
        }
    }

    /// Returns the grain of the compared value, if it is one of dates or instants.
    fn known_grain(&self, types: &Types<'_>) -> Option<Grain> {
        let told = |ty| match ty {
            Some(ParameterType::Timestamp | ParameterType::TimestampTz) => Some(Grain::Instants),
            Some(ParameterType::Date) => Some(Grain::Days),
            Some(ParameterType::Text | ParameterType::Int) | None => None,
        };
        match (self.grain, types) {
            (grain @ (Grain::Days | Grain::Instants | Grain::AsColumn), _) => Some(grain),
            (Grain::Records, Types::Inferred(type_of)) => {
                told(type_of(self.number)).map(|_| Grain::Records)
            }
            (Grain::Unknown, Types::Inferred(type_of)) => told(type_of(self.number)),
            (Grain::Records, Types::Assumed) => Some(Grain::Records),
            (Grain::Unknown, Types::Assumed)
                if self.column.as_deref().is_some_and(is_called_like_an_instant) =>
            {
                Some(Grain::Instants)
            }
            (Grain::Unknown, Types::Assumed) => Some(Grain::Unknown),
        }
    }
}

/// Whether a column, as [`column`] writes it, is called like one with a time of day.
fn is_called_like_an_instant(column: &str) -> bool {
    is_named_like_an_instant(column.trim_matches('"').rsplit('.').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sql::{Draft, Gate, SlotNote, Template};

    /// What PREPARE would say: every value has the type `ty`.
    fn with_type(sql: &str, ty: Option<ParameterType>) -> Template {
        let draft = Draft::parse(sql, &Gate::default()).unwrap();
        let count = (1..99).take_while(|n| draft.sql().contains(&format!("${n}"))).count();
        draft.finish(&vec![ty; count]).unwrap_or_else(|error| panic!("{error}: {sql}"))
    }

    fn assumed(sql: &str) -> Template {
        Draft::parse(sql, &Gate::default()).unwrap().assume().unwrap()
    }

    /// The severity and the SQL to write instead, of each note on a lost day.
    fn lost(template: &Template) -> Vec<(NoteSeverity, String)> {
        let notes = template.notes.iter().filter_map(|note| {
            let (_, instead) = note.message.split_once("write `")?;
            let is_lost = note.message.contains("last day counts only")
                || note.message.contains("leaves their last day out");
            is_lost.then(|| (note.severity, instead.split('`').next().unwrap().to_owned()))
        });
        notes.collect()
    }

    const INSTANTS: [ParameterType; 2] = [ParameterType::Timestamp, ParameterType::TimestampTz];

    #[test]
    fn a_bound_on_instants_is_noted_with_what_to_write() {
        let cases = [
            ("x <= :end_date", "x < :end_date + 1"),
            ("x < :end_date", "x < :end_date + 1"),
            (":end_date >= x", "x < :end_date + 1"),
            (":end_date > t.x", "t.x < :end_date + 1"),
            ("x <= :end_date::timestamp", "x < :end_date + 1"),
            ("x BETWEEN :start_date AND :end_date", "x >= :start_date AND x < :end_date + 1"),
            ("x BETWEEN y AND :end_date", "x >= … AND x < :end_date + 1"),
            ("x NOT BETWEEN :start_date AND :end_date", "x < :start_date OR x >= :end_date + 1"),
            ("x + interval '1 hour' <= :end_date", "… < :end_date + 1"),
            ("date_trunc('hour', x) <= :end_date", "… < :end_date + 1"),
            ("x <= CURRENT_DATE", "x < CURRENT_DATE + 1"),
            ("x BETWEEN CURRENT_DATE - 7 AND CURRENT_DATE", "x >= … AND x < CURRENT_DATE + 1"),
            ("\"Ordered At\" <= :end_date", "\"Ordered At\" < :end_date + 1"),
            ("x BETWEEN '2025-06-01' AND '2025-06-30'", "x >= '2025-06-01' AND x < '2025-07-01'"),
            ("x >= '2025-06-01' AND x <= '2025-06-30'", "x < '2025-07-01'"),
            ("x <= '2025-06-30'", "x < '2025-07-01'"),
            ("a OR x <= DATE '2025-06-30'", "x < '2025-07-01'"),
            (
                "x BETWEEN DATE '2025-06-01' AND '2025-06-30'::date",
                "x >= '2025-06-01' AND x < '2025-07-01'",
            ),
        ];
        assert_noted(&cases);
    }

    #[test]
    fn a_bound_on_instants_is_noted_in_all_its_forms() {
        let cases = [
            ("x <= 'today'", "x < CURRENT_DATE + 1"),
            ("x <= date_trunc('day', now())", "x < CURRENT_DATE + 1"),
            ("x BETWEEN '2025-06-01' AND 'today'", "x >= '2025-06-01' AND x < CURRENT_DATE + 1"),
            ("NOT (x > :end_date)", "x < :end_date + 1"),
            ("NOT (:end_date <= x)", "x < :end_date + 1"),
            ("(x > :end_date) IS FALSE", "x < :end_date + 1"),
            ("(x > :end_date) = false", "x < :end_date + 1"),
            ("NOT x > '2025-06-30'", "x < '2025-07-01'"),
            ("x <= (SELECT :end_date)", "x < :end_date + 1"),
            ("x <= date_trunc('day', :end_date)", "x < :end_date + 1"),
            ("x <= date(:end_date)", "x < :end_date + 1"),
            ("x <= :end_date + interval '0 days'", "x < :end_date + 1"),
            ("x <= :end_date + time '00:00'", "x < :end_date + 1"),
            (
                "tstzrange(:start_date, :end_date, '[]') @> x",
                "x >= :start_date AND x < :end_date + 1",
            ),
            ("x <@ tsrange(:start_date, :end_date)", "x >= :start_date AND x < :end_date + 1"),
            ("x <@ '[2025-06-01,2025-06-30]'::tstzrange", "x >= '2025-06-01' AND x < '2025-07-01'"),
            (
                "x BETWEEN SYMMETRIC '2025-06-30' AND '2025-06-01'",
                "x >= '2025-06-01' AND x < '2025-07-01'",
            ),
            (
                "x NOT BETWEEN SYMMETRIC '2025-06-01' AND '2025-06-30'",
                "x < '2025-06-01' OR x >= '2025-07-01'",
            ),
            (
                "x BETWEEN SYMMETRIC :end_date AND :start_date",
                "x >= :start_date AND x < :end_date + 1",
            ),
            (
                "x BETWEEN ('2025-06-01'::date AT TIME ZONE 'Asia/Tokyo') AND ('2025-06-30'::date AT TIME ZONE \
                 'Asia/Tokyo')",
                "x >= date '2025-06-01' AT TIME ZONE 'Asia/Tokyo' AND x < date '2025-07-01' AT TIME ZONE \
                 'Asia/Tokyo'",
            ),
        ];
        assert_noted(&cases);
    }

    /// Checks that each condition on instants has a warning, with what to write instead.
    fn assert_noted(cases: &[(&str, &str)]) {
        for (condition, instead) in cases {
            let places = [
                format!("SELECT 1 AS a FROM t WHERE {condition}"),
                format!("SELECT count(*) FILTER (WHERE {condition}) AS a FROM t"),
                format!(
                    "SELECT CASE WHEN {condition} THEN 1 END AS a FROM t GROUP BY CASE WHEN {condition} THEN 1 END"
                ),
            ];
            for (sql, ty) in places.iter().flat_map(|sql| INSTANTS.map(|ty| (sql, ty))) {
                let template = with_type(sql, Some(ty));
                let found = lost(&template);
                assert!(!found.is_empty(), "{sql}");
                let expected = (NoteSeverity::Warning, (*instead).to_owned());
                assert!(found.iter().all(|note| *note == expected), "{sql}: {found:?}");
            }
        }
    }

    #[test]
    fn a_bound_on_days_is_not_noted() {
        let day = "SELECT x::date AS day FROM t";
        let wholes = [
            "SELECT 1 AS a FROM t WHERE x::date <= {}",
            "SELECT 1 AS a FROM t WHERE date(x) BETWEEN '2025-06-01' AND {}",
            "SELECT 1 AS a FROM t WHERE date_trunc('week', x) <= {}",
            "SELECT 1 AS a FROM t WHERE (x AT TIME ZONE :timezone)::date <= {}",
            "SELECT 1 AS a FROM t WHERE coalesce(x::date, y::date) <= {}",
            "SELECT 1 AS a FROM t WHERE x::date + 1 <= {}",
            "SELECT 1 AS a FROM generate_series(:start_date, :end_date, '1 day') AS x WHERE x <= {}",
            "SELECT 1 AS a FROM generate_series(:start_date, :end_date, '1 day') AS s (x) WHERE s.x <= {}",
            "SELECT 1 AS a FROM (SELECT day FROM (SELECT x::date AS day FROM t) u) v WHERE day <= {}",
            "SELECT 1 AS a FROM (SELECT * FROM (SELECT x::date AS day FROM t) u) v WHERE v.day <= {}",
            "SELECT 1 AS a FROM (SELECT date(x) FROM t) v WHERE date <= {}",
            "SELECT 1 AS a FROM (SELECT x::date, 1 FROM t) v (day, n) WHERE day <= {}",
            "WITH w AS (SELECT x::date AS day FROM t) SELECT 1 AS a FROM w JOIN u ON w.day <= {}",
            "WITH w (day) AS (SELECT x::date FROM t) SELECT 1 AS a FROM w WHERE day <= {}",
            "WITH w AS (SELECT x::date AS day FROM t UNION SELECT date(y) FROM u) SELECT 1 AS a FROM w WHERE day <= {}",
            "SELECT 1 AS a FROM t WHERE date_bin('1 day', x, '2001-01-01') <= {}",
            "SELECT 1 AS a FROM t WHERE date_bin('2 weeks', x, timestamp '2001-01-01') <= {}",
            "SELECT 1 AS a FROM t WHERE NOT x::date > {}",
            "SELECT max(date(x)) AS a FROM t HAVING max(date(x)) <= {}",
            "WITH RECURSIVE w AS (SELECT :start_date::date AS day UNION ALL SELECT day + 1 FROM w WHERE day <= {}) SELECT 1 AS a FROM w",
        ];
        for sql in wholes
            .iter()
            .flat_map(|sql| [":end_date", "'2025-06-30'"].map(|end| sql.replace("{}", end)))
        {
            // What PREPARE infers for midnights that are no dates must not matter.
            assert_eq!(lost(&with_type(&sql, Some(ParameterType::Timestamp))), [], "{sql}");
            assert_eq!(lost(&assumed(&sql)), [], "{sql}");
        }
        assert!(
            !lost(&with_type(
                &format!("{day} WHERE x <= :end_date"),
                Some(ParameterType::Timestamp)
            ))
            .is_empty()
        );
        for condition in ["x <= :end_date", "x BETWEEN '2025-06-01' AND '2025-06-30'"] {
            let sql = format!("{day} WHERE {condition}");
            for ty in [Some(ParameterType::Date), Some(ParameterType::Text), None] {
                assert_eq!(lost(&with_type(&sql, ty)), [], "{condition}");
            }
        }
        for condition in [
            "x < :end_date + 1",
            "x <= :end_date + interval '1 day'",
            "x < '2025-07-01'",
            "x <= '2025-06-30 23:59:59'",
            "x <= '2025-06-30 24:00'",
            "x BETWEEN '2025-06-30' AND '2025-06-01'",
            "x <@ '[2025-06-01,2025-07-01)'::tstzrange",
            "x <@ tstzrange('2025-06-01', '2025-07-01')",
            "NOT (x <= :start_date)",
            "x > :end_date",
            "(x, id) > (:end_date, 5)",
            "x >= ALL (ARRAY[:end_date])",
            "x < CURRENT_DATE",
            "x <= now()",
        ] {
            let sql = format!("{day} WHERE {condition}");
            assert_eq!(lost(&with_type(&sql, Some(ParameterType::Timestamp))), [], "{condition}");
        }
    }

    #[test]
    fn a_date_that_is_made_a_timestamp_is_no_warning() {
        for (from, value) in [
            ("t", "placed_on::timestamp"),
            ("t", "placed_on::timestamptz"),
            ("t", "placed_on + interval '7 days'"),
            ("(SELECT placed_on::timestamp AS p FROM t) s", "p"),
            ("(SELECT placed_on + interval '1 week' AS p FROM t) s", "s.p"),
            ("(SELECT placed_on AS p FROM t) s", "p::timestamp(0)"),
        ] {
            for condition in ["<= :end_date", "BETWEEN :start_date AND :end_date"] {
                let sql = format!("SELECT 1 AS a FROM {from} WHERE {value} {condition}");
                for ty in INSTANTS {
                    let found = lost(&with_type(&sql, Some(ty)));
                    assert!(
                        found.iter().all(|note| note.0 == NoteSeverity::Info),
                        "{sql}: {found:?}"
                    );
                }
            }
            let sql = format!("SELECT 1 AS a FROM {from} WHERE {value} <= '2025-06-30'");
            assert_eq!(lost(&with_type(&sql, Some(ParameterType::Timestamp))), [], "{sql}");
        }
    }

    #[test]
    fn no_sql_is_offered_that_means_something_else() {
        for condition in [
            "x <= :end_date::timestamp AT TIME ZONE 'Asia/Tokyo'",
            "x <= '2025-06-30'::timestamp AT TIME ZONE y",
            "x <= least(:end_date, y::date)",
            "(x > :end_date) IS NOT TRUE",
            "x BETWEEN SYMMETRIC y AND :end_date",
            "x <@ tstzrange(:start_date, :end_date, '(]')",
            "x <@ '(2025-06-01,2025-06-30]'::tstzrange",
            "(x, id) <= (:end_date, 5)",
            "(x, id) < ('2025-06-30', 5)",
            "NOT (x, id) > (:end_date, 5)",
            "created_at <= ALL (ARRAY[:end_date])",
            "t.created_at < ANY (ARRAY[:end_date])",
        ] {
            let sql = format!("SELECT 1 AS a FROM t WHERE {condition}");
            let template = with_type(&sql, Some(ParameterType::TimestampTz));
            let is_said = |note: &SlotNote| {
                note.severity == NoteSeverity::Warning
                    && note.message.contains("compare with the midnight after it")
            };
            assert!(template.notes.iter().any(is_said), "{sql}: {:?}", template.notes);
            assert_eq!(lost(&template), [], "{sql}");
        }
    }

    proptest! {
        #[test]
        fn the_offered_sql_has_the_given_ends_plus_a_day(
            start in 0_u64..20_000,
            length in 1_u64..400,
            form in 0_usize..4,
            zone in proptest::sample::select(vec!["", "T00:00:00Z", " 00:00:00+09:00", "T00:00:00.000-03"]),
        ) {
            let first = NaiveDate::from_ymd_opt(1990, 1, 1).unwrap() + Days::new(start);
            let last = first + Days::new(length);
            let [from, to, next] = [first, last, last + Days::new(1)].map(|day| format!("'{day}{zone}'"));
            let (condition, expected) = match form {
                0 => (format!("x BETWEEN {from} AND {to}"), format!("x >= {from} AND x < {next}")),
                1 => (format!("x BETWEEN SYMMETRIC {to} AND {from}"), format!("x >= {from} AND x < {next}")),
                2 => (format!("x NOT BETWEEN {from} AND {to}"), format!("x < {from} OR x >= {next}")),
                _ => (format!("NOT x > {to}"), format!("x < {next}")),
            };
            let tz = Some(ParameterType::TimestampTz);
            let found = lost(&with_type(&format!("SELECT 1 AS a FROM t WHERE {condition}"), tz));
            prop_assert_eq!(found.len(), 1);
            prop_assert_eq!(&found[0].1, &expected);
            let again = with_type(&format!("SELECT 1 AS a FROM t WHERE {expected}"), tz);
            prop_assert_eq!(lost(&again), []);
        }
    }

    #[test]
    fn before_the_last_day_of_a_date_is_for_information() {
        let template =
            with_type("SELECT 1 AS a FROM t WHERE x < :end_date", Some(ParameterType::Date));
        assert_eq!(lost(&template), [(NoteSeverity::Info, "x <= :end_date".to_owned())]);
    }

    #[test]
    fn a_midnight_that_is_written_out_is_for_information() {
        let sql =
            "SELECT 1 AS a FROM t WHERE x BETWEEN '2025-06-01 00:00:00' AND '2025-06-30 00:00:00'";
        let found = lost(&with_type(sql, Some(ParameterType::Timestamp)));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0, NoteSeverity::Info);
    }

    #[test]
    fn without_a_database_the_text_and_the_names_tell() {
        use NoteSeverity::{Info, Warning};
        let cases = [
            ("FROM metrics WHERE date <= :end_date", Some(Warning)),
            ("FROM public.metrics m WHERE m.date < :end_date", Some(Warning)),
            ("FROM metrics WHERE date BETWEEN '2025-06-02' AND '2025-06-25'", Some(Warning)),
            ("FROM (SELECT date FROM metrics) m WHERE date <= :end_date", Some(Warning)),
            ("FROM t WHERE ordered_at::timestamp <= :end_date", Some(Warning)),
            ("FROM t WHERE placed_on::timestamp <= :end_date", Some(Info)),
            ("FROM t WHERE placed_on + interval '7 days' <= :end_date", Some(Info)),
            ("FROM t WHERE placed_on + interval '7 hours' <= :end_date", Some(Warning)),
            ("FROM t WHERE x AT TIME ZONE 'UTC' <= :end_date", Some(Warning)),
            ("FROM t WHERE ts BETWEEN '2025-06-02' AND '2025-06-25'", Some(Warning)),
            ("FROM t WHERE t.ordered_at <= :end_date", Some(Warning)),
            ("FROM t WHERE \"orderedAt\" <= :end_date", Some(Info)),
            ("FROM t WHERE x <= :end_date", Some(Info)),
            ("FROM t WHERE x < :end_date", Some(Info)),
            ("FROM t WHERE x <= '2025-06-30'", None),
            ("FROM metrics WHERE id <= '2025-06-30'", None),
            ("FROM t WHERE ordered_at::date <= :end_date", None),
        ];
        for (rest, severity) in cases {
            let found = lost(&assumed(&format!("SELECT 1 AS a {rest}")));
            assert_eq!(found.first().map(|(severity, _)| *severity), severity, "{rest}");
        }
    }

    #[test]
    fn literal_days_beside_the_date_of_records_are_told_apart() {
        let of_records = |condition: &str| {
            let template = assumed(&format!("SELECT 1 AS a FROM metrics, t WHERE {condition}"));
            template.notes.iter().any(|note| note.of_records)
        };
        assert!(of_records("metrics.date BETWEEN '2025-06-02' AND '2025-06-25'"));
        assert!(!of_records("metrics.date <= :end_date"));
        assert!(!of_records("t.ts BETWEEN '2025-06-02' AND '2025-06-25'"));
    }

    #[test]
    fn the_described_statement_asks_for_the_types_of_what_is_bounded() {
        let sql = "SELECT x <= :end_date AS a FROM t WHERE y <= :end_date AND z BETWEEN '2025-06-01'::date \
                   AND '2025-06-30'::date GROUP BY x <= :end_date";
        let draft = Draft::parse(sql, &Gate::default()).unwrap();
        assert_eq!(
            draft.sql(),
            "SELECT x <= $1 AS a FROM t WHERE y <= $2 AND z BETWEEN '2025-06-01'::date AND $3 GROUP BY x <= $1"
        );
        let types = [ParameterType::Date, ParameterType::Timestamp, ParameterType::Date];
        let template = draft.finish(&types.map(Some)).unwrap();
        assert_eq!(
            template.sql,
            "SELECT x <= $1::date AS a FROM t WHERE y <= $1::date AND z BETWEEN '2025-06-01'::date AND \
             '2025-06-30'::date GROUP BY x <= $1::date"
        );
        assert_eq!(lost(&template), [(NoteSeverity::Warning, "y < :end_date + 1".to_owned())]);
    }
}

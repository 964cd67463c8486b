//! Finds the literals that mean the same as a placeholder.
//!
//! Only where replacing them cannot change the meaning of the query: AND-ed conditions of a WHERE or ON, one
//! range, one number of days in all, and neither of them repeated where it could not move along. In
//! doubt a literal stays, with a note saying why.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate};
use pg_query::Node;

use super::{
    date_parts::columns_of,
    error::{Offset, SqlFault, line_and_column},
    literals::{DayLiteral, DaysBack, subtracted, subtracted_mut},
    mentions,
    notes::{self, Note},
    parameter::{Parameter, ParameterSource, ParameterType},
    period::NamedPeriod,
    placeholders::{LiteralKind, Placeholders},
    ranges::{between, conditions, conditions_mut, inclusive, is_and, lower_bound, operand, pair},
    scan::{NamedPlaceholder, PlaceholderSource},
    tree::binary,
    walk::{SqlNode, Visitor, first_location, walk},
};
use crate::window::ParamName;

/// The literals that may become slots.
#[derive(Debug, Clone, Default)]
pub(super) struct SlotCandidates {
    pub(super) ranges: Vec<Range>,
    pub(super) days: Vec<DaysSlot>,
}

/// Two literals that enclose a range of days.
#[derive(Debug, Clone)]
pub(super) struct Range {
    pub(super) start: DayLiteral,
    pub(super) end: DayLiteral,
    /// Whether the range ends before `end`.
    pub(super) is_half_open: bool,
    /// Whether the condition is `x < end`, whatever `end` is.
    pub(super) ends_before: bool,
    pub(super) start_number: i32,
    pub(super) end_number: i32,
}

/// A number of days back from today.
#[derive(Debug, Clone, Copy)]
pub(super) struct DaysSlot {
    pub(super) days: u32,
    pub(super) number: i32,
    pub(super) location: i32,
}

impl Range {
    /// Returns the first and last day.
    pub(super) fn days(&self) -> (NaiveDate, NaiveDate) {
        inclusive(&self.start, &self.end, self.is_half_open)
    }
}

/// Replaces the literals that may become slots by placeholders, and notes those that may not. `text` is
/// the author's.
pub(super) fn find(
    tree: &mut Node,
    placeholders: &mut Placeholders,
    named: &[NamedPlaceholder],
    text: &str,
) -> Result<(SlotCandidates, Vec<Note>), SqlFault> {
    let has = |params: &[ParamName]| {
        let is_one = |p: &NamedPlaceholder| matches!(p.source, PlaceholderSource::Window(w) if params.contains(&w));
        named.iter().any(is_one)
    };
    let mut survey = Survey {
        placeholders,
        ranges: BTreeSet::new(),
        days: BTreeSet::new(),
        range_columns: BTreeSet::new(),
        days_columns: BTreeSet::new(),
        movable: BTreeSet::new(),
        day_literals: BTreeMap::new(),
        amounts: BTreeMap::new(),
    };
    walk(tree, &mut survey)?;
    let mut range_obstacle =
        survey.range_obstacle(has(&[ParamName::StartDate, ParamName::EndDate]));
    let mut days_obstacle = survey.days_obstacle(has(&[ParamName::DayRange]));
    let (range, days) = (survey.ranges.first().copied(), survey.days.first().copied());
    let (range_elsewhere, days_elsewhere) =
        (survey.range_stays_elsewhere(), survey.days_stay_elsewhere());
    let Survey { range_columns, days_columns, .. } = survey;
    if let Some((first, last)) = range.filter(|_| range_obstacle.is_none()) {
        let period = NamedPeriod::Range(first, last);
        // It says where, and what to write.
        range_obstacle =
            second_mention(tree, placeholders, period, range_columns, text)?.or(range_elsewhere);
    }
    if let Some(days) = days.filter(|_| days_obstacle.is_none()) {
        let period = NamedPeriod::DaysBack(days);
        days_obstacle =
            second_mention(tree, placeholders, period, days_columns, text)?.or(days_elsewhere);
    }
    let mut finder = CandidateFinder::new(placeholders, range_obstacle, days_obstacle);
    walk(tree, &mut finder)?;
    let CandidateFinder { found, reasons, .. } = finder;
    let notes = notes::on_literals(tree, placeholders, reasons)?;
    Ok((found, notes))
}

/// Returns why a period cannot move, if the query names it apart from the literals that would move.
/// `columns` are the names of what they bound.
fn second_mention(
    tree: &Node,
    placeholders: &Placeholders,
    period: NamedPeriod,
    columns: BTreeSet<String>,
    text: &str,
) -> Result<Option<String>, SqlFault> {
    let (mut rest, mut placeholders) = (tree.clone(), placeholders.clone());
    walk(&mut rest, &mut CandidateFinder::new(&mut placeholders, None, None))?;
    let Some(mention) = mentions::find(&mut rest, &placeholders, period, columns)? else {
        return Ok(None);
    };
    let (line, column) = line_and_column(text, Offset::from(mention.location).0);
    let window = match period {
        NamedPeriod::Range(..) => ":start_date and :end_date for the window",
        NamedPeriod::DaysBack(_) => "`CURRENT_DATE - :day_range` for the window",
    };
    Ok(Some(format!(
        "the query names its period a second time, by {} on line {line}, column {column}; write {window} \
         and {}",
        mention.what, mention.instead
    )))
}

/// Collects the ranges and numbers of days of a template, wherever they occur: a FILTER for another
/// period than the WHERE's would lose its rows if the WHERE moved, and so would one for the same.
struct Survey<'a> {
    placeholders: &'a Placeholders,
    ranges: BTreeSet<(NaiveDate, NaiveDate)>,
    days: BTreeSet<u32>,
    /// The names of the columns that ranges and numbers of days bound, where they may become slots.
    range_columns: BTreeSet<String>,
    days_columns: BTreeSet<String>,
    /// The locations of what may become slots.
    movable: BTreeSet<i32>,
    /// All whole days, by location.
    day_literals: BTreeMap<i32, NaiveDate>,
    /// All numbers of days that are subtracted from the present, by location.
    amounts: BTreeMap<i32, u32>,
}

impl Visitor for Survey<'_> {
    fn enter(&mut self, node: &mut SqlNode<'_>) -> Result<(), SqlFault> {
        match node {
            SqlNode::SelectStmt(select) => self.condition(select.where_clause.as_deref()),
            SqlNode::JoinExpr(join) => self.condition(join.quals.as_deref()),
            _ => Ok(()),
        }
    }

    fn replace(&mut self, node: &mut Node) -> Result<(), SqlFault> {
        if is_and(node) || between(node).is_some() {
            let ranges = pair(&conditions(node))?.ranges;
            self.ranges.extend(ranges.iter().map(|r| inclusive(&r.start, &r.end, r.is_half_open)));
        }
        let operands = match (between(node), binary(node)) {
            (Some((_, low, high)), _) => vec![low, high],
            (None, Some((left, "<" | "<=" | ">" | ">=" | "=", right))) => vec![left, right],
            _ => Vec::new(),
        };
        let days = operands.into_iter().filter_map(|operand| days_back(operand, self.placeholders));
        self.days.extend(days.map(|(back, _)| back.days));
        self.day_literals.extend(DayLiteral::read(node).map(|day| (day.location, day.date)));
        let amount = days_back(node, self.placeholders);
        self.amounts.extend(amount.map(|(back, location)| (location, back.days)));
        Ok(())
    }
}

impl Survey<'_> {
    /// Returns why no range may become a slot. `is_named` if placeholders are the query's window.
    fn range_obstacle(&self, is_named: bool) -> Option<String> {
        let reason = if is_named {
            "the query uses :start_date or :end_date for its window"
        } else if self.ranges.len() > 1 {
            "the query contains different ranges of days; use :start_date and :end_date for its window"
        } else {
            return None;
        };
        Some(reason.to_owned())
    }

    /// Returns why no number of days may become a slot.
    fn days_obstacle(&self, is_named: bool) -> Option<String> {
        let reason = if is_named {
            "the query uses :day_range for its number of days"
        } else if self.days.len() > 1 {
            "the query contains different numbers of days; use :day_range * INTERVAL '1 day' for its \
             number of days"
        } else {
            return None;
        };
        Some(reason.to_owned())
    }

    /// Collects what may become slots, as [`CandidateFinder::condition`] makes them.
    fn condition(&mut self, condition: Option<&Node>) -> Result<(), SqlFault> {
        let Some(condition) = condition else {
            return Ok(());
        };
        let conditions = conditions(condition);
        let ranges = pair(&conditions)?.ranges;
        for range in &ranges {
            self.movable.extend([range.start.location, range.end.location]);
            self.range_columns.extend(columns_of(conditions[range.start_at.0]));
        }
        for condition in conditions {
            let bound = lower_bound(condition);
            if let Some((_, location)) =
                bound.and_then(|(_, bound)| days_back(bound, self.placeholders))
            {
                self.movable.insert(location);
                self.days_columns.extend(columns_of(condition));
            }
        }
        Ok(())
    }

    fn range_stays_elsewhere(&self) -> Option<String> {
        let ends = |&(first, last): &(NaiveDate, NaiveDate)| {
            [Some(first), Some(last), last.checked_add_days(Days::new(1))]
        };
        let ends: BTreeSet<_> = self.ranges.iter().flat_map(ends).flatten().collect();
        let mut days = self.day_literals.iter();
        let is_elsewhere =
            days.any(|(location, day)| !self.movable.contains(location) && ends.contains(day));
        let reason = "its range begins or ends with a day that also occurs where it cannot change; use \
                      :start_date and :end_date for the query's window";
        is_elsewhere.then(|| reason.to_owned())
    }

    fn days_stay_elsewhere(&self) -> Option<String> {
        let mut amounts = self.amounts.iter();
        let is_elsewhere = amounts
            .any(|(location, days)| !self.movable.contains(location) && self.days.contains(days));
        let reason = "the same number of days is also subtracted where it cannot change; use :day_range * \
                      INTERVAL '1 day' for the query's number of days";
        is_elsewhere.then(|| reason.to_owned())
    }
}

struct CandidateFinder<'a> {
    placeholders: &'a mut Placeholders,
    range_obstacle: Option<String>,
    days_obstacle: Option<String>,
    found: SlotCandidates,
    /// Why a literal that could be a slot is none, by location.
    reasons: BTreeMap<i32, String>,
}

impl Visitor for CandidateFinder<'_> {
    fn enter(&mut self, node: &mut SqlNode<'_>) -> Result<(), SqlFault> {
        match node {
            SqlNode::SelectStmt(select) => self.condition(select.where_clause.as_deref_mut()),
            SqlNode::JoinExpr(join) => self.condition(join.quals.as_deref_mut()),
            _ => Ok(()),
        }
    }
}

impl<'a> CandidateFinder<'a> {
    fn new(
        placeholders: &'a mut Placeholders,
        range_obstacle: Option<String>,
        days_obstacle: Option<String>,
    ) -> Self {
        let (found, reasons) = (SlotCandidates::default(), BTreeMap::new());
        Self { placeholders, range_obstacle, days_obstacle, found, reasons }
    }

    fn condition(&mut self, condition: Option<&mut Node>) -> Result<(), SqlFault> {
        let Some(condition) = condition else {
            return Ok(());
        };
        let pairs = pair(&conditions(condition))?;
        self.reasons.extend(pairs.reasons);
        let mut conditions = conditions_mut(condition);
        for range in pairs.ranges {
            if let Some(reason) = &self.range_obstacle {
                self.reasons.insert(range.start.location, reason.clone());
                self.reasons.insert(range.end.location, reason.clone());
                continue;
            }
            let end = if range.is_half_open {
                ParameterSource::DayAfterEnd
            } else {
                ParameterSource::EndDate
            };
            let start_number = operand(conditions[range.start_at.0], range.start_at.1)
                .and_then(|node| self.literal(node, &range.start, ParameterSource::StartDate));
            let end_number = operand(conditions[range.end_at.0], range.end_at.1)
                .and_then(|node| self.literal(node, &range.end, end));
            let (Some(start_number), Some(end_number)) = (start_number, end_number) else {
                continue;
            };
            self.found.ranges.push(Range {
                start: range.start,
                end: range.end,
                is_half_open: range.is_half_open,
                ends_before: range.ends_before,
                start_number,
                end_number,
            });
        }
        for condition in conditions {
            self.days(condition);
        }
        Ok(())
    }

    fn literal(
        &mut self,
        node: &mut Node,
        day: &DayLiteral,
        source: ParameterSource,
    ) -> Option<i32> {
        let ty = match (day.cast, &day.instant) {
            (Some(ty), _) => ty,
            (None, Some(instant)) if instant.zone.is_empty() => ParameterType::Timestamp,
            (None, Some(_)) => ParameterType::TimestampTz,
            (None, None) => ParameterType::Date,
        };
        let parameter = Parameter { source, ty };
        let kind = if day.needs_cast {
            LiteralKind::Cast(parameter)
        } else {
            LiteralKind::Value(parameter)
        };
        Some(self.placeholders.literal(DayLiteral::constant(node)?, day.location, kind))
    }

    /// Replaces the days that a lower bound lies back.
    fn days(&mut self, condition: &mut Node) {
        let Some((side, bound)) = lower_bound(condition) else {
            return;
        };
        let Some((back, location)) = days_back(bound, self.placeholders) else {
            return;
        };
        if let Some(reason) = &self.days_obstacle {
            self.reasons.insert(location, reason.clone());
            return;
        }
        let parameter = Parameter { source: ParameterSource::DayRange, ty: ParameterType::Int };
        let (is_interval, is_negative) = (back.is_interval, back.is_added);
        let kind = LiteralKind::Days { parameter, is_interval, is_negative };
        let bound = operand(condition, side);
        if let Some(amount) = bound.and_then(|bound| subtracted_mut(bound, self.placeholders)) {
            let number = self.placeholders.literal(amount, location, kind);
            self.found.days.push(DaysSlot { days: back.days, number, location });
        }
    }
}

/// Reads the days that an expression lies before the present, and their location in the author's SQL.
fn days_back(expression: &Node, placeholders: &Placeholders) -> Option<(DaysBack, i32)> {
    let subtracted = subtracted(expression, placeholders)?;
    // Without a location it is not the author's: `'yesterday'::date` is already today minus 1.
    let location = Some(first_location(subtracted.amount)).filter(|location| *location >= 0)?;
    Some((subtracted.days()?, location))
}

#[cfg(test)]
mod tests {
    use crate::{
        sql::{Draft, Gate, ParameterType, Template},
        window::DateDefault,
    };

    fn template(sql: &str) -> Template {
        Draft::parse(sql, &Gate::default()).unwrap().assume().unwrap()
    }

    /// The slots of a template, as `first..last` and a number of days.
    fn slots(template: &Template) -> String {
        let day = |default| match default {
            Some(DateDefault::Fixed(day)) => day.to_string(),
            Some(DateDefault::FromToday) => "today".to_owned(),
            Some(DateDefault::Relative(day)) => day.to_string(),
            None => String::new(),
        };
        let slots = template.slots;
        let days = slots.day_range.map(|days| format!(" {days}d")).unwrap_or_default();
        format!("{}..{}{days}", day(slots.start_date), day(slots.end_date))
    }

    #[test]
    fn ranges_of_whole_days_are_slots() {
        let june = "2025-06-01..2025-06-30";
        let cases = [
            ("x BETWEEN '2025-06-01' AND '2025-06-30'", june),
            ("x >= '2025-06-01' AND x < '2025-07-01'", june),
            ("x >= '2025-06-01' AND x <= '2025-06-30'", june),
            ("x < '2025-07-01' AND a AND x >= '2025-06-01'", june),
            ("'2025-06-01' <= x AND '2025-07-01' > x", june),
            ("a AND (b AND (x >= '2025-06-01' AND c)) AND x < '2025-07-01'", june),
            ("x BETWEEN '2025-06-01 00:00:00' AND '2025-06-30T00:00:00'", june),
            ("x BETWEEN DATE '2025-06-01' AND '2025-06-30'::date", june),
            ("x >= TIMESTAMP '2025-06-01 00:00:00' AND x < '2025-07-01'::timestamptz", june),
            ("x >= CAST('2025-06-01' AS timestamp) AND x < '2025-07-01'", june),
            ("t.x::date >= '2025-06-01' AND t.x::date < '2025-07-01'", june),
            (
                "x BETWEEN '2025-06-01' AND '2025-06-30' AND y >= '2025-06-01' AND y < '2025-07-01'",
                june,
            ),
            ("x BETWEEN '2025-06-01' AND '2025-06-01'", "2025-06-01..2025-06-01"),
            ("EXISTS (SELECT 1 FROM u WHERE x BETWEEN '2025-06-01' AND '2025-06-30')", june),
            ("a OR b IN (SELECT c FROM u WHERE x BETWEEN '2025-06-01' AND '2025-06-30')", june),
        ];
        for (condition, expected) in cases {
            let template = template(&format!("SELECT 1 FROM t WHERE {condition}"));
            assert_eq!(slots(&template), expected, "{condition}");
            assert!(!template.sql.contains("'2025"), "{}", template.sql);
            assert!(template.notes.iter().all(|note| note.is_slot), "{condition}");
        }
    }

    #[test]
    fn ranges_of_first_and_last_instants_are_slots() {
        let cases = [
            (
                "x >= '2017-01-01T00:00:00.000Z'::timestamptz AND x <= '2017-01-30T23:59:59.999Z'::timestamptz",
                "x >= ($1::text || 'T00:00:00.000Z')::timestamptz AND x <= ($2::text || 'T23:59:59.999Z')::timestamptz",
            ),
            (
                "x BETWEEN '2017-01-01 00:00:00.000' AND '2017-01-30 23:59:59.999'",
                "x BETWEEN ($1::text || ' 00:00:00.000')::timestamp AND ($2::text || ' 23:59:59.999')::timestamp",
            ),
            (
                "x >= TIMESTAMP '2017-01-01 00:00' AND x < TIMESTAMP '2017-01-31 00:00'",
                "x >= ($1::text || ' 00:00')::timestamp AND x < ($2::text || ' 00:00')::timestamp",
            ),
            (
                "x >= '2017-01-01' AND x < '2017-01-30 23:59:59'::timestamp",
                "x >= $1 AND x < ($2::text || ' 23:59:59')::timestamp",
            ),
            (
                "x BETWEEN '2017-01-01T00:00:00+02:00'::timestamptz AND '2017-01-30T23:59:59+02:00'::timestamptz",
                "x BETWEEN ($1::text || 'T00:00:00+02:00')::timestamptz AND ($2::text || \
                 'T23:59:59+02:00')::timestamptz",
            ),
            (
                "x >= to_timestamp('2017-01-01 00:00:00.000000', 'YYYY-MM-DD HH24:MI:SS.US') AND x < \
                 to_timestamp('2017-01-31 00:00:00.000000', 'YYYY-MM-DD HH24:MI:SS.US')",
                "x >= to_timestamp($1::text || ' 00:00:00.000000', 'YYYY-MM-DD HH24:MI:SS.US') AND x < \
                 to_timestamp($2::text || ' 00:00:00.000000', 'YYYY-MM-DD HH24:MI:SS.US')",
            ),
            (
                "x >= to_date('2017-01-01', 'YYYY-MM-DD') AND x < to_date('2017-01-31', 'YYYY-MM-DD')",
                "x >= to_date($1::text, 'YYYY-MM-DD') AND x < to_date($2::text, 'YYYY-MM-DD')",
            ),
            (
                "x >= '2017-01-01T00:00:00.000'::timestamp AT TIME ZONE 'UTC' AND x <= \
                 '2017-01-30T23:59:59.999'::timestamp AT TIME ZONE 'UTC'",
                "x >= ($1::text || 'T00:00:00.000')::timestamp AT TIME ZONE 'UTC' AND x <= ($2::text || \
                 'T23:59:59.999')::timestamp AT TIME ZONE 'UTC'",
            ),
            (
                "x >= DATE '2017-01-01'::timestamp AND x < CAST(DATE '2017-01-31' AS timestamp)",
                "x >= $1::date::timestamp AND x < $2::date::timestamp",
            ),
            (
                "x >= '2017-01-01T00:00:00Z'::date AND x <= '2017-01-30T23:59:59Z'::date",
                "x >= $1::date AND x <= $2::date",
            ),
        ];
        for (condition, expected) in cases {
            let template = template(&format!("SELECT 1 FROM t WHERE {condition}"));
            assert_eq!(template.sql, format!("SELECT 1 FROM t WHERE {expected}"));
            assert_eq!(slots(&template), "2017-01-01..2017-01-30", "{condition}");
        }
    }

    #[test]
    fn ranges_are_slots_as_tools_write_them() {
        let cases = [
            (
                "x >= DATE '2017-01-01' AND x < DATE '2017-01-30' + INTERVAL '1 DAY'",
                "x >= $1::date AND x < $2::timestamp",
            ),
            (
                "x >= '2017-01-01'::date AND x < '2017-01-30'::date + 1",
                "x >= $1::date AND x < $2::date",
            ),
            (
                "x >= '2017-01-01'::timestamp AND x < '2017-01-01'::timestamp + interval '1 month' - \
                 interval '1 day'",
                "x >= $1::timestamp AND x < $2::timestamp",
            ),
            (
                "x >= '2016-12-31'::timestamptz + '1 day'::interval AND x < ('2017-01-30'::date + \
                 interval '1 day')::date",
                "x >= $1::timestamptz AND x < $2::timestamp::date",
            ),
            (
                "date(x) >= date('2017-01-01') AND date(x) < date('2017-01-31')",
                "date(x) >= date($1::date) AND date(x) < date($2::date)",
            ),
            (
                "x >= timestamptz('2017-01-01') AND x < timestamptz('2017-01-31')",
                "x >= timestamptz($1::timestamptz) AND x < timestamptz($2::timestamptz)",
            ),
            (
                "x >= date_trunc('day', timestamp '2017-01-01') AND x < date_trunc('day', timestamp \
                 '2017-01-31')",
                "x >= date_trunc('day', $1::timestamp) AND x < date_trunc('day', $2::timestamp)",
            ),
            (
                "x >= '2017-01-01'::timestamp(0) AND x < '2017-01-31'::timestamp(0)",
                "x >= $1::timestamp(0) AND x < $2::timestamp(0)",
            ),
            (
                "x >= '2017-01-01 00:00:00' AND x <= '2017-01-30 24:00:00'",
                "x >= $1 AND x <= ($2::text || ' 24:00:00')::timestamp",
            ),
            ("x >= '20170101' AND x < '20170131'", "x >= $1 AND x < $2"),
            (
                "x >= (SELECT TIMESTAMP '2017-01-01') AND x < (SELECT (TIMESTAMP '2017-01-01' + (30 || \
                 ' day')::INTERVAL))",
                "x >= (SELECT $1::timestamp) AND x < (SELECT $2::timestamp)",
            ),
        ];
        for (condition, expected) in cases {
            let template = template(&format!("SELECT 1 FROM t WHERE {condition}"));
            assert_eq!(template.sql, format!("SELECT 1 FROM t WHERE {expected}"));
            assert_eq!(slots(&template), "2017-01-01..2017-01-30", "{condition}");
        }
        for condition in [
            "x >= '2017-01-01'::timestamp AND x < '2017-01-30 23:59:59.999'::timestamp(0)",
            "x >= '2017-01-01T00:00:00Z'::timestamptz AND x < '2017-01-30T00:00:00Z'::timestamptz + \
             interval '1 day'",
            "x >= '2017-01-01'::date AND x < '2017-01-30'::date + interval '36 hours'",
            "x >= '2017-01-01'::date AND x < (SELECT '2017-01-31'::date FROM u)",
            "x >= date_trunc('month', timestamp '2017-01-01') AND x < '2017-01-31'",
        ] {
            let sql = format!("SELECT 1 FROM t WHERE {condition}");
            assert_eq!(slots(&template(&sql)), "..", "{condition}");
        }
    }

    #[test]
    fn days_without_hyphens_are_no_slots_beside_a_text() {
        let sql = "SELECT 1 FROM t WHERE x >= '20170101' AND x < '20170131'";
        for ty in [Some(ParameterType::Text), Some(ParameterType::Int), None] {
            let template = Draft::parse(sql, &Gate::default()).unwrap().finish(&[ty, ty]).unwrap();
            assert_eq!((template.sql.as_str(), slots(&template).as_str()), (sql, ".."));
            assert!(template.notes.iter().all(|note| note.message.contains("stays as written")));
        }
    }

    #[test]
    fn an_instant_is_bound_as_the_day_that_its_time_follows() {
        let sql =
            "SELECT 1 FROM t WHERE x >= '2017-01-01T00:00:00Z' AND x < '2017-01-31T00:00:00Z'";
        let tz = Some(ParameterType::TimestampTz);
        let template = Draft::parse(sql, &Gate::default()).unwrap().finish(&[tz, tz]).unwrap();
        assert_eq!(
            template.sql,
            "SELECT 1 FROM t WHERE x >= ($1::text || 'T00:00:00Z')::timestamptz AND x < ($2::text || \
             'T00:00:00Z')::timestamptz"
        );
        assert!(template.parameters.iter().all(|parameter| parameter.ty == ParameterType::Text));
        for ty in [Some(ParameterType::Text), None] {
            let template = Draft::parse(sql, &Gate::default()).unwrap().finish(&[ty, ty]).unwrap();
            assert_eq!((template.sql.as_str(), slots(&template).as_str()), (sql, ".."));
        }
    }

    #[test]
    fn instants_that_enclose_no_whole_days_stay() {
        let cases = [
            ("x >= '2017-01-01T00:00:01Z' AND x < '2017-01-31T00:00:00Z'", "it is not a whole day"),
            (
                "x BETWEEN '2017-01-01 23:59:59' AND '2017-01-30 23:59:59'",
                "the range begins at the end",
            ),
            (
                "x >= '2017-01-01T00:00:00Z' AND x < '2017-01-31T00:00:00+02'",
                "the ends of its range are in different time zones",
            ),
            (
                "x >= TIMESTAMP '2017-01-01' AT TIME ZONE 'UTC' AND x < TIMESTAMP '2017-01-31' AT TIME ZONE 'Asia/Tokyo'",
                "the ends of its range are in different time zones",
            ),
            (
                "x >= TIMESTAMP '2017-01-01' AT TIME ZONE 'UTC' AND x < '2017-01-31'",
                "the ends of its range are in different time zones",
            ),
            ("x >= '2017-01-01 00:00:00 BC' AND x < '2017-01-31'", "it is not a whole day"),
        ];
        for (condition, reason) in cases {
            let template = template(&format!("SELECT 1 FROM t WHERE {condition}"));
            assert_eq!(slots(&template), "..", "{condition}");
            let expected = format!("stays as written: {reason}");
            let notes = &template.notes;
            assert!(notes.iter().any(|note| note.message.contains(&expected)), "{notes:?}");
        }
    }

    #[test]
    fn every_select_of_the_tree_counts() {
        let range = "x BETWEEN '2025-06-01' AND '2025-06-30'";
        for sql in [
            format!("WITH c AS (SELECT 1 FROM t WHERE {range}) SELECT * FROM c"),
            format!("SELECT * FROM (SELECT 1 FROM t WHERE {range}) s"),
            format!("SELECT 1 FROM t LEFT JOIN u ON a AND {range}"),
            format!("SELECT 1 FROM t WHERE {range} UNION SELECT 2 FROM u WHERE {range}"),
            format!("SELECT (SELECT 1 FROM t WHERE {range})"),
            format!("SELECT 1 FROM t, LATERAL (SELECT 1 FROM u WHERE {range}) l"),
        ] {
            assert_eq!(slots(&template(&sql)), "2025-06-01..2025-06-30", "{sql}");
        }
    }

    #[test]
    fn what_may_mean_something_else_stays_with_a_reason() {
        let range = "x BETWEEN '2025-06-01' AND '2025-06-30'";
        let cases = [
            (format!("SELECT 1 FROM t WHERE a OR {range}"), "it is under OR"),
            (format!("SELECT 1 FROM t WHERE NOT ({range})"), "it is under NOT"),
            (format!("SELECT 1 FROM t WHERE CASE WHEN {range} THEN a END"), "it is in CASE"),
            (format!("SELECT count(*) FILTER (WHERE {range}) FROM t"), "only `x BETWEEN"),
            (format!("SELECT 1 FROM t GROUP BY x HAVING {range}"), "only `x BETWEEN"),
            (format!("SELECT {range} FROM t"), "only `x BETWEEN"),
            ("SELECT 1 FROM t WHERE x = '2025-06-01'".into(), "only `x BETWEEN"),
            ("SELECT 1 FROM t WHERE x IN ('2025-06-01')".into(), "only `x BETWEEN"),
            ("SELECT 1 FROM t WHERE x >= '2025-06-01'".into(), "the range has no last day"),
            ("SELECT 1 FROM t WHERE x < '2025-06-01'".into(), "the range has no first day"),
            ("SELECT 1 FROM t WHERE x >= '2025-06-01' AND y < '2025-07-01'".into(), "the range has no"),
            ("SELECT 1 FROM t WHERE x BETWEEN '2025-06-30' AND '2025-06-01'".into(), "the range ends before"),
            ("SELECT 1 FROM t WHERE x >= '2025-06-01' AND x < '2025-06-01'".into(), "the range ends before"),
            ("SELECT 1 FROM t WHERE x BETWEEN '1900-01-01' AND '2025-06-01'".into(), "the range spans more"),
            (
                "SELECT 1 FROM t WHERE x >= '2025-06-01' AND x < '2025-07-01' AND x < '2025-06-15'".into(),
                "the same value has more than one",
            ),
            ("SELECT 1 FROM t WHERE x BETWEEN '2025-06-01 01:00' AND now()".into(), "it is not a whole day"),
            (
                "SELECT 1 FROM t WHERE x BETWEEN '2025-06-01' AND '2025-06-30' UNION SELECT 1 FROM t \
                 WHERE x BETWEEN '2025-05-01' AND '2025-05-31'"
                    .into(),
                "the query contains different ranges",
            ),
            (
                format!("SELECT 1 FROM t WHERE {range} AND y <= :end_date"),
                "the query uses :start_date or :end_date",
            ),
        ];
        for (sql, reason) in cases {
            let template = template(&sql);
            let reasons: Vec<_> = template.notes.iter().filter(|note| !note.is_slot).collect();
            let expected = format!("stays as written: {reason}");
            assert!(!reasons.is_empty(), "{sql}");
            assert!(reasons.iter().all(|n| n.message.contains(&expected)), "{sql}: {reasons:?}");
            assert!(template.sql.contains("'2025-06-01"), "{}", template.sql);
        }
    }

    #[test]
    fn days_back_from_today_are_slots_in_all_spellings() {
        for amount in [
            "INTERVAL '28' DAY",
            "INTERVAL '28 days'",
            "INTERVAL '28 days' DAY",
            "'28 days'::interval",
            "CAST(' 28 Days ' AS interval)",
            "INTERVAL '4 weeks'",
            "make_interval(days => 28)",
            "make_interval(weeks => 4)",
            "28 * INTERVAL '1 day'",
            "INTERVAL '1 week' * 4",
        ] {
            for today in ["CURRENT_DATE", "now()", "now()::date", "LOCALTIMESTAMP", "'today'::date"]
            {
                let template = template(&format!("SELECT 1 FROM t WHERE x >= {today} - {amount}"));
                assert_eq!(slots(&template), ".. 28d", "{today} - {amount}");
                assert!(template.sql.ends_with("::int * '1 day'::interval"), "{}", template.sql);
                assert!(template.slots.clock);
            }
        }
        let template = template("SELECT 1 FROM t WHERE x >= CURRENT_DATE - 30");
        assert_eq!(template.sql, "SELECT 1 FROM t WHERE x >= $1::date - $2::int");
        assert_eq!(slots(&template), ".. 30d");
    }

    #[test]
    fn days_back_are_slots_as_tools_write_them() {
        let cases = [
            ("now() + interval '-30 days'", "$1::timestamptz + $2::int * '-1 day'::interval"),
            (
                "DATE_TRUNC('day', (NOW() + INTERVAL '-30 day'))",
                "date_trunc('day', $1::timestamptz + $2::int * '-1 day'::interval)",
            ),
            (
                "CAST((CAST(now() AS timestamp) + (INTERVAL '-30 day')) AS date)",
                "($1::timestamptz::timestamp + $2::int * '-1 day'::interval)::date",
            ),
            (
                "date_trunc('day', now()) - interval '30 days'",
                "date_trunc('day', $1::timestamptz) - $2::int * '1 day'::interval",
            ),
            (
                "date_trunc('hour', now()) - interval '30 days'",
                "date_trunc('hour', $1::timestamptz) - $2::int * '1 day'::interval",
            ),
            ("CURRENT_DATE + -30", "$1::date + $2::int * -1"),
            ("-30 + CURRENT_DATE", "$1::int * -1 + $2::date"),
            ("date(now()) - 30", "date($1::date) - $2::int"),
            (
                "(now() AT TIME ZONE 'UTC')::date - 30",
                "($1::timestamptz AT TIME ZONE 'UTC')::date - $2::int",
            ),
            (
                "date(now() - interval '30 days')",
                "date($1::timestamptz - $2::int * '1 day'::interval)",
            ),
            ("interval '30 days ago' + now()", "$1::int * '-1 day'::interval + $2::timestamptz"),
            ("now() + (-30 * interval '1 day')", "$1::timestamptz + $2::int * '-1 day'::interval"),
            ("now() - (30 || ' days')::interval", "$1::timestamptz - $2::int * '1 day'::interval"),
            ("now() - interval 'P30D'", "$1::timestamptz - $2::int * '1 day'::interval"),
            ("now() - interval '4 weeks 2 days'", "$1::timestamptz - $2::int * '1 day'::interval"),
            ("now() - make_interval(0, 0, 0, 30)", "$1::timestamptz - $2::int * '1 day'::interval"),
            (
                "(SELECT CURRENT_DATE - interval '30 days')",
                "(SELECT $1::date - $2::int * '1 day'::interval)",
            ),
        ];
        for (bound, expected) in cases {
            let template = template(&format!("SELECT 1 FROM t WHERE x >= {bound}"));
            assert_eq!(template.sql, format!("SELECT 1 FROM t WHERE x >= {expected}"));
            assert_eq!(slots(&template), ".. 30d", "{bound}");
        }
    }

    #[test]
    fn days_back_are_slots_in_lower_bounds() {
        for condition in [
            "x >= CURRENT_DATE - 7",
            "x > CURRENT_DATE - 7",
            "CURRENT_DATE - 7 <= x",
            "CURRENT_DATE - 7 < x",
            "x BETWEEN CURRENT_DATE - 7 AND CURRENT_DATE",
            "x >= (CURRENT_DATE - INTERVAL '7 days')::date",
            "x >= CURRENT_DATE - 7 AND y > now() - INTERVAL '1 week'",
        ] {
            let template = template(&format!("SELECT 1 FROM t WHERE {condition}"));
            assert_eq!(slots(&template), ".. 7d", "{condition}");
        }
        let stays = [
            ("x < CURRENT_DATE - 7", "only in a lower bound"),
            ("x = CURRENT_DATE - 7", "only in a lower bound"),
            ("a OR x >= CURRENT_DATE - 7", "it is under OR"),
            ("NOT x >= CURRENT_DATE - 7", "it is under NOT"),
            ("x >= date_trunc('month', now() - INTERVAL '7 days')", "only in a lower bound"),
            ("x >= now() + INTERVAL '-3 months'", "only a number of whole days"),
            ("x >= now() + INTERVAL '-36 hours'", "only a number of whole days"),
            ("x < CURRENT_DATE + -7", "only in a lower bound"),
            ("x >= CURRENT_DATE - INTERVAL '3 months'", "only a number of whole days"),
            ("x >= now() - INTERVAL '36 hours'", "only a number of whole days"),
            ("x >= now() - INTERVAL '36' HOUR", "only a number of whole days"),
            ("x >= now() - INTERVAL '-7 days'", "only a number of whole days"),
            ("x >= now() - INTERVAL '1 day 2 hours'", "only a number of whole days"),
            ("x >= now() - INTERVAL '1.5 days'", "only a number of whole days"),
            ("x >= CURRENT_DATE - 0", "only a number of whole days"),
            ("x >= CURRENT_DATE - 99999", "only a number of whole days"),
            (
                "x >= CURRENT_DATE - 7 AND y >= CURRENT_DATE - 8",
                "the query contains different numbers",
            ),
            ("x >= CURRENT_DATE - 14 AND x < CURRENT_DATE - 7", ""),
            ("x >= CURRENT_DATE - 7 AND y > :day_range", "the query uses :day_range"),
        ];
        for (condition, reason) in stays {
            let template = template(&format!("SELECT 1 FROM t WHERE {condition}"));
            let expected = format!("stays as written: {reason}");
            let mut notes = template.notes.iter().filter(|note| !note.is_slot).peekable();
            assert!(notes.peek().is_some(), "{condition}");
            assert!(notes.all(|note| note.message.contains(&expected)), "{condition}");
            assert!(!template.sql.contains("* '1 day'"), "{}", template.sql);
        }
        assert_eq!(slots(&template("SELECT 1 FROM t WHERE x >= CURRENT_DATE + 7")), "..");
    }

    #[test]
    fn a_range_stays_where_an_end_of_it_cannot_move() {
        let range = "x BETWEEN '2025-06-01' AND '2025-06-30'";
        let half_open = "x >= '2025-06-01' AND x < '2025-07-01'";
        let elsewhere = [
            format!("SELECT count(*) FILTER (WHERE {range}) FROM t WHERE {range}"),
            format!("SELECT count(*) FILTER (WHERE {half_open}) FROM t WHERE {range}"),
            format!("SELECT count(*) FILTER (WHERE {range}) FROM t WHERE {half_open}"),
            format!("SELECT count(*) FILTER (WHERE x >= DATE '2025-06-01') FROM t WHERE {range}"),
            format!("SELECT {range} FROM t WHERE {range}"),
            format!("SELECT DATE '2025-06-01' FROM t WHERE {range}"),
            format!("SELECT CASE WHEN {range} THEN 1 END FROM t WHERE {range}"),
            format!("SELECT 1 FROM t WHERE {range} GROUP BY x HAVING {range}"),
            format!("SELECT 1 FROM t WHERE {range} AND (a OR y <= '2025-06-30')"),
            format!(
                "SELECT 1 FROM t WHERE {range} AND NOT (y >= '2025-06-01' AND y < '2025-07-01')"
            ),
            format!("SELECT 1 FROM t WHERE {half_open} AND y = '2025-06-01'"),
            format!("SELECT 1 FROM t WHERE {half_open} AND y < '2025-06-01'"),
            format!("SELECT 1 FROM t WHERE {half_open} AND y < '2025-07-01'"),
            format!(
                "SELECT 1 FROM t WHERE {range} AND NOT EXISTS (SELECT 1 FROM u WHERE y < '2025-06-01')"
            ),
            format!(
                "SELECT 1 FROM generate_series('2025-06-01'::date, '2025-06-30', '1 day') LEFT JOIN t ON {range}"
            ),
            format!("SELECT 1 FROM t WHERE {range} UNION SELECT 1 FROM t WHERE a OR {range}"),
        ];
        for sql in elsewhere {
            let template = template(&sql);
            assert_eq!(slots(&template), "..", "{sql}");
            assert!(template.parameters.is_empty(), "{}", template.sql);
            let reasons = [
                "stays as written: its range begins or ends with a day that also occurs where it cannot change",
                "stays as written: the query names its period a second time",
            ];
            let reasons = reasons.map(|reason| {
                template.notes.iter().filter(|note| note.message.contains(reason)).count()
            });
            assert!(reasons[0].min(reasons[1]) == 0 && reasons[0].max(reasons[1]) > 1, "{sql}");
            assert_eq!((reasons[0] + reasons[1]) % 2, 0, "{:?}", template.notes);
        }
        for other in ["y < '2025-05-31'", "y = '2025-06-15'", "(a OR y > '2025-06-02')"] {
            let sql = format!("SELECT 1 FROM t WHERE {range} AND {other}");
            assert_eq!(slots(&template(&sql)), "2025-06-01..2025-06-30", "{sql}");
        }
    }

    #[test]
    fn days_back_stay_where_as_many_cannot_move() {
        let bound = "x >= CURRENT_DATE - 30";
        let elsewhere = [
            format!(
                "SELECT 1 FROM t WHERE {bound} AND NOT EXISTS (SELECT 1 FROM u WHERE y < CURRENT_DATE - 30)"
            ),
            format!("SELECT 1 FROM t WHERE {bound} AND y < now() - INTERVAL '30 days'"),
            format!("SELECT 1 FROM t WHERE {bound} AND y = CURRENT_DATE - 30"),
            format!("SELECT 1 FROM t WHERE {bound} AND y BETWEEN a AND CURRENT_DATE - 30"),
            format!("SELECT 1 FROM t WHERE {bound} AND (a OR y > CURRENT_DATE - 30)"),
            format!("SELECT count(*) FILTER (WHERE {bound}) FROM t WHERE {bound}"),
            format!("SELECT CASE WHEN {bound} THEN 1 END FROM t WHERE {bound}"),
            format!("SELECT 1 FROM t WHERE {bound} GROUP BY x HAVING max(x) > CURRENT_DATE - 30"),
            format!("SELECT CURRENT_DATE - 30 AS since FROM t WHERE {bound}"),
            format!(
                "SELECT 1 FROM generate_series(CURRENT_DATE - 30, CURRENT_DATE, '1 day') JOIN t ON {bound}"
            ),
            format!(
                "SELECT 1 FROM t WHERE {bound} AND y >= date_trunc('month', now() - INTERVAL '30 days')"
            ),
            format!("SELECT now() + INTERVAL '-30 days' AS since FROM t WHERE {bound}"),
        ];
        for sql in elsewhere {
            let template = template(&sql);
            assert_eq!(slots(&template), "..", "{sql}");
            let reason = "stays as written: the query names its period a second time, by ";
            assert!(template.notes.iter().any(|n| n.message.contains(reason)), "{sql}");
        }
        // The number 1 alone says nothing.
        let one = template("SELECT 1 FROM t WHERE x >= CURRENT_DATE - 1 AND y = CURRENT_DATE - 1");
        assert_eq!(slots(&one), "..");
        let reason =
            "stays as written: the same number of days is also subtracted where it cannot change";
        assert!(one.notes.iter().any(|note| note.message.contains(reason)), "{:?}", one.notes);
        let sql = format!("SELECT CURRENT_DATE - 7 AS week FROM t WHERE {bound}");
        assert_eq!(slots(&template(&sql)), ".. 30d");
    }

    #[test]
    fn yesterday_is_no_number_of_days() {
        let yesterday = template("SELECT 1 FROM t WHERE x >= 'yesterday'::date");
        assert_eq!(yesterday.sql, "SELECT 1 FROM t WHERE x >= ($1::date - 1)::date");
        assert_eq!((slots(&yesterday).as_str(), yesterday.notes.len()), ("..", 0));
        let both =
            template("SELECT 1 FROM t WHERE x >= CURRENT_DATE - 7 AND y > 'yesterday'::date");
        assert_eq!(slots(&both), ".. 7d");
    }

    #[test]
    fn a_placeholder_in_a_string_is_noted() {
        let template = template("SELECT ':start_date'");
        assert_eq!(template.notes[0].message, ":start_date inside a string is not replaced");
        assert!(!template.notes[0].is_slot);
    }
}

//! Finds the literals that mean the same as a placeholder.
//!
//! Only where moving them cannot change the query's sense: AND-ed conditions of a WHERE or ON, one
//! range, one number of days in all, and neither of them repeated where it could not move along. In
//! doubt a literal stays, with a note saying why.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate};
use pg_query::{
    Node, NodeEnum,
    protobuf::{AExprKind, BoolExprType},
};

use super::{
    error::Fault,
    grammar::without_places,
    holes::{Filling, Holes},
    literals::{DayLiteral, DaysBack, looks_like_a_date, subtracted, subtracted_mut},
    parameter::{Parameter, ParameterSource, ParameterType},
    scan::{Filler, Placeholder},
    tree::{binary, cast_parts, string_constant},
    walk::{Part, Visitor, walk},
};
use crate::window::{MAX_DAYS, ParamName};

/// The literals that may become slots.
#[derive(Debug, Clone, Default)]
pub(super) struct Candidates {
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
    pub(super) start_hole: i32,
    pub(super) end_hole: i32,
}

/// A number of days back from today.
#[derive(Debug, Clone, Copy)]
pub(super) struct DaysSlot {
    pub(super) days: u32,
    pub(super) hole: i32,
    pub(super) location: i32,
}

/// What to tell the author about one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) location: i32,
    pub(super) is_slot: bool,
    pub(super) message: String,
}

impl Range {
    /// First and last day.
    pub(super) fn days(&self) -> (NaiveDate, NaiveDate) {
        inclusive(&self.start, &self.end, self.is_half_open)
    }
}

fn inclusive(start: &DayLiteral, end: &DayLiteral, is_half_open: bool) -> (NaiveDate, NaiveDate) {
    let last = if is_half_open { end.date - Days::new(1) } else { end.date };
    (start.date, last)
}

/// Makes holes of the literals that may become slots. Notes tell of those that may not.
pub(super) fn find(
    tree: &mut Node,
    holes: &mut Holes,
    placeholders: &[Placeholder],
) -> Result<(Candidates, Vec<Note>), Fault> {
    let has = |params: &[ParamName]| {
        let is_one = |p: &Placeholder| matches!(p.filler, Filler::Window(w) if params.contains(&w));
        placeholders.iter().any(is_one)
    };
    let mut survey = Survey {
        holes,
        ranges: BTreeSet::new(),
        days: BTreeSet::new(),
        movable: BTreeSet::new(),
        day_literals: BTreeMap::new(),
        amounts: BTreeMap::new(),
    };
    walk(tree, &mut survey)?;
    let range_obstacle = if has(&[ParamName::StartDate, ParamName::EndDate]) {
        Some("the query says :start_date or :end_date where its window is meant")
    } else if survey.ranges.len() > 1 {
        Some(
            "the query holds different ranges of days; write :start_date and :end_date where its \
             window is meant",
        )
    } else if survey.range_stays_elsewhere() {
        Some(
            "its range begins or ends with a day that also stands where it cannot move; write \
             :start_date and :end_date where the query's window is meant",
        )
    } else {
        None
    };
    let days_obstacle = if has(&[ParamName::DayRange]) {
        Some("the query says :day_range where its number of days is meant")
    } else if survey.days.len() > 1 {
        Some(
            "the query holds different numbers of days; write :day_range * INTERVAL '1 day' where \
             its number of days is meant",
        )
    } else if survey.days_stay_elsewhere() {
        Some(
            "as many days are also subtracted where they cannot move; write :day_range * INTERVAL \
             '1 day' where the query's number of days is meant",
        )
    } else {
        None
    };
    let mut finder = Finder {
        holes,
        range_obstacle,
        days_obstacle,
        found: Candidates::default(),
        reasons: BTreeMap::new(),
    };
    walk(tree, &mut finder)?;
    let Finder { found, reasons, .. } = finder;
    let mut rest = Rest { holes, reasons, inside: Vec::new(), notes: Vec::new() };
    walk(tree, &mut rest)?;
    Ok((found, rest.notes))
}

/// What a template holds of ranges and numbers of days, wherever they stand: a FILTER for another
/// period than the WHERE's would lose its rows if the WHERE moved, and so would one for the same.
struct Survey<'a> {
    holes: &'a Holes,
    ranges: BTreeSet<(NaiveDate, NaiveDate)>,
    days: BTreeSet<u32>,
    /// The places of what may become slots.
    movable: BTreeSet<i32>,
    /// By place, all whole days.
    day_literals: BTreeMap<i32, NaiveDate>,
    /// By place, all days that are subtracted from the present.
    amounts: BTreeMap<i32, u32>,
}

impl Visitor for Survey<'_> {
    fn enter(&mut self, part: &mut Part<'_>) -> Result<(), Fault> {
        match part {
            Part::SelectStmt(select) => self.condition(select.where_clause.as_deref()),
            Part::JoinExpr(join) => self.condition(join.quals.as_deref()),
            _ => Ok(()),
        }
    }

    fn replace(&mut self, node: &mut Node) -> Result<(), Fault> {
        if is_and(node) || between(node).is_some() {
            let ranges = pair(&conditions(node))?.ranges;
            self.ranges.extend(ranges.iter().map(|r| inclusive(&r.start, &r.end, r.is_half_open)));
        }
        let operands = match (between(node), binary(node)) {
            (Some((_, low, high)), _) => vec![low, high],
            (None, Some((left, "<" | "<=" | ">" | ">=" | "=", right))) => vec![left, right],
            _ => Vec::new(),
        };
        let days = operands.into_iter().filter_map(|operand| days_back(operand, self.holes));
        self.days.extend(days.map(|(back, _)| back.days));
        self.day_literals.extend(DayLiteral::read(node).map(|day| (day.location, day.date)));
        let amount = days_back(node, self.holes);
        self.amounts.extend(amount.map(|(back, location)| (location, back.days)));
        Ok(())
    }
}

impl Survey<'_> {
    /// Learns what may become slots, as [`Finder::condition`] makes them.
    fn condition(&mut self, condition: Option<&Node>) -> Result<(), Fault> {
        let Some(condition) = condition else {
            return Ok(());
        };
        let conditions = conditions(condition);
        let ranges = pair(&conditions)?.ranges;
        self.movable.extend(ranges.iter().flat_map(|r| [r.start.location, r.end.location]));
        let bounds = conditions.into_iter().filter_map(lower_bound);
        let days = bounds.filter_map(|(_, bound)| days_back(bound, self.holes));
        self.movable.extend(days.map(|(_, location)| location));
        Ok(())
    }

    fn range_stays_elsewhere(&self) -> bool {
        let ends = |&(first, last): &(NaiveDate, NaiveDate)| {
            [Some(first), Some(last), last.checked_add_days(Days::new(1))]
        };
        let ends: BTreeSet<_> = self.ranges.iter().flat_map(ends).flatten().collect();
        let mut days = self.day_literals.iter();
        days.any(|(place, day)| !self.movable.contains(place) && ends.contains(day))
    }

    fn days_stay_elsewhere(&self) -> bool {
        let mut amounts = self.amounts.iter();
        amounts.any(|(place, days)| !self.movable.contains(place) && self.days.contains(days))
    }
}

struct Finder<'a> {
    holes: &'a mut Holes,
    range_obstacle: Option<&'static str>,
    days_obstacle: Option<&'static str>,
    found: Candidates,
    /// By place, why a literal that could be a slot is none.
    reasons: BTreeMap<i32, String>,
}

impl Visitor for Finder<'_> {
    fn enter(&mut self, part: &mut Part<'_>) -> Result<(), Fault> {
        match part {
            Part::SelectStmt(select) => self.condition(select.where_clause.as_deref_mut()),
            Part::JoinExpr(join) => self.condition(join.quals.as_deref_mut()),
            _ => Ok(()),
        }
    }
}

impl Finder<'_> {
    fn condition(&mut self, condition: Option<&mut Node>) -> Result<(), Fault> {
        let Some(condition) = condition else {
            return Ok(());
        };
        let pairs = pair(&conditions(condition))?;
        self.reasons.extend(pairs.reasons);
        let mut conditions = conditions_mut(condition);
        for range in pairs.ranges {
            if let Some(reason) = self.range_obstacle {
                self.reasons.insert(range.start.location, reason.to_owned());
                self.reasons.insert(range.end.location, reason.to_owned());
                continue;
            }
            let end = if range.is_half_open {
                ParameterSource::DayAfterEnd
            } else {
                ParameterSource::EndDate
            };
            let start_hole = operand(conditions[range.start_at.0], range.start_at.1)
                .and_then(|node| self.literal(node, &range.start, ParameterSource::StartDate));
            let end_hole = operand(conditions[range.end_at.0], range.end_at.1)
                .and_then(|node| self.literal(node, &range.end, end));
            let (Some(start_hole), Some(end_hole)) = (start_hole, end_hole) else {
                continue;
            };
            self.found.ranges.push(Range {
                start: range.start,
                end: range.end,
                is_half_open: range.is_half_open,
                start_hole,
                end_hole,
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
        let ty = day.cast.unwrap_or(ParameterType::Date);
        let filling = Filling::Value(Parameter { source, ty });
        Some(self.holes.literal(DayLiteral::constant(node)?, day.location, filling))
    }

    /// Makes a hole of the days that a lower bound lies back.
    fn days(&mut self, condition: &mut Node) {
        let Some((side, bound)) = lower_bound(condition) else {
            return;
        };
        let Some((back, location)) = days_back(bound, self.holes) else {
            return;
        };
        if let Some(reason) = self.days_obstacle {
            self.reasons.insert(location, reason.to_owned());
            return;
        }
        let parameter = Parameter { source: ParameterSource::DayRange, ty: ParameterType::Int };
        let filling = if back.is_interval {
            Filling::DaysInterval(parameter)
        } else {
            Filling::Days(parameter)
        };
        if let Some(amount) = operand(condition, side).and_then(subtracted_mut) {
            let hole = self.holes.literal(amount, location, filling);
            self.found.days.push(DaysSlot { days: back.days, hole, location });
        }
    }
}

/// The operand that a value must lie above.
fn lower_bound(condition: &Node) -> Option<(Side, &Node)> {
    if let Some((_, low, _)) = between(condition) {
        return Some((Side::Low, low));
    }
    match binary(condition)? {
        (_, ">" | ">=", bound) => Some((Side::Right, bound)),
        (bound, "<" | "<=", _) => Some((Side::Left, bound)),
        _ => None,
    }
}

/// The days that an expression lies before the present, and their place in the author's words.
fn days_back(expression: &Node, holes: &Holes) -> Option<(DaysBack, i32)> {
    let amount = subtracted(expression, holes)?;
    // Without a place it is not the author's: `'yesterday'::date` is today minus 1 by now.
    let location = Some(first_place(amount)).filter(|location| *location >= 0)?;
    Some((DaysBack::read(amount)?, location))
}

/// Where in a condition an operand stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
    /// The first bound of a BETWEEN.
    Low,
    /// The second bound of a BETWEEN.
    High,
}

fn operand(condition: &mut Node, side: Side) -> Option<&mut Node> {
    let Some(NodeEnum::AExpr(expr)) = &mut condition.node else {
        return None;
    };
    if side == Side::Left {
        return expr.lexpr.as_deref_mut();
    }
    let right = expr.rexpr.as_deref_mut()?;
    let index = match side {
        Side::Low => 0,
        Side::High => 1,
        Side::Left | Side::Right => return Some(right),
    };
    match &mut right.node {
        Some(NodeEnum::List(bounds)) => bounds.items.get_mut(index),
        _ => None,
    }
}

/// `x`, `low` and `high` of `x BETWEEN low AND high`.
pub(super) fn between(node: &Node) -> Option<(&Node, &Node, &Node)> {
    let Some(NodeEnum::AExpr(expr)) = &node.node else {
        return None;
    };
    let Some(NodeEnum::List(bounds)) = &expr.rexpr.as_deref()?.node else {
        return None;
    };
    match (expr.kind(), bounds.items.as_slice()) {
        (AExprKind::AexprBetween, [low, high]) => Some((expr.lexpr.as_deref()?, low, high)),
        _ => None,
    }
}

/// The AND-ed parts of a condition.
fn conditions(condition: &Node) -> Vec<&Node> {
    match &condition.node {
        Some(NodeEnum::BoolExpr(expr)) if expr.boolop() == BoolExprType::AndExpr => {
            expr.args.iter().flat_map(conditions).collect()
        }
        _ => vec![condition],
    }
}

/// As [`conditions`], in the same order.
fn conditions_mut(condition: &mut Node) -> Vec<&mut Node> {
    if !is_and(condition) {
        return vec![condition];
    }
    match &mut condition.node {
        Some(NodeEnum::BoolExpr(expr)) => expr.args.iter_mut().flat_map(conditions_mut).collect(),
        _ => Vec::new(),
    }
}

fn is_and(node: &Node) -> bool {
    matches!(&node.node, Some(NodeEnum::BoolExpr(expr)) if expr.boolop() == BoolExprType::AndExpr)
}

/// Two literals that enclose a range, and where among the conditions they stand.
struct Pair {
    start: DayLiteral,
    end: DayLiteral,
    is_half_open: bool,
    start_at: (usize, Side),
    end_at: (usize, Side),
}

#[derive(Default)]
struct Pairs {
    ranges: Vec<Pair>,
    reasons: BTreeMap<i32, String>,
}

/// One end of a range: `x >= 'd1'` or `x < 'd2'`.
struct Bound {
    of: Node,
    day: DayLiteral,
    at: (usize, Side),
    kind: BoundKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum BoundKind {
    From,
    Through,
    Before,
}

/// The ranges that AND-ed conditions enclose.
fn pair(conditions: &[&Node]) -> Result<Pairs, Fault> {
    let mut pairs = Pairs::default();
    let mut bounds: Vec<Bound> = Vec::new();
    for (index, condition) in conditions.iter().enumerate() {
        if let Some((_, low, high)) = between(condition) {
            if let (Some(start), Some(end)) = (DayLiteral::read(low), DayLiteral::read(high)) {
                pairs.add(Pair {
                    start,
                    end,
                    is_half_open: false,
                    start_at: (index, Side::Low),
                    end_at: (index, Side::High),
                });
            }
        } else if let Some((of, operator, day, side)) = comparison(condition) {
            let kind = match operator {
                ">=" => BoundKind::From,
                "<=" => BoundKind::Through,
                "<" => BoundKind::Before,
                _ => continue,
            };
            bounds.push(Bound { of: without_places(of)?, day, at: (index, side), kind });
        }
    }
    while let Some(first) = bounds.pop() {
        let (mut same, other) =
            bounds.into_iter().partition::<Vec<_>, _>(|bound| bound.of == first.of);
        bounds = other;
        same.push(first);
        let (from, to): (Vec<_>, Vec<_>) =
            same.into_iter().partition(|bound| bound.kind == BoundKind::From);
        match (<[Bound; 1]>::try_from(from), <[Bound; 1]>::try_from(to)) {
            (Ok([from]), Ok([to])) => pairs.add(Pair {
                start: from.day,
                end: to.day,
                is_half_open: to.kind == BoundKind::Before,
                start_at: from.at,
                end_at: to.at,
            }),
            (from, to) => {
                let from = from.map_or_else(|all| all, Vec::from);
                let to = to.map_or_else(|all| all, Vec::from);
                let reason = match (from.len(), to.len()) {
                    (_, 0) => "the range has no last day",
                    (0, _) => "the range has no first day",
                    _ => "the same value has more than one first or last day",
                };
                let places = from.iter().chain(&to).map(|bound| bound.day.location);
                pairs.reasons.extend(places.map(|place| (place, reason.to_owned())));
            }
        }
    }
    Ok(pairs)
}

impl Pairs {
    fn add(&mut self, pair: Pair) {
        let (first, last) = inclusive(&pair.start, &pair.end, pair.is_half_open);
        let reason = match (last - first).num_days() {
            ..0 => "the range ends before it begins".to_owned(),
            days if days > i64::from(MAX_DAYS) => {
                format!("the range spans more than {MAX_DAYS} days")
            }
            _ => return self.ranges.push(pair),
        };
        self.reasons.insert(pair.start.location, reason.clone());
        self.reasons.insert(pair.end.location, reason);
    }
}

/// `x`, operator and day of `x >= 'd'`, read from left to right whichever way it is written.
fn comparison(condition: &Node) -> Option<(&Node, &'static str, DayLiteral, Side)> {
    let (left, operator, right) = binary(condition)?;
    let (straight, mirrored) = match operator {
        ">=" => (">=", "<="),
        "<=" => ("<=", ">="),
        "<" => ("<", ">"),
        ">" => (">", "<"),
        _ => return None,
    };
    match (DayLiteral::read(left), DayLiteral::read(right)) {
        (None, Some(day)) => Some((left, straight, day, Side::Right)),
        (Some(day), None) => Some((right, mirrored, day, Side::Left)),
        _ => None,
    }
}

/// Notes what stays as written.
struct Rest<'a> {
    holes: &'a Holes,
    reasons: BTreeMap<i32, String>,
    /// The surroundings that rule slots out, innermost last.
    inside: Vec<Surroundings>,
    notes: Vec<Note>,
}

impl Visitor for Rest<'_> {
    fn enter(&mut self, part: &mut Part<'_>) -> Result<(), Fault> {
        self.inside.extend(surroundings(part));
        Ok(())
    }

    fn leave(&mut self, part: &mut Part<'_>) -> Result<(), Fault> {
        if surroundings(part).is_some() {
            self.inside.pop();
        }
        Ok(())
    }

    fn replace(&mut self, node: &mut Node) -> Result<(), Fault> {
        if let Some((text, location)) = string_constant(node) {
            if looks_like_a_date(text) {
                let is_whole = DayLiteral::read(node).is_some();
                let reason = (!is_whole).then_some("it is not a whole day");
                self.note(location, &format!("'{text}'"), reason, RANGE_RULE);
            } else if let Some(name) = placeholder_in(text) {
                self.notes.push(Note {
                    location,
                    is_slot: false,
                    message: format!("{name} inside a string is not replaced"),
                });
            }
        } else if cast_parts(node).is_none()
            && let Some(amount) = subtracted(node, self.holes)
            && !holds_parameter(amount)?
        {
            let reason = match DaysBack::read(amount) {
                Some(_) => None,
                None => Some("only a number of whole days or weeks becomes a slot"),
            };
            self.note(first_place(amount), "what is subtracted here", reason, DAYS_RULE);
        }
        Ok(())
    }
}

const RANGE_RULE: &str = "only `x BETWEEN 'd1' AND 'd2'` and `x >= 'd1' AND x < 'd2'` among the \
                          AND-ed conditions of a WHERE or ON become slots";
const DAYS_RULE: &str = "only in a lower bound, such as `x >= CURRENT_DATE - 30`, among the AND-ed \
                         conditions of a WHERE or ON does it become a slot";

impl Rest<'_> {
    fn note(&mut self, location: i32, what: &str, reason: Option<&str>, rule: &str) {
        if location < 0 {
            return; // Not the author's words: `'yesterday'` is today minus 1 by now.
        }
        let inside = self.inside.last().and_then(|surroundings| match surroundings {
            Surroundings::Excluding(inside) => Some(inside),
            Surroundings::Query => None,
        });
        let inside = inside.map(|inside| format!("it stands {inside}; {rule}"));
        let reason = self
            .reasons
            .get(&location)
            .cloned()
            .or_else(|| reason.map(str::to_owned))
            .or(inside)
            .unwrap_or_else(|| rule.to_owned());
        let message = format!("{what} stays as written: {reason}");
        self.notes.push(Note { location, is_slot: false, message });
    }
}

/// What a part means for the literals inside it.
enum Surroundings {
    /// No literal in there becomes a slot.
    Excluding(&'static str),
    /// A subquery, whose own WHERE counts anew.
    Query,
}

fn surroundings(part: &Part<'_>) -> Option<Surroundings> {
    match part {
        Part::BoolExpr(expr) => match expr.boolop() {
            BoolExprType::OrExpr => Some(Surroundings::Excluding("under OR")),
            BoolExprType::NotExpr => Some(Surroundings::Excluding("under NOT")),
            _ => None,
        },
        Part::CaseExpr(_) => Some(Surroundings::Excluding("in CASE")),
        Part::SelectStmt(_) => Some(Surroundings::Query),
        _ => None,
    }
}

fn placeholder_in(text: &str) -> Option<String> {
    ParamName::ALL.map(|param| format!(":{param}")).into_iter().find(|name| text.contains(name))
}

fn holds_parameter(node: &Node) -> Result<bool, Fault> {
    struct Holds(bool);
    impl Visitor for Holds {
        fn enter(&mut self, part: &mut Part<'_>) -> Result<(), Fault> {
            self.0 |= matches!(part, Part::ParamRef(_));
            Ok(())
        }
    }
    let mut holds = Holds(false);
    walk(&mut node.clone(), &mut holds)?;
    Ok(holds.0)
}

/// The first known place inside an expression.
fn first_place(node: &Node) -> i32 {
    struct First(Option<i32>);
    impl Visitor for First {
        fn enter(&mut self, part: &mut Part<'_>) -> Result<(), Fault> {
            let here = part.location();
            self.0 = match (self.0, here) {
                (Some(first), Some(here)) => Some(first.min(here)),
                (first, here) => first.or(here),
            };
            Ok(())
        }
    }
    let mut first = First(None);
    let known = walk(&mut node.clone(), &mut first).is_ok();
    first.0.filter(|_| known).unwrap_or(-1)
}

#[cfg(test)]
mod tests {
    use crate::{
        sql::{Draft, Gate, Template},
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
            (format!("SELECT 1 FROM t WHERE a OR {range}"), "it stands under OR"),
            (format!("SELECT 1 FROM t WHERE NOT ({range})"), "it stands under NOT"),
            (format!("SELECT 1 FROM t WHERE CASE WHEN {range} THEN a END"), "it stands in CASE"),
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
                "the query holds different ranges",
            ),
            (
                format!("SELECT 1 FROM t WHERE {range} AND y <= :end_date"),
                "the query says :start_date or :end_date",
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
            ("a OR x >= CURRENT_DATE - 7", "it stands under OR"),
            ("NOT x >= CURRENT_DATE - 7", "it stands under NOT"),
            ("x >= date_trunc('day', now() - INTERVAL '7 days')", "only in a lower bound"),
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
                "the query holds different numbers",
            ),
            ("x >= CURRENT_DATE - 14 AND x < CURRENT_DATE - 7", ""),
            ("x >= CURRENT_DATE - 7 AND y > :day_range", "the query says :day_range"),
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
            let reason = "stays as written: its range begins or ends with a day that also stands \
                          where it cannot move";
            let moved = |note: &&crate::sql::SlotNote| note.message.contains(reason);
            assert_eq!(template.notes.iter().filter(moved).count() % 2, 0, "{sql}");
            assert!(template.notes.iter().any(|note| moved(&note)), "{:?}", template.notes);
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
                "SELECT 1 FROM t WHERE {bound} AND y >= date_trunc('day', now() - INTERVAL '30 days')"
            ),
        ];
        for sql in elsewhere {
            let template = template(&sql);
            assert_eq!(slots(&template), "..", "{sql}");
            let reason =
                "stays as written: as many days are also subtracted where they cannot move";
            assert!(template.notes.iter().any(|n| n.message.contains(reason)), "{sql}");
        }
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

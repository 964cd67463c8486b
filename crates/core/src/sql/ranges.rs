//! The ranges of days that AND-ed conditions enclose.
//!
//! Reads conditions and never changes one: which range becomes a slot is decided in `candidates`.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};
use pg_query::{
    Node, NodeEnum,
    protobuf::{AExprKind, BoolExprType},
};

use super::{error::SqlFault, grammar::without_locations, literals::DayLiteral, tree::binary};
use crate::window::MAX_DAYS;

/// Returns the first and last day of a range.
pub(super) fn inclusive(
    start: &DayLiteral,
    end: &DayLiteral,
    is_half_open: bool,
) -> (NaiveDate, NaiveDate) {
    let last = if is_half_open { end.date - Days::new(1) } else { end.date };
    (start.date, last)
}

/// Returns the operand that a value must lie above.
pub(super) fn lower_bound(condition: &Node) -> Option<(Side, &Node)> {
    if let Some((_, low, _)) = between(condition) {
        return Some((Side::Low, low));
    }
    match binary(condition)? {
        (_, ">" | ">=", bound) => Some((Side::Right, bound)),
        (bound, "<" | "<=", _) => Some((Side::Left, bound)),
        _ => None,
    }
}

/// The position of an operand in a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
    /// The first bound of a BETWEEN.
    Low,
    /// The second bound of a BETWEEN.
    High,
}

/// Returns the operand of a condition at `side`.
pub(super) fn operand(condition: &mut Node, side: Side) -> Option<&mut Node> {
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

/// Reads `x`, `low` and `high` of `x BETWEEN low AND high`.
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

/// Returns the AND-ed parts of a condition.
pub(super) fn conditions(condition: &Node) -> Vec<&Node> {
    match &condition.node {
        Some(NodeEnum::BoolExpr(expr)) if expr.boolop() == BoolExprType::AndExpr => {
            expr.args.iter().flat_map(conditions).collect()
        }
        _ => vec![condition],
    }
}

/// As [`conditions`], in the same order.
pub(super) fn conditions_mut(condition: &mut Node) -> Vec<&mut Node> {
    if !is_and(condition) {
        return vec![condition];
    }
    match &mut condition.node {
        Some(NodeEnum::BoolExpr(expr)) => expr.args.iter_mut().flat_map(conditions_mut).collect(),
        _ => Vec::new(),
    }
}

pub(super) fn is_and(node: &Node) -> bool {
    matches!(&node.node, Some(NodeEnum::BoolExpr(expr)) if expr.boolop() == BoolExprType::AndExpr)
}

/// Two literals that enclose a range, and their positions among the conditions.
pub(super) struct Pair {
    pub(super) start: DayLiteral,
    pub(super) end: DayLiteral,
    pub(super) is_half_open: bool,
    /// Whether the condition is `x < end`, whatever `end` is.
    pub(super) ends_before: bool,
    pub(super) start_at: (usize, Side),
    pub(super) end_at: (usize, Side),
}

/// The ranges among AND-ed conditions, and why other bounds enclose none, by location.
#[derive(Default)]
pub(super) struct Pairs {
    pub(super) ranges: Vec<Pair>,
    pub(super) reasons: BTreeMap<i32, String>,
}

/// One end of a range: `x >= 'd1'` or `x < 'd2'`.
struct Bound {
    of: Node,
    day: DayLiteral,
    at: (usize, Side),
    kind: BoundKind,
    is_open: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum BoundKind {
    From,
    Through,
    Before,
}

/// Pairs the bounds of AND-ed conditions into ranges.
pub(super) fn pair(conditions: &[&Node]) -> Result<Pairs, SqlFault> {
    let mut pairs = Pairs::default();
    let mut bounds: Vec<Bound> = Vec::new();
    for (index, condition) in conditions.iter().enumerate() {
        if let Some((_, low, high)) = between(condition) {
            if let (Some(start), Some(end)) = (DayLiteral::read(low), DayLiteral::read(high)) {
                pairs.add(Pair {
                    start,
                    end,
                    is_half_open: false,
                    ends_before: false,
                    start_at: (index, Side::Low),
                    end_at: (index, Side::High),
                });
            }
        } else if let Some((of, operator, day, side)) = comparison(condition) {
            let kind = match operator {
                ">=" => BoundKind::From,
                "<=" => BoundKind::Through,
                // Before the last instant of a day, that day counts.
                "<" if day.is_last_instant() => BoundKind::Through,
                "<" => BoundKind::Before,
                _ => continue,
            };
            let (of, is_open) = (without_locations(of)?, operator == "<");
            bounds.push(Bound { of, day, at: (index, side), kind, is_open });
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
                ends_before: to.is_open,
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
                let locations = from.iter().chain(&to).map(|bound| bound.day.location);
                pairs.reasons.extend(locations.map(|location| (location, reason.to_owned())));
            }
        }
    }
    Ok(pairs)
}

impl Pairs {
    fn add(&mut self, pair: Pair) {
        let (first, last) = inclusive(&pair.start, &pair.end, pair.is_half_open);
        let reason = match (last - first).num_days() {
            _ if pair.start.is_last_instant() => "the range begins at the end of a day".to_owned(),
            _ if !pair.start.is_in_zone_of(&pair.end) => {
                "the ends of its range are in different time zones".to_owned()
            }
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

/// Reads `x`, operator and day of `x >= 'd'`, in either direction.
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

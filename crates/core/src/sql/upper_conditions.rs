//! The conditions that bound a value from above, in their forms: `x <= y`, `NOT x > y`, `x BETWEEN a AND y`,
//! `x <@ tstzrange(a, y)`, `(x, b) <= (y, c)`, `x <= ALL (ARRAY[y])`.
//!
//! Reads a tree and knows nothing of windows: whether a bound is a last day is said in `last_day`.

use chrono::NaiveDate;
use pg_query::{
    Node, NodeEnum,
    protobuf::{AExprKind, BoolExprType, BoolTestType, a_const::Val},
};

use super::{
    literals::{DayLiteral, plain_day},
    ranges::{Side, operand},
    tree::{binary, cast_parts, plain_call, string_constant, sval},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Before,
    Through,
    Between,
    Outside,
}

/// What a bound is a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    Condition,
    /// A range of instants.
    Range,
    /// An array, whose elements must have types of their own.
    Array,
}

/// A condition with an upper bound.
pub(super) struct UpperCondition<'a> {
    pub(super) value: &'a Node,
    pub(super) start: Option<&'a Node>,
    pub(super) bound: &'a Node,
    pub(super) side: Side,
    pub(super) shape: Shape,
    /// Whether the bounds of BETWEEN may stand in either order.
    pub(super) is_symmetric: bool,
    pub(super) holder: Holder,
    /// Whether `>=` and `<` can say the same.
    pub(super) is_sayable: bool,
}

impl<'a> UpperCondition<'a> {
    pub(super) fn read(node: &'a Node) -> Option<Self> {
        if let Some(inner) = negated(node) {
            let (left, operator, right) = binary(inner)?;
            let read = match operator {
                ">" => Self::of(left, right, Side::Right, Shape::Through),
                ">=" => Self::of(left, right, Side::Right, Shape::Before),
                "<" => Self::of(right, left, Side::Left, Shape::Through),
                "<=" => Self::of(right, left, Side::Left, Shape::Before),
                _ => return None,
            };
            // NULL is not true, either.
            let is_not_true = matches!(&node.node, Some(NodeEnum::BooleanTest(test))
                if test.booltesttype() == BoolTestType::IsNotTrue);
            return Some(Self { is_sayable: read.is_sayable && !is_not_true, ..read });
        }
        match binary(node) {
            Some((value, "<", bound)) => Some(Self::of(value, bound, Side::Right, Shape::Before)),
            Some((value, "<=", bound)) => Some(Self::of(value, bound, Side::Right, Shape::Through)),
            Some((bound, ">", value)) => Some(Self::of(value, bound, Side::Left, Shape::Before)),
            Some((bound, ">=", value)) => Some(Self::of(value, bound, Side::Left, Shape::Through)),
            Some((value, "<@", range) | (range, "@>", value)) => Self::of_range(value, range),
            Some(_) => None,
            None => Self::of_between(node).or_else(|| Self::of_array(node)),
        }
    }

    /// Returns the bound of a condition that was read, mutable.
    pub(super) fn bound_mut(node: &mut Node, side: Side) -> Option<&mut Node> {
        let bound = if negated(node).is_none() {
            operand(node, side)
        } else {
            match &mut node.node {
                Some(NodeEnum::BoolExpr(expr)) => operand(expr.args.first_mut()?, side),
                Some(NodeEnum::BooleanTest(test)) => operand(test.arg.as_deref_mut()?, side),
                Some(NodeEnum::AExpr(expr)) => operand(expr.lexpr.as_deref_mut()?, side),
                _ => None,
            }
        }?;
        if first_of_row(bound).is_none() {
            return Some(bound);
        }
        match &mut bound.node {
            Some(NodeEnum::RowExpr(row)) => row.args.first_mut(),
            _ => None,
        }
    }

    /// Reads the bounds in the other order.
    pub(super) fn swap(&mut self) {
        if let Some(start) = self.start.replace(self.bound) {
            self.bound = start;
            self.side = Side::Low;
        }
    }

    fn of(value: &'a Node, bound: &'a Node, side: Side, shape: Shape) -> Self {
        let read = |value, bound, shape, is_sayable| Self {
            value,
            start: None,
            bound,
            side,
            shape,
            is_symmetric: false,
            holder: Holder::Condition,
            is_sayable,
        };
        match (first_of_row(value), first_of_row(bound)) {
            // Where the first fields are equal, the next ones decide.
            (Some(value), Some(bound)) => read(value, bound, Shape::Through, false),
            _ => read(value, bound, shape, true),
        }
    }

    /// Reads `x <= ALL (ARRAY[y])`.
    fn of_array(node: &'a Node) -> Option<Self> {
        let Some(NodeEnum::AExpr(expr)) = &node.node else {
            return None;
        };
        let shape = match (expr.kind(), expr.name.as_slice()) {
            (AExprKind::AexprOpAll | AExprKind::AexprOpAny, [operator]) => match sval(operator)? {
                "<" => Shape::Before,
                "<=" => Shape::Through,
                _ => return None,
            },
            _ => return None,
        };
        let (value, array) = (expr.lexpr.as_deref()?, expr.rexpr.as_deref()?);
        let (Some(NodeEnum::AArrayExpr(array)), None) = (&array.node, first_of_row(value)) else {
            return None;
        };
        let read = Self::of(value, array.elements.first()?, Side::Right, shape);
        Some(Self { holder: Holder::Array, is_sayable: false, ..read })
    }

    fn of_between(node: &'a Node) -> Option<Self> {
        let Some(NodeEnum::AExpr(expr)) = &node.node else {
            return None;
        };
        let (shape, is_symmetric) = match expr.kind() {
            AExprKind::AexprBetween => (Shape::Between, false),
            AExprKind::AexprBetweenSym => (Shape::Between, true),
            AExprKind::AexprNotBetween => (Shape::Outside, false),
            AExprKind::AexprNotBetweenSym => (Shape::Outside, true),
            _ => return None,
        };
        let Some(NodeEnum::List(bounds)) = &expr.rexpr.as_deref()?.node else {
            return None;
        };
        let [low, high] = bounds.items.as_slice() else {
            return None;
        };
        let is_empty = match (DayLiteral::read(low), DayLiteral::read(high)) {
            (Some(low), Some(high)) => !is_symmetric && low.date > high.date,
            _ => false,
        };
        let read = Self::of(expr.lexpr.as_deref()?, high, Side::High, shape);
        (!is_empty).then_some(Self { start: Some(low), is_symmetric, ..read })
    }

    /// Reads `x <@ tstzrange(a, y, '[]')`.
    fn of_range(value: &'a Node, range: &'a Node) -> Option<Self> {
        let (name, call) = plain_call(range)?;
        let (start, bound, ends) = match call.args.as_slice() {
            [start, bound] => (start, bound, "[)"),
            [start, bound, ends] => (start, bound, string_constant(ends)?.0),
            _ => return None,
        };
        // A literal before which the range ends is no last day.
        let is_open = !ends.ends_with(']') && DayLiteral::read(bound).is_some();
        let is_of_instants = ["tsrange", "tstzrange"].contains(&name);
        (is_of_instants && !is_open).then(|| Self {
            start: Some(start),
            holder: Holder::Range,
            is_sayable: ends.starts_with('['),
            ..Self::of(value, bound, Side::Right, Shape::Between)
        })
    }
}

/// A range that is written as one text and holds its last day's midnight: `'[2025-06-01,2025-06-30]'::tstzrange`.
pub(super) struct LiteralRange<'a> {
    pub(super) value: &'a Node,
    pub(super) start: Option<NaiveDate>,
    /// Whether it begins with its start, or has none.
    pub(super) is_from_start: bool,
    pub(super) last: NaiveDate,
    pub(super) location: i32,
}

impl<'a> LiteralRange<'a> {
    /// Reads `x <@ range` and `range @> x`.
    pub(super) fn read(node: &'a Node) -> Option<Self> {
        let ((value, "<@", range) | (range, "@>", value)) = binary(node)? else {
            return None;
        };
        let (arg, _, "tsrange" | "tstzrange") = cast_parts(range)? else {
            return None;
        };
        let (text, location) = string_constant(arg)?;
        let (low, high) = text.trim().strip_suffix(']')?.split_once(',')?;
        let day = |text: &str| plain_day(text.trim().trim_matches('"'));
        let is_closed = low.starts_with('[');
        let low = low.get(1..)?.trim();
        let start = day(low);
        let is_from_start = low.is_empty() || is_closed && start.is_some();
        Some(Self { value, start, is_from_start, last: day(high)?, location })
    }
}

fn first_of_row(node: &Node) -> Option<&Node> {
    match &node.node {
        Some(NodeEnum::RowExpr(row)) => row.args.first(),
        _ => None,
    }
}

/// Returns the condition of `NOT condition`, `condition = false`, `condition IS FALSE` and `condition IS NOT TRUE`.
fn negated(node: &Node) -> Option<&Node> {
    if let Some((condition, "=", value)) = binary(node) {
        return is_false(value).then_some(condition);
    }
    match &node.node {
        Some(NodeEnum::BoolExpr(expr)) if expr.boolop() == BoolExprType::NotExpr => {
            expr.args.first()
        }
        Some(NodeEnum::BooleanTest(test)) => {
            let is_negation =
                [BoolTestType::IsFalse, BoolTestType::IsNotTrue].contains(&test.booltesttype());
            test.arg.as_deref().filter(|_| is_negation)
        }
        _ => None,
    }
}

fn is_false(node: &Node) -> bool {
    let Some(NodeEnum::AConst(constant)) = &node.node else {
        return false;
    };
    matches!(&constant.val, Some(Val::Boolval(value)) if !value.boolval)
}

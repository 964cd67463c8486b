//! Reads expressions of the present day or instant, which `clock` made placeholders.
//!
//! Never says what day it is.

use pg_query::Node;

use super::{
    date_parts::DatePart,
    parameter::ParameterSource,
    period::{TimeAmount, folded},
    placeholders::Placeholders,
    tree::{binary, cast_parts, param_number, plain_call},
};

/// Reads expressions of the present in a tree with these placeholders.
#[derive(Clone, Copy)]
pub(super) struct PresentReader<'a> {
    pub(super) placeholders: &'a Placeholders,
}

impl PresentReader<'_> {
    /// Returns the constant amount by which an expression lies before the present.
    pub(super) fn days_back(self, node: &Node) -> Option<TimeAmount> {
        if let Some((arg, ..)) = cast_parts(node) {
            return self.days_back(arg);
        }
        let (left, "-", right) = binary(node)? else {
            return None;
        };
        let of_days = || folded(right).map(|days| TimeAmount { months: 0.0, days });
        TimeAmount::read(right).or_else(of_days).filter(|_| self.is_present(left))
    }

    /// Whether an expression is `date_trunc('month', CURRENT_DATE)` or the like, with an amount added to it.
    pub(super) fn is_part_of_today(self, node: &Node) -> bool {
        if let Some((arg, ..)) = cast_parts(node) {
            return self.is_part_of_today(arg);
        }
        if let Some((left, "+" | "-", _)) = binary(node) {
            return self.is_part_of_today(left);
        }
        let is_calendar = || DatePart::read(node).is_some_and(|part| part.is_of_the_calendar());
        plain_call(node).is_some_and(|(_, call)| {
            call.args.iter().any(|arg| self.is_present(arg)) && is_calendar()
        })
    }

    /// Whether an expression is the present, truncated or with an amount added to it.
    pub(super) fn is_present(self, node: &Node) -> bool {
        if let Some((arg, ..)) = cast_parts(node) {
            return self.is_present(arg);
        }
        if let Some((left, "+" | "-", _)) = binary(node) {
            return self.is_present(left);
        }
        if let Some(("date_trunc" | "timezone", call)) = plain_call(node) {
            return call.args.get(1).is_some_and(|arg| self.is_present(arg));
        }
        let parameter =
            param_number(node).and_then(|number| self.placeholders.fixed_parameter(number));
        parameter.is_some_and(|parameter| {
            matches!(parameter.source, ParameterSource::Today | ParameterSource::Now)
        })
    }
}

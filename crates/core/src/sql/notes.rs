//! Notes for the author: what became a slot, what did not, and why.

use std::collections::BTreeMap;

use pg_query::{Node, protobuf::BoolExprType};

use super::{
    error::SqlFault,
    literals::{DayLiteral, looks_like_a_date, subtracted},
    placeholders::Placeholders,
    tree::{binary, string_constant},
    walk::{SqlNode, Visitor, first_location, walk},
};
use crate::window::ParamName;

/// How serious a note is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoteSeverity {
    /// For information.
    #[default]
    Info,
    /// Probably a mistake of the author's.
    Warning,
}

impl NoteSeverity {
    /// Returns its name in answers and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
        }
    }
}

/// A note on one location of the SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) location: i32,
    pub(super) is_slot: bool,
    pub(super) severity: NoteSeverity,
    /// See [`SlotNote::of_records`](super::SlotNote::of_records).
    pub(super) of_records: bool,
    pub(super) message: String,
}

impl Note {
    /// For information.
    pub(super) fn info(location: i32, is_slot: bool, message: String) -> Self {
        Self { location, is_slot, severity: NoteSeverity::Info, of_records: false, message }
    }
}

/// Notes the literals that stay as written. `reasons` says why, by location, where that is known.
pub(super) fn on_literals(
    tree: &mut Node,
    placeholders: &Placeholders,
    reasons: BTreeMap<i32, String>,
) -> Result<Vec<Note>, SqlFault> {
    let mut literals =
        RemainingLiterals { placeholders, reasons, inside: Vec::new(), notes: Vec::new() };
    walk(tree, &mut literals)?;
    Ok(literals.notes)
}

struct RemainingLiterals<'a> {
    placeholders: &'a Placeholders,
    reasons: BTreeMap<i32, String>,
    /// The contexts that rule slots out, innermost last.
    inside: Vec<Surroundings>,
    notes: Vec<Note>,
}

impl Visitor for RemainingLiterals<'_> {
    fn enter(&mut self, node: &mut SqlNode<'_>) -> Result<(), SqlFault> {
        self.inside.extend(surroundings(node));
        Ok(())
    }

    fn leave(&mut self, node: &mut SqlNode<'_>) -> Result<(), SqlFault> {
        if surroundings(node).is_some() {
            self.inside.pop();
        }
        Ok(())
    }

    fn replace(&mut self, node: &mut Node) -> Result<(), SqlFault> {
        if let Some((text, location)) = string_constant(node) {
            let is_whole = DayLiteral::read(node).is_some();
            if is_whole || looks_like_a_date(text) {
                let reason = (!is_whole).then_some("it is not a whole day");
                self.note(location, &format!("'{text}'"), reason, RANGE_RULE);
            } else if let Some(name) = placeholder_in(text) {
                let message = format!("{name} inside a string is not replaced");
                self.notes.push(Note::info(location, false, message));
            }
        } else if binary(node).is_some()
            && let Some(subtracted) = subtracted(node, self.placeholders)
            && let amount = subtracted.amount
            && !holds_parameter(amount)?
        {
            let reason = match subtracted.days() {
                Some(_) => None,
                None => Some("only a number of whole days or weeks becomes a slot"),
            };
            self.note(first_location(amount), "the amount subtracted here", reason, DAYS_RULE);
        }
        Ok(())
    }
}

const RANGE_RULE: &str = "only `x BETWEEN 'd1' AND 'd2'` and `x >= 'd1' AND x < 'd2'` among the \
                          AND-ed conditions of a WHERE or ON become slots";
const DAYS_RULE: &str = "only in a lower bound, such as `x >= CURRENT_DATE - 30`, among the AND-ed \
                         conditions of a WHERE or ON does it become a slot";

impl RemainingLiterals<'_> {
    fn note(&mut self, location: i32, what: &str, reason: Option<&str>, rule: &str) {
        if location < 0 {
            return; // Not the author's: `'yesterday'` is already today minus 1.
        }
        let inside = self.inside.last().and_then(|surroundings| match surroundings {
            Surroundings::Excluding(inside) => Some(inside),
            Surroundings::Query => None,
        });
        let inside = inside.map(|inside| format!("it is {inside}; {rule}"));
        let reason = self
            .reasons
            .get(&location)
            .cloned()
            .or_else(|| reason.map(str::to_owned))
            .or(inside)
            .unwrap_or_else(|| rule.to_owned());
        let message = format!("{what} stays as written: {reason}");
        self.notes.push(Note::info(location, false, message));
    }
}

/// The effect of a node on the literals inside it.
enum Surroundings {
    /// No literal inside it becomes a slot.
    Excluding(&'static str),
    /// A subquery: its own WHERE counts again.
    Query,
}

fn surroundings(node: &SqlNode<'_>) -> Option<Surroundings> {
    match node {
        SqlNode::BoolExpr(expr) => match expr.boolop() {
            BoolExprType::OrExpr => Some(Surroundings::Excluding("under OR")),
            BoolExprType::NotExpr => Some(Surroundings::Excluding("under NOT")),
            _ => None,
        },
        SqlNode::CaseExpr(_) => Some(Surroundings::Excluding("in CASE")),
        SqlNode::SelectStmt(_) => Some(Surroundings::Query),
        _ => None,
    }
}

fn placeholder_in(text: &str) -> Option<String> {
    ParamName::ALL.map(|param| format!(":{param}")).into_iter().find(|name| text.contains(name))
}

fn holds_parameter(node: &Node) -> Result<bool, SqlFault> {
    struct Holds(bool);
    impl Visitor for Holds {
        fn enter(&mut self, node: &mut SqlNode<'_>) -> Result<(), SqlFault> {
            self.0 |= matches!(node, SqlNode::ParamRef(_));
            Ok(())
        }
    }
    let mut holds = Holds(false);
    walk(&mut node.clone(), &mut holds)?;
    Ok(holds.0)
}

//! The places of a tree that a template fills: each is a numbered `$n` here until the template is
//! made, when the numbers become PostgreSQL's.
//!
//! Never splices a value into SQL: a hole becomes a parameter or the author's own words again.

use std::collections::BTreeMap;

use pg_query::{
    Node, NodeEnum,
    protobuf::{ParamRef, Token},
};

use super::{
    error::Fault,
    grammar,
    parameter::{Parameter, ParameterType},
    scan::{slice, tokens},
    tree::{cast, operation, param, param_number, string},
    walk::{Visitor, walk},
};

/// All holes of a tree, by number.
#[derive(Debug, Clone, Default)]
pub(super) struct Holes(BTreeMap<i32, Hole>);

#[derive(Debug, Clone)]
enum Hole {
    /// A placeholder or the clock. The same value is the same parameter wherever it stands:
    /// PostgreSQL would not see otherwise that a GROUP BY repeats an expression.
    Fixed(Parameter),
    /// A literal that may become a parameter.
    Literal { original: Box<Node>, filling: Filling },
}

/// What a literal's hole is filled with when it does become a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Filling {
    /// `$n`, of the type that its surroundings give it.
    Value(Parameter),
    /// `$n::int`
    Days(Parameter),
    /// `$n::int * '1 day'::interval`
    DaysInterval(Parameter),
}

/// A tree in print.
#[derive(Debug, Clone)]
pub(super) struct Printed {
    pub(super) sql: String,
    /// For each `$n`, in order.
    pub(super) parameters: Vec<Parameter>,
    /// The hole behind each `$n`.
    pub(super) holes: Vec<i32>,
}

impl Holes {
    /// A new hole that always becomes a parameter, cast to its type.
    pub(super) fn fixed(&mut self, parameter: Parameter, location: i32) -> Node {
        let known = self.0.iter().find_map(|(number, hole)| match hole {
            Hole::Fixed(other) if *other == parameter => Some(*number),
            _ => None,
        });
        let ty = match parameter.ty {
            ParameterType::Date => "date",
            ParameterType::Timestamp => "timestamp",
            ParameterType::TimestampTz => "timestamptz",
            ParameterType::Text => "text",
            ParameterType::Int => "int4",
        };
        let number = known.unwrap_or_else(|| self.add(Hole::Fixed(parameter)));
        cast(param(number, location), ty, Vec::new())
    }

    /// Makes a hole of a literal, and says its number.
    pub(super) fn literal(&mut self, literal: &mut Node, location: i32, filling: Filling) -> i32 {
        let number = self.add(Hole::Literal { original: Box::new(literal.clone()), filling });
        *literal = param(number, location);
        number
    }

    /// The author's words again, in place of the holes that `stays` refuses.
    pub(super) fn restore(
        &mut self,
        tree: &mut Node,
        stays: impl Fn(i32) -> bool,
    ) -> Result<(), Fault> {
        let mut originals = BTreeMap::new();
        self.0.retain(|number, hole| match hole {
            Hole::Literal { original, .. } if !stays(*number) => {
                originals.insert(*number, (**original).clone());
                false
            }
            _ => true,
        });
        walk(tree, &mut Fill(|number| originals.get(&number).cloned()))
    }

    /// Gives a literal's hole the type that PREPARE found.
    pub(super) fn set_type(&mut self, number: i32, found: ParameterType) {
        if let Some(Hole::Literal { filling: Filling::Value(parameter), .. }) =
            self.0.get_mut(&number)
        {
            parameter.ty = found;
        }
    }

    /// Gives a literal other words for when it is restored.
    pub(super) fn set_original(&mut self, number: i32, words: Node) {
        if let Some(Hole::Literal { original, .. }) = self.0.get_mut(&number) {
            **original = words;
        }
    }

    /// The parameter of a hole that always is one.
    pub(super) fn fixed_parameter(&self, number: i32) -> Option<Parameter> {
        match self.0.get(&number) {
            Some(Hole::Fixed(parameter)) => Some(parameter.clone()),
            _ => None,
        }
    }

    /// Prints `tree` with PostgreSQL's numbering: `$1` is the first in the text.
    pub(super) fn print(&self, tree: &Node) -> Result<Printed, Fault> {
        let mut filled = tree.clone();
        walk(&mut filled, &mut Fill(|number| self.filling(number)))?;
        let holes = order(&grammar::deparse(&filled)?)?;
        let numbers: BTreeMap<i32, i32> = (1..).zip(&holes).map(|(n, hole)| (*hole, n)).collect();
        walk(&mut filled, &mut Fill(|number| numbers.get(&number).map(|n| param(*n, -1))))?;
        let parameters = holes.iter().filter_map(|hole| self.parameter(*hole)).collect();
        Ok(Printed { sql: grammar::print(&filled)?, parameters, holes })
    }

    fn add(&mut self, hole: Hole) -> i32 {
        let number = self.0.last_key_value().map_or(FIRST, |(last, _)| last + 1);
        self.0.insert(number, hole);
        number
    }

    fn parameter(&self, number: i32) -> Option<Parameter> {
        Some(match self.0.get(&number)? {
            Hole::Fixed(parameter) => parameter.clone(),
            Hole::Literal { filling, .. } => match filling {
                Filling::Value(parameter)
                | Filling::Days(parameter)
                | Filling::DaysInterval(parameter) => parameter.clone(),
            },
        })
    }

    fn filling(&self, number: i32) -> Option<Node> {
        let Some(Hole::Literal { filling, .. }) = self.0.get(&number) else {
            return None;
        };
        let days = || cast(param(number, -1), "int4", Vec::new());
        Some(match filling {
            Filling::Value(_) => param(number, -1),
            Filling::Days(_) => days(),
            Filling::DaysInterval(_) => {
                operation(days(), "*", cast(string("1 day"), "interval", Vec::new()))
            }
        })
    }
}

/// Holes are numbered from here, apart from the placeholders' own `$1`, `$2` … before them.
const FIRST: i32 = 100_001;

/// Puts other nodes in the place of `$n`.
struct Fill<F>(F);

impl<F: Fn(i32) -> Option<Node>> Visitor for Fill<F> {
    fn replace(&mut self, node: &mut Node) -> Result<(), Fault> {
        if let Some(other) = param_number(node).and_then(&self.0) {
            let location = match &node.node {
                Some(NodeEnum::ParamRef(ParamRef { location, .. })) => *location,
                _ => -1,
            };
            *node = other;
            if let Some(NodeEnum::ParamRef(param)) = &mut node.node {
                param.location = location;
            }
        }
        Ok(())
    }
}

/// The numbers of a text's `$n`, each once, in order of appearance.
fn order(sql: &str) -> Result<Vec<i32>, Fault> {
    let mut seen = Vec::new();
    for token in tokens(sql)?.iter().filter(|token| token.token() == Token::Param) {
        let number = slice(sql, token).trim_start_matches('$').parse().unwrap_or(0);
        if !seen.contains(&number) {
            seen.push(number);
        }
    }
    Ok(seen)
}

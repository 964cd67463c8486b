//! The placeholders `$n` of a tree. Their numbers are our own until the template is printed, when they
//! become PostgreSQL's.
//!
//! Never splices a value into SQL: a placeholder becomes a parameter, or the author's literal again.

use std::collections::BTreeMap;

use pg_query::{
    Node, NodeEnum,
    protobuf::{ParamRef, Token},
};

use super::{
    error::SqlFault,
    grammar,
    parameter::{Parameter, ParameterType},
    scan::{slice, tokens},
    tree::{cast, integer, operation, param, param_number, string},
    walk::{Visitor, walk},
};

/// The placeholders of a tree, by number.
#[derive(Debug, Clone, Default)]
pub(super) struct Placeholders(BTreeMap<i32, Placeholder>);

#[derive(Debug, Clone)]
enum Placeholder {
    /// A named placeholder or the clock. The same value is the same parameter wherever it stands:
    /// PostgreSQL would not see otherwise that a GROUP BY repeats an expression.
    Fixed(Parameter),
    /// A literal that may become a parameter.
    Literal { original: Box<Node>, kind: LiteralKind },
}

/// The expression that replaces a literal when it does become a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LiteralKind {
    /// `$n`, of the type that its surroundings give it.
    Value(Parameter),
    /// `$n::date`, of the type of its parameter.
    Cast(Parameter),
    /// `$n::int` or `$n::int * '1 day'::interval`, or the same before zero.
    Days { parameter: Parameter, is_interval: bool, is_negative: bool },
    /// `$n::text || 'T23:59:59Z'`: the day varies, and its time of day stays as written.
    Instant {
        parameter: Parameter,
        time: String,
        /// The type that its surroundings gave the literal.
        ty: Option<ParameterType>,
    },
}

/// A printed tree.
#[derive(Debug, Clone)]
pub(super) struct Printed {
    pub(super) sql: String,
    /// For each `$n`, in order.
    pub(super) parameters: Vec<Parameter>,
    /// Our own number of each `$n`, in order.
    pub(super) numbers: Vec<i32>,
}

impl Placeholders {
    /// Adds a placeholder that always becomes a parameter, and returns it cast to its type.
    pub(super) fn fixed(&mut self, parameter: Parameter, location: i32) -> Node {
        let known = self.0.iter().find_map(|(number, placeholder)| match placeholder {
            Placeholder::Fixed(other) if *other == parameter => Some(*number),
            _ => None,
        });
        let ty = type_name(parameter.ty);
        let number = known.unwrap_or_else(|| self.add(Placeholder::Fixed(parameter)));
        cast(param(number, location), ty, Vec::new())
    }

    /// Replaces a literal by a placeholder, and returns its number.
    pub(super) fn literal(&mut self, literal: &mut Node, location: i32, kind: LiteralKind) -> i32 {
        let number = self.add(Placeholder::Literal { original: Box::new(literal.clone()), kind });
        *literal = param(number, location);
        number
    }

    /// Restores the author's literals in place of the placeholders that `stays` refuses.
    pub(super) fn restore(
        &mut self,
        tree: &mut Node,
        stays: impl Fn(i32) -> bool,
    ) -> Result<(), SqlFault> {
        let mut originals = BTreeMap::new();
        self.0.retain(|number, placeholder| match placeholder {
            Placeholder::Literal { original, .. } if !stays(*number) => {
                originals.insert(*number, (**original).clone());
                false
            }
            _ => true,
        });
        walk(tree, &mut Substitute(|number| originals.get(&number).cloned()))
    }

    /// Sets the type that PREPARE inferred for a literal.
    pub(super) fn set_type(&mut self, number: i32, inferred: ParameterType) {
        if let Some(Placeholder::Literal { kind: LiteralKind::Value(parameter), .. }) =
            self.0.get_mut(&number)
        {
            parameter.ty = inferred;
        }
    }

    /// Makes a literal the day of an instant: `time` follows it, and `ty` is the type that PREPARE inferred
    /// for a literal without a cast.
    pub(super) fn set_instant(&mut self, number: i32, time: &str, ty: Option<ParameterType>) {
        if let Some(Placeholder::Literal { kind, .. }) = self.0.get_mut(&number)
            && let LiteralKind::Value(Parameter { source, .. }) = kind
        {
            let parameter = Parameter { source: source.clone(), ty: ParameterType::Text };
            *kind = LiteralKind::Instant { parameter, time: time.to_owned(), ty };
        }
    }

    /// Sets the expression that [`Self::restore`] puts in place of a literal.
    pub(super) fn set_original(&mut self, number: i32, expression: Node) {
        if let Some(Placeholder::Literal { original, .. }) = self.0.get_mut(&number) {
            **original = expression;
        }
    }

    /// Returns the parameter of a placeholder that always is one.
    pub(super) fn fixed_parameter(&self, number: i32) -> Option<Parameter> {
        match self.0.get(&number) {
            Some(Placeholder::Fixed(parameter)) => Some(parameter.clone()),
            _ => None,
        }
    }

    /// Prints `tree` with PostgreSQL's numbering: `$1` is the first in the text.
    pub(super) fn print(&self, tree: &Node) -> Result<Printed, SqlFault> {
        let mut filled = tree.clone();
        walk(&mut filled, &mut Substitute(|number| self.expression(number)))?;
        let numbers = in_text_order(&grammar::deparse(&filled)?)?;
        let renumbered: BTreeMap<i32, i32> =
            (1..).zip(&numbers).map(|(printed, number)| (*number, printed)).collect();
        let printed = |number| renumbered.get(&number).map(|printed| param(*printed, -1));
        walk(&mut filled, &mut Substitute(printed))?;
        let parameters = numbers.iter().filter_map(|number| self.parameter(*number)).collect();
        Ok(Printed { sql: grammar::print(&filled)?, parameters, numbers })
    }

    fn add(&mut self, placeholder: Placeholder) -> i32 {
        let number = self.0.last_key_value().map_or(FIRST, |(last, _)| last + 1);
        self.0.insert(number, placeholder);
        number
    }

    fn parameter(&self, number: i32) -> Option<Parameter> {
        Some(match self.0.get(&number)? {
            Placeholder::Fixed(parameter) => parameter.clone(),
            Placeholder::Literal { kind, .. } => match kind {
                LiteralKind::Value(parameter)
                | LiteralKind::Cast(parameter)
                | LiteralKind::Days { parameter, .. }
                | LiteralKind::Instant { parameter, .. } => parameter.clone(),
            },
        })
    }

    /// Returns the expression that stands for a literal's placeholder in print.
    fn expression(&self, number: i32) -> Option<Node> {
        let Some(Placeholder::Literal { kind, .. }) = self.0.get(&number) else {
            return None;
        };
        let days = || cast(param(number, -1), "int4", Vec::new());
        Some(match kind {
            LiteralKind::Value(_) => param(number, -1),
            LiteralKind::Cast(parameter) => {
                cast(param(number, -1), type_name(parameter.ty), Vec::new())
            }
            LiteralKind::Days { is_interval, is_negative, .. } => {
                match (is_interval, is_negative) {
                    (false, false) => days(),
                    (false, true) => operation(days(), "*", integer(-1)),
                    (true, _) => {
                        let day = if *is_negative { "-1 day" } else { "1 day" };
                        operation(days(), "*", cast(string(day), "interval", Vec::new()))
                    }
                }
            }
            LiteralKind::Instant { time, ty, .. } => {
                let day = cast(param(number, -1), "text", Vec::new());
                let text = if time.is_empty() { day } else { operation(day, "||", string(time)) };
                match ty {
                    Some(ty) => cast(text, type_name(*ty), Vec::new()),
                    None => text,
                }
            }
        })
    }
}

fn type_name(ty: ParameterType) -> &'static str {
    match ty {
        ParameterType::Date => "date",
        ParameterType::Timestamp => "timestamp",
        ParameterType::TimestampTz => "timestamptz",
        ParameterType::Text => "text",
        ParameterType::Int => "int4",
    }
}

/// The first number, apart from the parser's own `$1`, `$2` … of the named placeholders.
const FIRST: i32 = 100_001;

/// Substitutes other nodes for `$n`.
struct Substitute<F>(F);

impl<F: Fn(i32) -> Option<Node>> Visitor for Substitute<F> {
    fn replace(&mut self, node: &mut Node) -> Result<(), SqlFault> {
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

/// Returns the numbers of a text's `$n`, each once, in order of appearance.
fn in_text_order(sql: &str) -> Result<Vec<i32>, SqlFault> {
    let mut seen = Vec::new();
    for token in tokens(sql)?.iter().filter(|token| token.token() == Token::Param) {
        let number = slice(sql, token).trim_start_matches('$').parse().unwrap_or(0);
        if !seen.contains(&number) {
            seen.push(number);
        }
    }
    Ok(seen)
}

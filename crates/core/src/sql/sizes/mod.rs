//! Bounds what a statement can make PostgreSQL do in one step that no signal ends: a call of a function that takes time as
//! the product of its arguments, on arguments that the statement itself has made large; and the planning of a statement
//! that grows when its subqueries are put in.
//!
//! Must never look at rows: a table may hold large values, and its owner knows. What a statement can make of them is
//! estimated from its text, with columns, placeholders and short constants as the unit.

mod calls;
mod expressions;
mod jsonpath;
mod relations;
mod replacing;
mod rules;
mod selects;
mod value;
mod zones;

use std::collections::HashMap;

use pg_query::Node;

use super::{
    error::SqlFault,
    estimates::ParameterKind,
    walk::{SqlNode, Visitor, walk},
};
use expressions::Sizes;

/// Checks that no step of `tree` can be made endless, and that planning it is bounded. `parameters` tells the kind of each
/// `$n`. The walk has admitted every node of it.
pub(super) fn check(tree: &mut Node, parameters: &[ParameterKind]) -> Result<(), SqlFault> {
    estimated(tree, parameters).map(drop)
}

/// Whether `tree` makes a large value of constants, which the planner would keep with the statement.
pub(super) fn makes_large_values(tree: &mut Node, parameters: &[ParameterKind]) -> bool {
    estimated(tree, parameters).is_ok_and(|sizes| sizes.makes_large_values)
}

fn estimated<'a>(tree: &mut Node, parameters: &'a [ParameterKind]) -> Result<Sizes<'a>, SqlFault> {
    let mut references = References::default();
    walk(tree, &mut references)?;
    let mut sizes = Sizes::new(parameters, references.0);
    sizes.statement(tree)?;
    Ok(sizes)
}

/// How often each name stands in a FROM, whatever it means there.
#[derive(Default)]
struct References(HashMap<String, usize>);

impl Visitor for References {
    fn enter(&mut self, node: &mut SqlNode<'_>) -> Result<(), SqlFault> {
        if let SqlNode::RangeVar(table) = node {
            *self.0.entry(table.relname.clone()).or_default() += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

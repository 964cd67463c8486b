//! The columns that the SELECTs of a query give, by name: which are made from others, which are parts of
//! dates, and which are constants.
//!
//! Knows no scopes: in doubt a name means what any column of that name is.

use std::collections::{BTreeMap, BTreeSet};

use pg_query::{
    Node, NodeEnum,
    protobuf::{RangeFunction, ResTarget},
};

use super::{
    date_parts::{DatePart, columns_of, unwrapped, values},
    error::SqlFault,
    names::column_name,
    period::{LengthUnit, folded, is, number},
    tree::{binary, plain_call, string_constant, sval, target},
    walk::{SqlNode, Visitor, walk},
};

/// The columns of all SELECTs of a query.
#[derive(Debug)]
pub(super) struct Outputs {
    /// The columns of a period, and those made from them.
    pub(super) bounded: BTreeSet<String>,
    /// The parts of dates.
    pub(super) parts: BTreeMap<String, DatePart>,
    /// The numbers and texts that the SELECTs and VALUES give whatever the rows are.
    pub(super) constants: BTreeMap<String, Vec<Node>>,
    /// The numbers of weeks, months and the like that rows have.
    pub(super) counts: BTreeMap<String, LengthUnit>,
}

/// The most steps in which a column is made from another: a name for each subquery that it passes.
const MAX_STEPS: u32 = 16;

impl Outputs {
    /// Collects the columns of `tree`, where `bounded` are those of a period.
    pub(super) fn of(tree: &mut Node, mut bounded: BTreeSet<String>) -> Result<Self, SqlFault> {
        let mut collected = Collector::default();
        walk(tree, &mut collected)?;
        let Collector { made_from, parts, constants, counts } = collected;
        for _ in 0..MAX_STEPS {
            let made = made_from.iter().filter(|(_, from)| !from.is_disjoint(&bounded));
            let made: Vec<_> = made.map(|(name, _)| name.clone()).collect();
            let before = bounded.len();
            bounded.extend(made);
            if bounded.len() == before {
                break;
            }
        }
        Ok(Self { bounded, parts, constants, counts })
    }
}

#[derive(Default)]
struct Collector {
    /// Each column with those in its expression.
    made_from: Vec<(String, BTreeSet<String>)>,
    parts: BTreeMap<String, DatePart>,
    constants: BTreeMap<String, Vec<Node>>,
    counts: BTreeMap<String, LengthUnit>,
}

impl Visitor for Collector {
    fn enter(&mut self, node: &mut SqlNode<'_>) -> Result<(), SqlFault> {
        match node {
            SqlNode::ResTarget(target) => {
                let name = match target.name.as_str() {
                    "" => column_name(target.val.as_deref(), &[]),
                    name => name.to_owned(),
                };
                self.add(name, target);
            }
            SqlNode::CommonTableExpr(cte) => {
                self.renamed(&cte.aliascolnames, cte.ctequery.as_deref());
            }
            SqlNode::RangeSubselect(subquery) => {
                let names = subquery.alias.as_ref().map_or(&[][..], |alias| &alias.colnames);
                self.renamed(names, subquery.subquery.as_deref());
            }
            SqlNode::RangeFunction(range) => self.unnested(range),
            _ => {}
        }
        Ok(())
    }
}

impl Collector {
    fn add(&mut self, name: String, target: &ResTarget) {
        let Some(value) = target.val.as_deref() else {
            return;
        };
        self.parts.extend(DatePart::read(value).map(|part| (name.clone(), part)));
        self.add_constant(&name, value);
        self.counts.extend(DatePart::counted(value).map(|unit| (name.clone(), unit)));
        self.made_from.push((name, columns_of(value)));
    }

    fn add_constant(&mut self, name: &str, value: &Node) {
        let value = unwrapped(value);
        if folded(value).is_some() || string_constant(value).is_some() {
            self.constants.entry(name.to_owned()).or_default().push(value.clone());
        }
    }

    /// Adds the columns of a subquery whose names stand beside it, and those of VALUES.
    fn renamed(&mut self, names: &[Node], query: Option<&Node>) {
        let Some(NodeEnum::SelectStmt(select)) = query.and_then(|query| query.node.as_ref()) else {
            return;
        };
        let targets = select.target_list.iter().filter_map(target);
        for (name, target) in names.iter().filter_map(sval).zip(targets) {
            self.add(name.to_owned(), target);
        }
        for row in &select.values_lists {
            let Some(NodeEnum::List(row)) = &row.node else {
                continue;
            };
            for (at, value) in row.items.iter().enumerate() {
                let name = names.get(at).and_then(sval).map(str::to_owned);
                let name = name.unwrap_or_else(|| format!("column{}", at + 1));
                self.add_constant(&name, value);
            }
        }
    }

    /// Adds the column of `unnest(ARRAY[…]) AS name`.
    fn unnested(&mut self, range: &RangeFunction) {
        let Some(alias) = &range.alias else {
            return;
        };
        let name = alias.colnames.first().and_then(sval).unwrap_or(&alias.aliasname);
        let calls = range.functions.iter().filter_map(|function| match &function.node {
            Some(NodeEnum::List(list)) => plain_call(list.items.first()?),
            _ => None,
        });
        for (_, call) in calls.filter(|(name, _)| *name == "unnest") {
            for value in call.args.iter().flat_map(values) {
                self.add_constant(name, value);
            }
        }
    }
}

/// Returns the constant texts that an output shows whatever the rows are.
pub(super) fn labels(output: &Node) -> Vec<&Node> {
    let output = unwrapped(output);
    if let Some((left, "||", right)) = binary(output) {
        return [labels(left), labels(right)].concat();
    }
    match (plain_call(output), &output.node) {
        (Some(("concat" | "concat_ws" | "format", call)), _) => {
            call.args.iter().flat_map(labels).collect()
        }
        (_, Some(NodeEnum::CoalesceExpr(expr))) => expr.args.iter().flat_map(labels).collect(),
        _ => vec![output],
    }
}

/// Returns the location of a divisor that a column's name explains: `x / 12 AS dozens`.
pub(super) fn explained_divisor(target: &ResTarget) -> Option<i32> {
    let (_, "/", divisor) = binary(unwrapped(target.val.as_deref()?))? else {
        return None;
    };
    let (value, location) = number(unwrapped(divisor))?;
    let lower = target.name.to_ascii_lowercase();
    let explained = match lower.as_str() {
        "half" | "halves" | "pairs" => 2.0,
        "dozen" | "dozens" => 12.0,
        _ => return None,
    };
    is(value, explained).then_some(location)
}

//! The columns that the SELECTs of a query give, by name: which are made from others, which are parts of
//! dates, and which are constants.
//!
//! Knows no scopes: in doubt a name means what any column of that name is.

use std::collections::{BTreeMap, BTreeSet};

use pg_query::{Node, NodeEnum, protobuf::ResTarget};

use super::{
    date_parts::{DatePart, columns_of},
    error::SqlFault,
    names::column_name,
    period::folded,
    tree::{sval, target},
    walk::{SqlNode, Visitor, walk},
};

/// The columns of all SELECTs of a query.
#[derive(Debug)]
pub(super) struct Outputs {
    /// The columns of a period, and those made from them.
    pub(super) bounded: BTreeSet<String>,
    /// The parts of dates.
    pub(super) parts: BTreeMap<String, DatePart>,
    /// The numbers.
    pub(super) constants: BTreeMap<String, f64>,
}

/// The most steps in which a column is made from another: a name for each subquery that it passes.
const MAX_STEPS: u32 = 16;

impl Outputs {
    /// Collects the columns of `tree`, where `bounded` are those of a period.
    pub(super) fn of(tree: &mut Node, mut bounded: BTreeSet<String>) -> Result<Self, SqlFault> {
        let mut collected = Collector::default();
        walk(tree, &mut collected)?;
        let Collector { made_from, parts, constants } = collected;
        for _ in 0..MAX_STEPS {
            let made = made_from.iter().filter(|(_, from)| !from.is_disjoint(&bounded));
            let made: Vec<_> = made.map(|(name, _)| name.clone()).collect();
            let before = bounded.len();
            bounded.extend(made);
            if bounded.len() == before {
                break;
            }
        }
        Ok(Self { bounded, parts, constants })
    }
}

#[derive(Default)]
struct Collector {
    /// Each column with those in its expression.
    made_from: Vec<(String, BTreeSet<String>)>,
    parts: BTreeMap<String, DatePart>,
    constants: BTreeMap<String, f64>,
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
                if let Some(alias) = &subquery.alias {
                    self.renamed(&alias.colnames, subquery.subquery.as_deref());
                }
            }
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
        self.constants.extend(folded(value).map(|value| (name.clone(), value)));
        self.made_from.push((name, columns_of(value)));
    }

    /// Adds the columns of a subquery whose names stand beside it.
    fn renamed(&mut self, names: &[Node], query: Option<&Node>) {
        if let Some(NodeEnum::SelectStmt(select)) = query.and_then(|query| query.node.as_ref()) {
            let targets = select.target_list.iter().filter_map(target);
            for (name, target) in names.iter().filter_map(sval).zip(targets) {
                self.add(name.to_owned(), target);
            }
        }
    }
}

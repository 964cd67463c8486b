//! The operators of a query, each with the columns that it may be applied to.
//!
//! Which operator a name means depends on the types of its operands, which only the database knows. So each use says by
//! which names its operands may come from a table; in doubt, by any.

use std::collections::{BTreeMap, BTreeSet};

use pg_query::{
    Node,
    protobuf::{AExpr, AExprKind, Alias, JoinExpr},
};

use super::{
    error::{Offset, SqlFault, lines_and_columns},
    names::column_name,
    tree::sval,
    walk::{SqlNode, Visitor, walk},
};

/// An operator that a query names without a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorUse {
    /// Its name.
    pub name: String,
    /// The columns that its operands may be made of; `None` for any.
    pub columns: Option<BTreeSet<String>>,
    /// Line in the SQL, from 1, of its first use.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// The operators of a query by name, before their places are those of a text.
#[derive(Debug, Default)]
pub(super) struct UsedOperators(BTreeMap<String, Use>);

#[derive(Debug)]
struct Use {
    location: i32,
    columns: BTreeSet<String>,
    is_of_any: bool,
}

impl UsedOperators {
    /// Collects the operators of `tree`.
    pub(super) fn of(tree: &mut Node) -> Result<Self, SqlFault> {
        let mut collector = Collector::default();
        walk(tree, &mut collector)?;
        let Collector { mut used, made_from, .. } = collector;
        for of in used.values_mut() {
            // A column may be made of another, which is made of another.
            let mut names: Vec<String> = of.columns.iter().cloned().collect();
            while let Some(name) = names.pop() {
                for from in made_from.get(&name).into_iter().flatten() {
                    if of.columns.insert(from.clone()) {
                        names.push(from.clone());
                    }
                }
            }
            of.is_of_any |= of.columns.contains(ANY);
        }
        Ok(Self(used))
    }

    pub(super) fn in_text(&self, text: &str) -> Vec<OperatorUse> {
        let offsets: Vec<_> = self.0.values().map(|of| Offset::from(of.location).0).collect();
        let places = lines_and_columns(text, &offsets);
        let operator = |((name, of), (line, column)): ((&String, &Use), (u32, u32))| OperatorUse {
            name: name.clone(),
            columns: (!of.is_of_any).then(|| of.columns.clone()),
            line,
            column,
        };
        self.0.iter().zip(places).map(operator).collect()
    }
}

/// The column that stands for any.
const ANY: &str = "*";

#[derive(Default)]
struct Collector {
    used: BTreeMap<String, Use>,
    /// What each column that the query itself names is made from.
    made_from: BTreeMap<String, BTreeSet<String>>,
    /// The operators whose operands are under way.
    operators: Vec<String>,
    /// The columns under way, and the names of those of subqueries.
    outputs: Vec<Vec<String>>,
}

impl Visitor for Collector {
    fn enter(&mut self, node: &mut SqlNode<'_>) -> Result<(), SqlFault> {
        match node {
            SqlNode::AExpr(expr) => {
                let names = named(expr);
                self.begin(&names, expr.location);
            }
            SqlNode::SubLink(sublink) => {
                // `IN (SELECT …)` has no name of its operator.
                let name =
                    unqualified(&sublink.oper_name).or(sublink.testexpr.as_ref().map(|_| "="));
                let names: Vec<_> = name.into_iter().map(str::to_owned).collect();
                self.begin(&names, sublink.location);
            }
            SqlNode::SortBy(sort) => {
                let names: Vec<_> =
                    unqualified(&sort.use_op).into_iter().map(str::to_owned).collect();
                self.begin(&names, sort.location);
            }
            SqlNode::CaseExpr(case) if case.arg.is_some() => {
                self.begin(&["=".to_owned()], case.location);
            }
            SqlNode::CaseExpr(case) => self.begin(&[], case.location),
            SqlNode::JoinExpr(join) => self.join(join),
            SqlNode::ResTarget(target) => {
                let name = match target.name.as_str() {
                    "" => column_name(target.val.as_deref(), &[]),
                    name => name.to_owned(),
                };
                self.outputs.push(vec![name]);
            }
            SqlNode::CommonTableExpr(cte) => {
                self.outputs
                    .push(cte.aliascolnames.iter().filter_map(sval).map(str::to_owned).collect());
            }
            SqlNode::RangeSubselect(subquery) => {
                self.outputs.push(aliases(subquery.alias.as_ref()));
            }
            SqlNode::RangeFunction(function) => {
                let mut names = aliases(function.alias.as_ref());
                names.extend(function.alias.iter().map(|alias| alias.aliasname.clone()));
                self.outputs.push(names);
            }
            SqlNode::RangeVar(table) => {
                for name in aliases(table.alias.as_ref()) {
                    self.made_from.entry(name).or_default().insert(ANY.to_owned());
                }
            }
            SqlNode::ColumnRef(column) => {
                let name = column.fields.last().and_then(sval).unwrap_or(ANY);
                self.add(name);
            }
            SqlNode::AIndirection(_) => self.add(ANY),
            _ => {}
        }
        Ok(())
    }

    fn leave(&mut self, node: &mut SqlNode<'_>) -> Result<(), SqlFault> {
        match node {
            SqlNode::AExpr(_) | SqlNode::SubLink(_) | SqlNode::SortBy(_) | SqlNode::CaseExpr(_) => {
                while self.operators.pop().is_some_and(|name| !name.is_empty()) {}
            }
            SqlNode::ResTarget(_)
            | SqlNode::CommonTableExpr(_)
            | SqlNode::RangeSubselect(_)
            | SqlNode::RangeFunction(_) => drop(self.outputs.pop()),
            _ => {}
        }
        Ok(())
    }
}

impl Collector {
    /// Begins the operands of operators.
    fn begin(&mut self, names: &[String], location: i32) {
        // An empty name ends what `leave` takes back.
        self.operators.push(String::new());
        for name in names {
            self.used_at(name, location);
            self.operators.push(name.clone());
        }
    }

    fn used_at(&mut self, name: &str, location: i32) -> &mut Use {
        let unused = Use { location, columns: BTreeSet::new(), is_of_any: false };
        self.used.entry(name.to_owned()).or_insert(unused)
    }

    fn add(&mut self, column: &str) {
        for (at, operator) in self.operators.iter().enumerate() {
            let is_first = !self.operators[..at].contains(operator);
            if let Some(of) = self.used.get_mut(operator).filter(|_| is_first) {
                of.columns.insert(column.to_owned());
            }
        }
        for output in self.outputs.iter().flatten() {
            if output != column {
                self.made_from.entry(output.clone()).or_default().insert(column.to_owned());
            }
        }
    }

    fn join(&mut self, join: &JoinExpr) {
        if join.is_natural {
            let of = self.used_at("=", -1);
            of.is_of_any = true;
        }
        for name in join.using_clause.iter().filter_map(sval) {
            self.used_at("=", -1).columns.insert(name.to_owned());
        }
    }
}

fn aliases(alias: Option<&Alias>) -> Vec<String> {
    let names = alias.into_iter().flat_map(|alias| alias.colnames.iter().filter_map(sval));
    names.map(str::to_owned).collect()
}

/// The operators that an expression stands for.
fn named(expr: &AExpr) -> Vec<String> {
    use AExprKind::{AexprBetween, AexprBetweenSym, AexprNotBetween, AexprNotBetweenSym};
    let is_between = matches!(
        expr.kind(),
        AexprBetween | AexprNotBetween | AexprBetweenSym | AexprNotBetweenSym
    );
    if is_between {
        return ["<", "<=", ">", ">="].map(str::to_owned).to_vec();
    }
    unqualified(&expr.name).into_iter().map(str::to_owned).collect()
}

/// A name that the database looks up among all of its schemas.
fn unqualified(names: &[Node]) -> Option<&str> {
    match names {
        [name] => sval(name),
        _ => None,
    }
}

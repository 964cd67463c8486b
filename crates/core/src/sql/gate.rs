//! The first gate: what a query may not be, and which tables it reads.
//!
//! Never asks whether a table may be read: that is the caller's question, about [`tables`]'s answer.

use std::collections::BTreeSet;

use pg_query::{Node, NodeEnum, protobuf::RangeVar};

use super::{
    TableName,
    error::Fault,
    walk::{Part, Visitor, walk},
};

/// The most nodes of a parse tree.
const MAX_NODES: usize = 20_000;

/// The tables that `tree` reads.
///
/// # Errors
/// When it holds a part that no query may hold, or more parts than it may.
pub(super) fn tables(tree: &mut Node) -> Result<BTreeSet<TableName>, Fault> {
    let mut gate = Gate::default();
    walk(tree, &mut gate)?;
    Ok(gate.tables)
}

#[derive(Default)]
struct Gate {
    nodes: usize,
    /// The names that WITH gives to the statements under way, outermost first.
    scopes: Vec<Vec<String>>,
    tables: BTreeSet<TableName>,
}

impl Visitor for Gate {
    fn enter(&mut self, part: &mut Part<'_>) -> Result<(), Fault> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            let message = format!("this query has more than {MAX_NODES} parts");
            return Err(Fault::new(0_usize, message).hint("split it into several metrics"));
        }
        match part {
            Part::SelectStmt(_) => self.scopes.push(Vec::new()),
            Part::WithClause(with) if with.recursive => {
                for cte in &with.ctes {
                    if let Some(NodeEnum::CommonTableExpr(cte)) = &cte.node {
                        self.name(&cte.ctename);
                    }
                }
            }
            Part::RangeVar(table) => self.table(table)?,
            _ => {}
        }
        Ok(())
    }

    fn leave(&mut self, part: &mut Part<'_>) -> Result<(), Fault> {
        match part {
            Part::SelectStmt(_) => {
                self.scopes.pop();
            }
            // Not before: without RECURSIVE, a WITH query sees the names before its own.
            Part::CommonTableExpr(cte) => self.name(&cte.ctename),
            _ => {}
        }
        Ok(())
    }
}

impl Gate {
    fn name(&mut self, cte: &str) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.push(cte.to_owned());
        }
    }

    fn table(&mut self, table: &RangeVar) -> Result<(), Fault> {
        let RangeVar { catalogname, schemaname, relname, location, .. } = table;
        let refuse = |message: String| Err(Fault::new(*location, message));
        if !catalogname.is_empty() {
            return refuse(format!(
                "{catalogname}.{schemaname}.{relname}: leave the database's name out"
            ));
        }
        let in_scope = || self.scopes.iter().flatten().any(|name| name == relname);
        if schemaname.is_empty() && in_scope() {
            return Ok(());
        }
        let system = schemaname == "information_schema" || schemaname.starts_with("pg_");
        if system || (schemaname.is_empty() && relname.starts_with("pg_")) {
            let name = if schemaname.is_empty() { String::new() } else { format!("{schemaname}.") };
            return refuse(format!(
                "{name}{relname} belongs to PostgreSQL's own catalogs, which queries may not read"
            ));
        }
        if schemaname == "metricd" {
            return refuse(format!(
                "metricd.{relname} belongs to metricd's own catalog, which queries may not read"
            ));
        }
        let schema = Some(schemaname.clone()).filter(|schema| !schema.is_empty());
        self.tables.insert(TableName { schema, name: relname.clone() });
        Ok(())
    }
}

//! The first gate: what a query may not be, and which tables it reads.
//!
//! Never asks whether a table may be read: that is the caller's question, about [`tables`]'s answer.

use std::collections::BTreeSet;

use pg_query::{Node, NodeEnum, protobuf::RangeVar};

use super::{
    TableName, Template,
    error::{Fault, SqlError},
    walk::{Part, Visitor, walk},
};

/// What a query may hold: the lists that come with metricd, and what an operator adds to them.
#[derive(Debug, Clone, Default)]
pub struct Gate {}

/// What an operator adds to the lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GateExtension {
    /// Tables outside `public` that may be read, as `schema.table` or `schema.*`.
    pub tables: Vec<String>,
    /// Functions that may be called, as `name` or `schema.name`.
    pub functions: Vec<String>,
    /// Types that may be cast to, as `name` or `schema.name`.
    pub types: Vec<String>,
}

impl Gate {
    /// The lists that come with metricd, and `extension`.
    ///
    /// # Errors
    /// One sentence for each entry that cannot be added.
    pub fn extended(_extension: &GateExtension) -> Result<Self, Vec<String>> {
        Ok(Self {})
    }

    /// Checks again a template that was stored.
    ///
    /// # Errors
    /// When it holds anything that a query may not hold now. Places are those of the template.
    pub fn recheck(&self, _template: &Template) -> Result<(), SqlError> {
        Ok(())
    }
}

/// The most nodes of a parse tree.
const MAX_NODES: usize = 20_000;

/// The tables that `tree` reads.
///
/// # Errors
/// When it holds a part that no query may hold, or more parts than it may.
pub(super) fn tables(_gate: &Gate, tree: &mut Node) -> Result<BTreeSet<TableName>, Fault> {
    let mut gate = Pass::default();
    walk(tree, &mut gate)?;
    Ok(gate.tables)
}

#[derive(Default)]
struct Pass {
    nodes: usize,
    /// The names that WITH gives to the statements under way, outermost first.
    scopes: Vec<Vec<String>>,
    tables: BTreeSet<TableName>,
}

impl Visitor for Pass {
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

impl Pass {
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

#[cfg(test)]
mod tests {
    use crate::sql::{Draft, Gate};

    fn tables(sql: &str) -> String {
        let draft = Draft::parse(sql, &Gate::default()).unwrap();
        draft.tables().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn tables_are_what_the_query_reads() {
        let cases = [
            ("SELECT 1", ""),
            ("SELECT * FROM orders o JOIN public.customers c ON true", "orders public.customers"),
            ("TABLE orders", "orders"),
            ("SELECT * FROM sales.orders, \"Orders\"", "Orders sales.orders"),
            ("SELECT (SELECT 1 FROM a WHERE EXISTS (TABLE b)) UNION SELECT 1 FROM c", "a b c"),
            ("SELECT * FROM generate_series(1, (SELECT max(n) FROM t))", "t"),
        ];
        for (sql, expected) in cases {
            assert_eq!(tables(sql), expected, "{sql}");
        }
    }

    #[test]
    fn a_with_query_is_no_table_where_its_name_is_known() {
        let cases = [
            ("WITH t AS (SELECT * FROM a) SELECT * FROM t", "a"),
            // Without RECURSIVE, a WITH query does not see itself.
            ("WITH t AS (SELECT * FROM t) SELECT * FROM t", "t"),
            ("WITH RECURSIVE t AS (SELECT 1 UNION ALL SELECT * FROM t) SELECT * FROM t", ""),
            // The second sees the first, not the other way round.
            ("WITH a AS (SELECT * FROM b), b AS (SELECT * FROM a) SELECT * FROM b", "b"),
            ("WITH RECURSIVE a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM a", ""),
            ("WITH t AS (SELECT 1) SELECT * FROM public.t", "public.t"),
            ("WITH t AS (SELECT 1) SELECT (SELECT max(x) FROM t)", ""),
            ("SELECT * FROM (WITH t AS (SELECT 1) SELECT * FROM t) s, t", "t"),
            ("WITH t AS (SELECT 1) SELECT * FROM t UNION SELECT * FROM t", ""),
            ("(WITH t AS (SELECT 1) SELECT * FROM t) UNION SELECT * FROM t", "t"),
            ("WITH o AS (WITH i AS (SELECT 1) SELECT * FROM i) SELECT * FROM o, i", "i"),
            ("WITH pg_x AS (SELECT 1) SELECT * FROM pg_x", ""),
        ];
        for (sql, expected) in cases {
            assert_eq!(tables(sql), expected, "{sql}");
        }
    }

    #[test]
    fn catalogs_are_refused_wherever_they_stand() {
        let cases = [
            ("SELECT * FROM pg_catalog.pg_class", "line 1, column 15: pg_catalog.pg_class belongs"),
            ("SELECT 1,\n (SELECT 1 FROM pg_roles)", "line 2, column 17: pg_roles belongs"),
            (
                "TABLE information_schema.tables",
                "line 1, column 7: information_schema.tables belongs",
            ),
            ("SELECT * FROM pg_toast.pg_toast_1", "line 1, column 15: pg_toast.pg_toast_1 belongs"),
            ("SELECT * FROM pg_temp_3.t", "line 1, column 15: pg_temp_3.t belongs"),
            ("SELECT * FROM metricd.queries", "line 1, column 15: metricd.queries belongs"),
            ("SELECT * FROM U&\"pg\\005Fclass\"", "line 1, column 15: pg_class belongs"),
            ("SELECT * FROM db.public.t", "line 1, column 15: db.public.t: leave"),
            ("WITH t AS (TABLE pg_class) TABLE t", "line 1, column 18: pg_class belongs"),
        ];
        for (sql, expected) in cases {
            let error = Draft::parse(sql, &Gate::default()).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}

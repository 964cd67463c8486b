//! Inspects a parse tree: what it may hold, and what it refers to.
//!
//! Goes over the whole tree and allows what the lists name: functions, operators, types and the
//! rest. Never asks whether a table may be read: that is the caller's question, about [`inspect`]'s
//! answer.
//!
//! `t.name` is a column where `t` has one, else a call of the function `name`, and the grammar
//! cannot tell which. So a field may not have the name of a refused function, and [`Inspected`] says
//! which fields the database has to be asked about. What grows without a call of a bounded function
//! is said in `bounds`.

use std::collections::BTreeSet;

use pg_query::{
    Node, NodeEnum,
    protobuf::{
        AExpr, AExprKind, AIndirection, CollateClause, FuncCall, RangeTableSample, RangeVar,
        SqlValueFunction, SqlValueFunctionOp as Op, TypeCast, TypeName,
    },
};

use super::{
    additions::Additions,
    bounds,
    error::SqlFault,
    estimates::ParameterKind,
    fields::{FieldCollector, not_refused},
    grammar,
    lists::LISTS,
    operators::UsedOperators,
    qualified::{is_builtin, names_database, qualified, written},
    sizes,
    table_name::TableName,
    tree::{sval, type_called},
    walk::{SqlNode, Visitor, first_location, walk},
};

/// The most nodes of a parse tree.
const MAX_NODES: usize = 100_000;

/// The references of a tree that only the database can judge.
pub(super) struct Inspected {
    pub(super) tables: BTreeSet<TableName>,
    pub(super) fields: FieldCollector,
    pub(super) operators: UsedOperators,
}

/// Checks every node of `tree`, and collects what only the database can judge. `parameters` tells the kind
/// of each `$n`.
///
/// # Errors
/// When it holds a node that no query may hold, or more nodes than it may.
pub(super) fn inspect(
    additions: &Additions,
    tree: &mut Node,
    parameters: &[ParameterKind],
) -> Result<Inspected, SqlFault> {
    let found = Inspected {
        tables: BTreeSet::new(),
        fields: FieldCollector::default(),
        operators: UsedOperators::of(tree)?,
    };
    let mut inspector = Inspector {
        additions,
        parameters,
        nodes: 0,
        path: Vec::new(),
        links: 0,
        scopes: Vec::new(),
        as_text: None,
        found,
    };
    walk(tree, &mut inspector)?;
    inspector.found.fields.check_refused()?;
    let found = inspector.found;
    sizes::check(tree, parameters)?;
    Ok(found)
}

struct Inspector<'a> {
    additions: &'a Additions,
    parameters: &'a [ParameterKind],
    nodes: usize,
    /// The nodes under way, outermost first.
    path: Vec<Level>,
    /// How many of them continue a chain.
    links: usize,
    /// The names that WITH gives to the statements under way, outermost first.
    scopes: Vec<Vec<String>>,
    /// Where the call stands that the cast entered last makes a text.
    as_text: Option<i32>,
    found: Inspected,
}

/// A level of a tree, as far as it decides how deep the tree may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    /// An operator.
    Operation,
    /// A SELECT, or several joined by set operations.
    Select,
    Other,
}

impl Level {
    fn of(node: &SqlNode<'_>) -> Self {
        match node {
            SqlNode::AExpr(_) => Self::Operation,
            SqlNode::SelectStmt(_) => Self::Select,
            _ => Self::Other,
        }
    }

    /// Whether it continues a chain such as `a || b || c`, which is as deep as it is long.
    fn continues(self, parent: Option<&Self>) -> bool {
        self != Self::Other && parent == Some(&self)
    }
}

impl Visitor for Inspector<'_> {
    fn enter(&mut self, node: &mut SqlNode<'_>) -> Result<(), SqlFault> {
        self.nodes += 1;
        let level = Level::of(node);
        self.links += usize::from(level.continues(self.path.last()));
        self.path.push(level);
        if self.nodes > MAX_NODES {
            let message = format!("this query has more than {MAX_NODES} parts");
            return Err(SqlFault::new(0_usize, message).hint("split it into several metrics"));
        }
        if self.path.len() - self.links > grammar::MAX_DEPTH || self.links > grammar::MAX_CHAIN {
            return Err(grammar::depth_fault());
        }
        match node {
            SqlNode::SelectStmt(_) => self.scopes.push(Vec::new()),
            SqlNode::WithClause(with) if with.recursive => {
                for cte in &with.ctes {
                    if let Some(NodeEnum::CommonTableExpr(cte)) = &cte.node {
                        self.name(&cte.ctename);
                    }
                }
            }
            SqlNode::RangeVar(table) => self.table(table)?,
            SqlNode::RangeTableSample(sample) => sampling(sample)?,
            SqlNode::FuncCall(call) => self.function(call)?,
            SqlNode::ColumnRef(column) => {
                if let Some(name) = column.fields.last().and_then(sval) {
                    not_of_the_system(name, column.location)?;
                }
                self.found.fields.column(column);
            }
            SqlNode::TypeCast(cast) => self.as_text = call_as_text(cast),
            SqlNode::CommonTableExpr(cte) => {
                self.found.fields.with(&cte.ctename, &cte.aliascolnames, cte.ctequery.as_deref());
            }
            SqlNode::RangeSubselect(subquery) => self.found.fields.subquery(subquery),
            SqlNode::RangeFunction(function) => self.found.fields.function(function),
            SqlNode::JsonTable(table) => {
                // The word adds nothing here, and the printer leaves it out.
                table.lateral = false;
                self.found.fields.json_table(table);
            }
            SqlNode::JoinExpr(join) => {
                self.found.fields.join(join.alias.as_ref());
                self.found.fields.join(join.join_using_alias.as_ref());
            }
            SqlNode::Alias(alias) => self.found.fields.alias(alias),
            SqlNode::AIndirection(selection) => self.selection(selection)?,
            SqlNode::AExpr(expr) if !is_between(expr) => {
                self.operator(&expr.name, expr.location)?;
            }
            SqlNode::SubLink(sublink) => self.operator(&sublink.oper_name, sublink.location)?,
            SqlNode::SortBy(sort) => self.operator(&sort.use_op, sort.location)?,
            SqlNode::TypeName(ty) => self.type_name(ty)?,
            SqlNode::CollateClause(clause) => collation(clause)?,
            SqlNode::SqlvalueFunction(function) => value_function(function)?,
            SqlNode::ParamRef(param) => {
                let index = usize::try_from(param.number).unwrap_or(0);
                if index == 0 || index > self.parameters.len() {
                    let message = format!("there is no parameter ${}", param.number);
                    return Err(SqlFault::new(param.location, message));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn leave(&mut self, node: &mut SqlNode<'_>) -> Result<(), SqlFault> {
        if let Some(level) = self.path.pop() {
            self.links -= usize::from(level.continues(self.path.last()));
        }
        match node {
            SqlNode::SelectStmt(_) => {
                self.scopes.pop();
            }
            // Not before: without RECURSIVE, a WITH query sees the names before its own.
            SqlNode::CommonTableExpr(cte) => self.name(&cte.ctename),
            _ => {}
        }
        Ok(())
    }
}

impl Inspector<'_> {
    fn name(&mut self, cte: &str) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.push(cte.to_owned());
        }
    }

    fn table(&mut self, table: &RangeVar) -> Result<(), SqlFault> {
        let RangeVar { catalogname, schemaname, relname, location, .. } = table;
        let refuse = |message: String| Err(SqlFault::new(*location, message));
        if !catalogname.is_empty() {
            let name = format!("{catalogname}.{schemaname}.{relname}");
            return Err(names_database(&name, *location));
        }
        let in_scope = || self.scopes.iter().flatten().any(|name| name == relname);
        let of_with = schemaname.is_empty() && in_scope();
        self.found.fields.table(table, of_with);
        if of_with {
            return Ok(());
        }
        if schemaname == "metricd" {
            return refuse(format!(
                "metricd.{relname} belongs to metricd's own catalog, which queries may not read"
            ));
        }
        let unqualified = schemaname.is_empty();
        if LISTS.schemas_refused.has(schemaname) || (unqualified && relname.starts_with("pg_")) {
            let name = if unqualified { String::new() } else { format!("{schemaname}.") };
            return refuse(format!(
                "{name}{relname} belongs to PostgreSQL's system catalogs, which queries may not read"
            ));
        }
        if LISTS.relations_refused.has(relname) {
            return refuse(format!(
                "{schemaname}.{relname} tells of the server and of others' statements, which queries may not read"
            ));
        }
        let schema = Some(schemaname.clone()).filter(|schema| !schema.is_empty());
        self.found.tables.insert(TableName { schema, name: relname.clone() });
        Ok(())
    }

    fn function(&self, call: &FuncCall) -> Result<(), SqlFault> {
        let (schema, name) = qualified(&call.funcname, call.location)?;
        let written = written(schema, name);
        if let Some(reason) = LISTS.refused_function(name) {
            let message = format!("the function {written}() can never be called here: {reason}");
            return Err(SqlFault::new(call.location, message).hint_if(instead_of(name)));
        }
        let builtin = is_builtin(schema);
        // `date(x)` is a cast, too.
        let is_cast = || call.args.len() == 1 && self.knows_type(schema, name);
        let known = (builtin && LISTS.functions.has(name))
            || self.additions.has_function(schema, name)
            || is_cast();
        if !known {
            let message = format!("the function {written}() is not allowed in queries");
            return Err(SqlFault::new(call.location, message)
                .hint("an operator can allow it with sql.functions in the settings"));
        }
        if builtin && LISTS.object_names.has(name) && self.as_text != Some(call.location) {
            let message = format!(
                "{written}() gives an object of PostgreSQL's catalogs, which a number beside it becomes too"
            );
            return Err(
                SqlFault::new(call.location, message).hint(format!("write {written}(…)::text"))
            );
        }
        if builtin { bounds::check(call, self.parameters) } else { Ok(()) }
    }

    /// Checks an operator's name. What it means where it has no schema is for the database to say.
    fn operator(&self, names: &[Node], location: i32) -> Result<(), SqlFault> {
        let (schema, name) = match names {
            [] => return Ok(()),
            names => qualified(names, location)?,
        };
        let is_listed = is_builtin(schema) && LISTS.operators.has(name)
            || schema.is_none() && LISTS.extension_operators.has(name);
        if is_listed || self.additions.has_operator(schema, name) {
            return Ok(());
        }
        let message = format!("the operator {} is not allowed in queries", written(schema, name));
        Err(SqlFault::new(location, message)
            .hint("call a function that does the same, or have an operator of metricd allow it with sql.operators"))
    }

    fn type_name(&self, ty: &TypeName) -> Result<(), SqlFault> {
        if ty.setof || ty.pct_type {
            let what = if ty.setof { "SETOF" } else { "%TYPE" };
            let message = format!("{what} is not supported here");
            return Err(SqlFault::new(ty.location, message).hint("write the type's name"));
        }
        let (schema, name) = qualified(&ty.names, ty.location)?;
        let written = written(schema, name);
        if let Some(reason) = LISTS.refused_type(name) {
            let message = format!("the type {written} can never be used here: {reason}");
            return Err(SqlFault::new(ty.location, message));
        }
        if !self.knows_type(schema, name) {
            let message = format!("the type {written} is not allowed in queries");
            let hint = match name.strip_prefix('_').filter(|element| LISTS.types.has(element)) {
                Some(element) => format!("write {element}[]"),
                None => "an operator can allow it with sql.types in the settings".to_owned(),
            };
            return Err(SqlFault::new(ty.location, message).hint(hint));
        }
        bounds::check_type(ty)
    }

    fn knows_type(&self, schema: Option<&str>, name: &str) -> bool {
        (is_builtin(schema) && LISTS.types.has(name)) || self.additions.has_type(schema, name)
    }

    /// Checks `(arg).field`, which calls the function `field` where `arg` has no such field.
    fn selection(&mut self, selection: &AIndirection) -> Result<(), SqlFault> {
        let row = match selection.arg.as_deref().map(|arg| &arg.node) {
            Some(Some(NodeEnum::ColumnRef(column))) if column.fields.len() == 1 => {
                column.fields.first().and_then(sval)
            }
            _ => None,
        };
        // Behind a subscript or another field it is no row of a table.
        let mut row = row.filter(|_| selection.indirection.first().and_then(sval).is_some());
        let mut fields = selection.indirection.iter().filter_map(sval).peekable();
        if fields.peek().is_none() {
            return Ok(());
        }
        let arg = selection.arg.as_deref();
        let first = || arg.map_or(-1, first_location);
        let (location, has_fields) = match arg.and_then(|arg| arg.node.as_ref()) {
            Some(NodeEnum::ColumnRef(column)) => (column.location, true),
            Some(NodeEnum::RowExpr(row)) => (row.location, true),
            Some(NodeEnum::AIndirection(_)) => (first(), true),
            Some(NodeEnum::FuncCall(call)) => {
                let (schema, name) = qualified(&call.funcname, call.location)?;
                let of_ours = is_builtin(schema) && LISTS.row_functions.has(name);
                (call.location, of_ours || self.additions.has_function(schema, name))
            }
            Some(NodeEnum::TypeCast(cast)) => {
                let ty = cast.type_name.as_ref().filter(|ty| ty.array_bounds.is_empty());
                let name = ty.map(|ty| qualified(&ty.names, ty.location)).transpose()?;
                let added = |(schema, name)| self.additions.has_type(schema, name);
                (cast.location, name.is_some_and(added))
            }
            _ => (first(), false),
        };
        for name in fields {
            not_of_the_system(name, location)?;
            // What may be a column of a row is decided when all of FROM is known.
            let row = row.take();
            if row.is_none() {
                not_refused(name, location)?;
            }
            self.found.fields.selected(name, location, row);
            if !has_fields {
                let message =
                    format!("(…).{name} is not supported here: it can call the function {name}()");
                return Err(SqlFault::new(location, message)
                    .hint(format!("call {name}(…), or take the field from a subquery in FROM")));
            }
        }
        Ok(())
    }
}

/// Checks that a column is not one that every table has.
fn not_of_the_system(name: &str, location: i32) -> Result<(), SqlFault> {
    if !LISTS.columns_refused.has(name) {
        return Ok(());
    }
    let message = format!("{name} is a column of PostgreSQL's own, which queries may not read");
    Err(SqlFault::new(location, message)
        .hint("if it is a column of a subquery, give it another name there"))
}

/// Where a call stands that a cast makes a text.
fn call_as_text(cast: &TypeCast) -> Option<i32> {
    let ty = cast.type_name.as_ref().and_then(type_called)?;
    match &cast.arg.as_deref()?.node {
        Some(NodeEnum::FuncCall(call)) if matches!(ty, "text" | "varchar") => Some(call.location),
        _ => None,
    }
}

/// Suggests what to write in place of some refused functions.
fn instead_of(name: &str) -> Option<&'static str> {
    Some(match name {
        "nextval" | "currval" | "lastval" => "write row_number() OVER ()",
        "current_user" | "session_user" | "system_user" | "user" | "current_role" => {
            "write :claim_name for a claim of the caller's token"
        }
        "current_setting" => "write :timezone for the time zone, :claim_name for a claim",
        "array_fill" => "write ARRAY[…], or array_agg over generate_series",
        _ => return None,
    })
}

/// Whether the name of an expression is not an operator: `BETWEEN` stands for comparisons.
fn is_between(expr: &AExpr) -> bool {
    use AExprKind::{AexprBetween, AexprBetweenSym, AexprNotBetween, AexprNotBetweenSym};
    matches!(expr.kind(), AexprBetween | AexprNotBetween | AexprBetweenSym | AexprNotBetweenSym)
}

fn sampling(sample: &RangeTableSample) -> Result<(), SqlFault> {
    let (schema, name) = qualified(&sample.method, sample.location)?;
    if is_builtin(schema) && LISTS.sampling.has(name) {
        return Ok(());
    }
    let message = format!("TABLESAMPLE {} is not supported here", written(schema, name));
    Err(SqlFault::new(sample.location, message).hint("write TABLESAMPLE bernoulli or system"))
}

fn collation(clause: &CollateClause) -> Result<(), SqlFault> {
    let (schema, name) = qualified(&clause.collname, clause.location)?;
    if is_builtin(schema) && LISTS.collations.has(name) {
        return Ok(());
    }
    let message = format!("the collation {} is not supported here", written(schema, name));
    Err(SqlFault::new(clause.location, message)
        .hint("write \"C\", or the name of a locale such as \"de-x-icu\""))
}

/// Checks `CURRENT_USER` and the like. Those of the clock stay, to become parameters.
fn value_function(function: &SqlValueFunction) -> Result<(), SqlFault> {
    let name = match function.op() {
        Op::SvfopCurrentRole => "current_role",
        Op::SvfopCurrentUser => "current_user",
        Op::SvfopUser => "user",
        Op::SvfopSessionUser => "session_user",
        Op::SvfopCurrentCatalog => "current_catalog",
        Op::SvfopCurrentSchema => "current_schema",
        _ => return Ok(()),
    };
    let reason = LISTS.refused_function(name).unwrap_or("it reveals the session");
    let message = format!("{} can never be used here: {reason}", name.to_uppercase());
    Err(SqlFault::new(function.location, message).hint_if(instead_of(name)))
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
            ("SELECT * FROM unnest(ARRAY(SELECT n FROM t)) AS u", "t"),
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
            (
                "SELECT * FROM db.public.t",
                "line 1, column 15: db.public.t: a database cannot be named",
            ),
            ("WITH t AS (TABLE pg_class) TABLE t", "line 1, column 18: pg_class belongs"),
        ];
        for (sql, expected) in cases {
            let error = Draft::parse(sql, &Gate::default()).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}

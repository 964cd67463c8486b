//! The gate: what a query may hold, and which tables it reads.
//!
//! Goes over the whole tree and allows what the lists name: functions, operators, types and the
//! rest. The lists are in `lists.txt`. Never asks whether a table may be read: that is the caller's
//! question, about [`pass`]'s answer.
//!
//! `t.name` is a column where `t` has one, else a call of the function `name`, and the grammar
//! cannot tell which. So a field may have no name of a refused function, and [`Contents`] says which
//! fields the database has to be asked about. What grows without a call of a bounded function is
//! said in `bounds`.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use pg_query::{
    Node, NodeEnum,
    protobuf::{
        AExpr, AExprKind, AIndirection, CollateClause, ColumnRef, FuncCall, RangeTableSample,
        RangeVar, SqlValueFunction, SqlValueFunctionOp as Op, TypeName,
    },
};

use super::{
    bounds::{self, Filled},
    error::{Fault, SqlError},
    fields::{FieldName, Fields},
    grammar,
    lists::LISTS,
    parameter::ParameterSource,
    stack,
    table_name::TableName,
    template::Template,
    tree::sval,
    walk::{Part, Visitor, walk},
};

/// What a query may hold: the lists that come with metricd, and what an operator adds to them.
#[derive(Debug, Clone, Default)]
pub struct Gate {
    added: Arc<Added>,
}

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

/// An operator's names, each with its schema. `public` is the schema of a name that has none.
#[derive(Debug, Default)]
struct Added {
    schemas: HashSet<String>,
    tables: HashSet<(String, String)>,
    functions: HashSet<(String, String)>,
    types: HashSet<(String, String)>,
}

const PUBLIC: &str = "public";

impl Gate {
    /// The lists that come with metricd, and `extension`.
    ///
    /// # Errors
    /// One sentence for each entry that cannot be added.
    pub fn extended(extension: &GateExtension) -> Result<Self, Vec<String>> {
        let mut added = Added::default();
        let mut faults = Vec::new();
        for entry in &extension.tables {
            match table_entry(entry) {
                Ok((schema, None)) => drop(added.schemas.insert(schema)),
                Ok((schema, Some(table))) => drop(added.tables.insert((schema, table))),
                Err(why) => faults.push(format!("sql.tables: {entry:?} {why}")),
            }
        }
        for entry in &extension.functions {
            match entry_of(entry, |name| LISTS.refused_function(name)) {
                Ok(name) => drop(added.functions.insert(name)),
                Err(why) => faults.push(format!("sql.functions: {entry:?} {why}")),
            }
        }
        for entry in &extension.types {
            match entry_of(entry, |name| LISTS.refused_type(name)) {
                Ok(name) => drop(added.types.insert(name)),
                Err(why) => faults.push(format!("sql.types: {entry:?} {why}")),
            }
        }
        if faults.is_empty() { Ok(Self { added: Arc::new(added) }) } else { Err(faults) }
    }

    /// Whether a query may read a table, where no grants of the database decide it: those of
    /// `public` and what an operator added.
    #[must_use]
    pub fn allows_table(&self, table: &TableName) -> bool {
        let schema = table.schema();
        schema == PUBLIC
            || self.added.schemas.contains(schema)
            || self.added.tables.contains(&(schema.to_owned(), table.name.clone()))
    }

    /// Checks again a template that was stored, and says what it holds.
    ///
    /// # Errors
    /// When it holds anything that a query may not hold now. Places are those of the template.
    pub fn recheck(&self, template: &Template) -> Result<Contents, SqlError> {
        stack::deep(|| recheck(self, template)).map_err(|fault| fault.in_text(&template.sql))
    }

    /// Checks a name behind a dot against everything that PostgreSQL could call by it.
    ///
    /// # Errors
    /// When one of them is nothing that a query may call. The place is that of `field`.
    pub fn check_field(&self, field: &FieldName, callable: &[Callable]) -> Result<(), SqlError> {
        let Some(called) = callable.iter().find(|called| !self.may_call(called)) else {
            return Ok(());
        };
        let name = written(Some(&called.schema), &called.name);
        let (what, setting) = match called.kind {
            CallableKind::Function => (format!("calls the function {name}()"), "sql.functions"),
            CallableKind::Type => (format!("casts to the type {name}"), "sql.types"),
        };
        Err(SqlError {
            message: format!(
                "without a column {} of a table or subquery that is named here it {what}, which is \
                 not one that a query may use",
                field.name
            ),
            line: field.line,
            column: field.column,
            hint: Some(format!("an operator can allow it with {setting} in the settings")),
        })
    }

    fn may_call(&self, called: &Callable) -> bool {
        let (schema, name) = (Some(called.schema.as_str()), called.name.as_str());
        if schema == Some(CATALOG) {
            return LISTS.functions.has(name) || LISTS.types.has(name) || LISTS.columns.has(name);
        }
        has(&self.added.types, schema, name)
            || (called.kind == CallableKind::Function && has(&self.added.functions, schema, name))
    }
}

/// What a query holds that only the database can judge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// The tables and views that it reads.
    pub tables: BTreeSet<TableName>,
    /// The names behind its dots that may be calls.
    pub fields: Vec<FieldName>,
}

/// Something in the database that `x.name` can call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callable {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: CallableKind,
}

/// What `x.name` can call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallableKind {
    /// A function of one argument.
    Function,
    /// A type, as a cast.
    Type,
}

/// Checks again what a template says, on a stack that is deep enough.
pub(super) fn recheck(gate: &Gate, template: &Template) -> Result<Contents, Fault> {
    let mut tree = grammar::parse_printed(&template.sql)?;
    let filled: Vec<_> = template.parameters.iter().map(|p| filled_by(&p.source)).collect();
    let Passed { tables, fields } = pass(gate, &mut tree, &filled)?;
    Ok(Contents { tables, fields: fields.in_text(&template.sql) })
}

/// What a parameter of this source holds.
pub(super) fn filled_by(source: &ParameterSource) -> Filled {
    match source {
        ParameterSource::StartDate | ParameterSource::EndDate | ParameterSource::DayAfterEnd => {
            Filled::WindowDay
        }
        ParameterSource::Today | ParameterSource::Now => Filled::Present,
        ParameterSource::DayRange => Filled::DayRange,
        ParameterSource::Timezone => Filled::Timezone,
        ParameterSource::Claim(_) => Filled::Claim,
    }
}

/// A function's or type's entry, as its schema and name.
fn entry_of(
    entry: &str,
    refused: impl Fn(&str) -> Option<&'static str>,
) -> Result<(String, String), String> {
    let (schema, name) = match identifiers(entry).as_deref() {
        Some([name]) => (PUBLIC.to_owned(), name.clone()),
        Some([schema, name]) => (schema.clone(), name.clone()),
        _ => return Err("is not a name; write name or schema.name".into()),
    };
    schema_entry(&schema)?;
    match refused(&name) {
        Some(reason) => Err(format!("can never be allowed: {reason}")),
        None => Ok((schema, name)),
    }
}

/// A table's entry; one for all of a schema has no name.
fn table_entry(entry: &str) -> Result<(String, Option<String>), String> {
    let (schema, name) = match entry.strip_suffix(".*").map(identifiers) {
        Some(Some(names)) if names.len() == 1 => (names.concat(), None),
        Some(_) => return Err("is not the name of a table; write schema.table or schema.*".into()),
        None => match identifiers(entry).as_deref() {
            Some([schema, name]) => (schema.clone(), Some(name.clone())),
            _ => return Err("is not the name of a table; write schema.table or schema.*".into()),
        },
    };
    schema_entry(&schema).map(|()| (schema, name))
}

fn schema_entry(schema: &str) -> Result<(), String> {
    if LISTS.schemas_refused.has(schema) {
        return Err(format!("can never be allowed: {schema} is a system schema"));
    }
    Ok(())
}

/// The parts of a name as SQL writes it: small letters unless quoted, with dots between.
fn identifiers(text: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut rest = text;
    loop {
        let after = if let Some(quoted) = rest.strip_prefix('"') {
            let end = quoted.find('"').filter(|end| *end > 0)?;
            names.push(quoted.get(..end)?.to_owned());
            quoted.get(end + 1..)?
        } else {
            let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
            let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            let name = rest.get(..end)?;
            if !name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
                return None;
            }
            names.push(name.to_lowercase());
            rest.get(end..)?
        };
        if after.is_empty() {
            return Some(names);
        }
        rest = after.strip_prefix('.')?;
    }
}

/// The most nodes of a parse tree.
const MAX_NODES: usize = 20_000;

/// What a tree holds that only the database can judge.
pub(super) struct Passed {
    pub(super) tables: BTreeSet<TableName>,
    pub(super) fields: Fields,
}

/// Goes over `tree`, and says what it holds. `filled` tells what each `$n` holds.
///
/// # Errors
/// When it holds a part that no query may hold, or more parts than it may.
pub(super) fn pass(gate: &Gate, tree: &mut Node, filled: &[Filled]) -> Result<Passed, Fault> {
    let passed = Passed { tables: BTreeSet::new(), fields: Fields::default() };
    let mut pass = Pass { gate, filled, nodes: 0, depth: 0, scopes: Vec::new(), passed };
    walk(tree, &mut pass)?;
    Ok(pass.passed)
}

struct Pass<'a> {
    gate: &'a Gate,
    filled: &'a [Filled],
    nodes: usize,
    depth: usize,
    /// The names that WITH gives to the statements under way, outermost first.
    scopes: Vec<Vec<String>>,
    passed: Passed,
}

impl Visitor for Pass<'_> {
    fn enter(&mut self, part: &mut Part<'_>) -> Result<(), Fault> {
        self.nodes += 1;
        self.depth += 1;
        if self.nodes > MAX_NODES {
            let message = format!("this query has more than {MAX_NODES} parts");
            return Err(Fault::new(0_usize, message).hint("split it into several metrics"));
        }
        if self.depth > grammar::MAX_DEPTH {
            return Err(grammar::depth_fault());
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
            Part::RangeTableSample(sample) => sampling(sample)?,
            Part::FuncCall(call) => self.function(call)?,
            Part::ColumnRef(column) => {
                column_ref(column)?;
                self.passed.fields.column(column);
            }
            Part::CommonTableExpr(cte) => {
                self.passed.fields.with(&cte.ctename, &cte.aliascolnames, cte.ctequery.as_deref());
            }
            Part::RangeSubselect(subquery) => self.passed.fields.subquery(subquery),
            Part::RangeFunction(function) => self.passed.fields.function(function),
            Part::JoinExpr(join) => {
                self.passed.fields.join(join.alias.as_ref());
                self.passed.fields.join(join.join_using_alias.as_ref());
            }
            Part::Alias(alias) => self.passed.fields.alias(alias),
            Part::AIndirection(selection) => self.selection(selection)?,
            Part::AExpr(expr) if !is_between(expr) => operator(&expr.name, expr.location)?,
            Part::SubLink(sublink) => operator(&sublink.oper_name, sublink.location)?,
            Part::SortBy(sort) => operator(&sort.use_op, sort.location)?,
            Part::TypeName(ty) => self.type_name(ty)?,
            Part::CollateClause(clause) => collation(clause)?,
            Part::SqlvalueFunction(function) => value_function(function)?,
            Part::ParamRef(param) => {
                let index = usize::try_from(param.number).unwrap_or(0);
                if index == 0 || index > self.filled.len() {
                    let message = format!("${} stands for nothing", param.number);
                    return Err(Fault::new(param.location, message));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn leave(&mut self, part: &mut Part<'_>) -> Result<(), Fault> {
        self.depth -= 1;
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

impl Pass<'_> {
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
        let of_with = schemaname.is_empty() && in_scope();
        self.passed.fields.table(table, of_with);
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
                "{name}{relname} belongs to PostgreSQL's own catalogs, which queries may not read"
            ));
        }
        let schema = Some(schemaname.clone()).filter(|schema| !schema.is_empty());
        self.passed.tables.insert(TableName { schema, name: relname.clone() });
        Ok(())
    }

    fn function(&self, call: &FuncCall) -> Result<(), Fault> {
        let (schema, name) = qualified(&call.funcname, call.location)?;
        let written = written(schema, name);
        if let Some(reason) = LISTS.refused_function(name) {
            let message = format!("the function {written}() can never be called here: {reason}");
            return Err(Fault::new(call.location, message).hint_if(instead_of(name)));
        }
        let builtin = schema.is_none_or(|schema| schema == CATALOG);
        // As a cast is written: `date(x)`.
        let is_cast = || call.args.len() == 1 && self.knows_type(schema, name);
        let known = (builtin && LISTS.functions.has(name))
            || has(&self.gate.added.functions, schema, name)
            || is_cast();
        if !known {
            let message = format!("the function {written}() is not one that a query may call");
            return Err(Fault::new(call.location, message)
                .hint("an operator can allow it with sql.functions in the settings"));
        }
        if builtin { bounds::check(call, self.filled) } else { Ok(()) }
    }

    fn type_name(&self, ty: &TypeName) -> Result<(), Fault> {
        if ty.setof || ty.pct_type {
            let what = if ty.setof { "SETOF" } else { "%TYPE" };
            let message = format!("{what} is not supported here");
            return Err(Fault::new(ty.location, message).hint("write the type's name"));
        }
        let (schema, name) = qualified(&ty.names, ty.location)?;
        let written = written(schema, name);
        if let Some(reason) = LISTS.refused_type(name) {
            let message = format!("the type {written} can never be used here: {reason}");
            return Err(Fault::new(ty.location, message));
        }
        if !self.knows_type(schema, name) {
            let message = format!("the type {written} is not one that a query may cast to");
            let hint = match name.strip_prefix('_').filter(|element| LISTS.types.has(element)) {
                Some(element) => format!("write {element}[]"),
                None => "an operator can allow it with sql.types in the settings".to_owned(),
            };
            return Err(Fault::new(ty.location, message).hint(hint));
        }
        bounds::check_type(ty)
    }

    fn knows_type(&self, schema: Option<&str>, name: &str) -> bool {
        let builtin = schema.is_none_or(|schema| schema == CATALOG);
        (builtin && LISTS.types.has(name)) || has(&self.gate.added.types, schema, name)
    }

    /// `(arg).field`, which calls the function `field` where what stands in parentheses has no such
    /// field.
    fn selection(&mut self, selection: &AIndirection) -> Result<(), Fault> {
        let mut fields = selection.indirection.iter().filter_map(sval).peekable();
        if fields.peek().is_none() {
            return Ok(());
        }
        let arg = selection.arg.as_deref().and_then(|arg| arg.node.as_ref());
        let (location, has_fields) = match arg {
            Some(NodeEnum::ColumnRef(column)) => (column.location, true),
            Some(NodeEnum::RowExpr(row)) => (row.location, true),
            Some(NodeEnum::AIndirection(_)) => (first_place(arg), true),
            Some(NodeEnum::FuncCall(call)) => {
                let (schema, name) = qualified(&call.funcname, call.location)?;
                let builtin = schema.is_none_or(|schema| schema == CATALOG);
                let of_ours = builtin && LISTS.row_functions.has(name);
                (call.location, of_ours || has(&self.gate.added.functions, schema, name))
            }
            Some(NodeEnum::TypeCast(cast)) => {
                let ty = cast.type_name.as_ref().filter(|ty| ty.array_bounds.is_empty());
                let name = ty.map(|ty| qualified(&ty.names, ty.location)).transpose()?;
                let added = |(schema, name)| has(&self.gate.added.types, schema, name);
                (cast.location, name.is_some_and(added))
            }
            _ => (first_place(arg), false),
        };
        for name in fields {
            field(name, location)?;
            self.passed.fields.selected(name, location);
            if !has_fields {
                let message =
                    format!("(…).{name} is not supported here: it can call the function {name}()");
                return Err(Fault::new(location, message)
                    .hint(format!("call {name}(…), or take the field from a subquery in FROM")));
            }
        }
        Ok(())
    }
}

/// The place of the first part that has one.
fn first_place(node: Option<&NodeEnum>) -> i32 {
    let mut tree = Node { node: node.cloned() };
    let mut first = FirstPlace(-1);
    // A part that the walk refuses is refused again where it stands.
    let _ = walk(&mut tree, &mut first);
    first.0
}

/// Finds the first known place of a tree.
struct FirstPlace(i32);

impl Visitor for FirstPlace {
    fn enter(&mut self, part: &mut Part<'_>) -> Result<(), Fault> {
        match part.location() {
            Some(location) if self.0 < 0 => self.0 = location,
            Some(location) => self.0 = self.0.min(location),
            None => {}
        }
        Ok(())
    }
}

/// PostgreSQL's schema of everything that comes with it. The grammar itself writes it out.
const CATALOG: &str = "pg_catalog";

/// Whether an operator added a name. A name without a schema is one of `public`.
fn has(added: &HashSet<(String, String)>, schema: Option<&str>, name: &str) -> bool {
    !added.is_empty() && added.contains(&(schema.unwrap_or(PUBLIC).to_owned(), name.to_owned()))
}

/// A name's schema and last part.
fn qualified(names: &[Node], location: i32) -> Result<(Option<&str>, &str), Fault> {
    let part = |node| sval(node).unwrap_or_default();
    match names {
        [name] => Ok((None, part(name))),
        [schema, name] => Ok((Some(part(schema)), part(name))),
        _ => {
            let name = names.iter().map(part).collect::<Vec<_>>().join(".");
            Err(Fault::new(location, format!("{name}: leave the database's name out")))
        }
    }
}

/// A name as an author would write it.
fn written(schema: Option<&str>, name: &str) -> String {
    match schema {
        Some(schema) if schema != CATALOG => format!("{schema}.{name}"),
        _ => name.to_owned(),
    }
}

/// What to write in place of some refused functions.
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

fn column_ref(column: &ColumnRef) -> Result<(), Fault> {
    column.fields.iter().skip(1).filter_map(sval).try_for_each(|name| field(name, column.location))
}

/// A field's name, which must not be that of a refused function.
fn field(name: &str, location: i32) -> Result<(), Fault> {
    let Some(reason) = LISTS.refused_field(name) else {
        return Ok(());
    };
    let message = format!(
        "a column must not be called {name} here: without such a column it calls the function \
         {name}(), and {reason}"
    );
    Err(Fault::new(location, message).hint("if it is a column, give it another name in a view"))
}

fn operator(names: &[Node], location: i32) -> Result<(), Fault> {
    let (schema, name) = match names {
        [] => return Ok(()),
        names => qualified(names, location)?,
    };
    if schema.is_none_or(|schema| schema == CATALOG) && LISTS.operators.has(name) {
        return Ok(());
    }
    let message = format!("the operator {} is not one that a query may use", written(schema, name));
    Err(Fault::new(location, message).hint("call a function that does the same"))
}

/// Whether an expression's name is no operator's: `BETWEEN` stands for comparisons.
fn is_between(expr: &AExpr) -> bool {
    use AExprKind::{AexprBetween, AexprBetweenSym, AexprNotBetween, AexprNotBetweenSym};
    matches!(expr.kind(), AexprBetween | AexprNotBetween | AexprBetweenSym | AexprNotBetweenSym)
}

fn sampling(sample: &RangeTableSample) -> Result<(), Fault> {
    let (schema, name) = qualified(&sample.method, sample.location)?;
    if schema.is_none_or(|schema| schema == CATALOG) && LISTS.sampling.has(name) {
        return Ok(());
    }
    let message = format!("TABLESAMPLE {} is not supported here", written(schema, name));
    Err(Fault::new(sample.location, message).hint("write TABLESAMPLE bernoulli or system"))
}

fn collation(clause: &CollateClause) -> Result<(), Fault> {
    let (schema, name) = qualified(&clause.collname, clause.location)?;
    if schema.is_none_or(|schema| schema == CATALOG) && LISTS.collations.has(name) {
        return Ok(());
    }
    let message = format!("the collation {} is not supported here", written(schema, name));
    Err(Fault::new(clause.location, message)
        .hint("write \"C\", or the name of a locale such as \"de-x-icu\""))
}

/// `CURRENT_USER` and its kin. Those of the clock stay, to become parameters.
fn value_function(function: &SqlValueFunction) -> Result<(), Fault> {
    let name = match function.op() {
        Op::SvfopCurrentRole => "current_role",
        Op::SvfopCurrentUser => "current_user",
        Op::SvfopUser => "user",
        Op::SvfopSessionUser => "session_user",
        Op::SvfopCurrentCatalog => "current_catalog",
        Op::SvfopCurrentSchema => "current_schema",
        _ => return Ok(()),
    };
    let reason = LISTS.refused_function(name).unwrap_or("it tells about the session");
    let message = format!("{} can never be used here: {reason}", name.to_uppercase());
    Err(Fault::new(function.location, message).hint_if(instead_of(name)))
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
            ("SELECT * FROM db.public.t", "line 1, column 15: db.public.t: leave"),
            ("WITH t AS (TABLE pg_class) TABLE t", "line 1, column 18: pg_class belongs"),
        ];
        for (sql, expected) in cases {
            let error = Draft::parse(sql, &Gate::default()).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}

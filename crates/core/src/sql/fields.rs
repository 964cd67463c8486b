//! Names after a dot: `x.name`, `(x).name`.
//!
//! PostgreSQL reads one as a column where `x` has it, else as a call of a function or a cast to a type
//! of that name. Only the database knows which; this collects the names that it has to be asked about,
//! and the tables of which they may be columns. In doubt it is asked: a name is a column for certain
//! only where every `x` of the query that could be meant has it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use pg_query::{
    Node, NodeEnum,
    protobuf::{Alias, ColumnRef, JsonTable, RangeFunction, RangeSubselect, RangeVar, SelectStmt},
};

use super::{
    error::{Offset, SqlFault, lines_and_columns},
    lists::LISTS,
    names::column_name,
    table_name::TableName,
    tree::{sval, target},
};

/// A name after a dot that is not certain to be a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldName {
    /// The name.
    pub name: String,
    /// Line in the SQL, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// It is a column if, of each of these sets, a table has a column of its name. If there are none, it is
    /// unknown.
    pub tables: BTreeSet<BTreeSet<TableName>>,
    /// The row that it is selected from, as `m` of `(m).name`: there `tables` decides only if no table of
    /// these has a column of the row's name, which would be meant.
    pub row: Option<RowName>,
}

/// The name of a row, and all tables of which it may be a column instead.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowName {
    /// The name.
    pub name: String,
    /// The tables that the query reads.
    pub tables: Arc<BTreeSet<TableName>>,
}

/// Sets of tables, of each of which one must have a column.
type OneOfEach = BTreeSet<BTreeSet<TableName>>;

/// Collects the names after dots on a walk.
#[derive(Debug, Default)]
pub(super) struct FieldCollector {
    /// The tables, subqueries and functions that a query refers to by a name.
    sources: BTreeMap<String, Vec<Source>>,
    /// The columns of WITH queries that are known, by the queries' names.
    with: BTreeMap<String, Vec<Output>>,
    /// Whether an item in FROM has a name that only PostgreSQL knows.
    has_unnamed: bool,
    /// Whether anything but tables is in FROM, or a table with other names for its columns.
    has_others: bool,
    used: Vec<Used>,
}

#[derive(Debug)]
struct Used {
    name: String,
    location: i32,
    of: Of,
}

#[derive(Debug)]
enum Of {
    /// The item in FROM of this name.
    Source(String),
    /// The row of the item in FROM of this name, unless a column has that name.
    Row(String),
    /// This very table.
    Table(TableName),
    Unknown,
}

#[derive(Debug)]
enum Source {
    Table(TableName),
    With(String),
    /// What has these columns, and perhaps others.
    Columns(Output),
}

/// The columns of a query, as far as they are known.
#[derive(Debug, Default)]
struct Output {
    /// Those that it spells out.
    names: BTreeSet<String>,
    /// The tables of which it has all columns, by `SELECT *`.
    all_of: BTreeSet<TableName>,
}

impl From<BTreeSet<String>> for Output {
    fn from(names: BTreeSet<String>) -> Self {
        Self { names, all_of: BTreeSet::new() }
    }
}

impl FieldCollector {
    /// `x.name`, `schema.x.name`.
    pub(super) fn column(&mut self, column: &ColumnRef) {
        let parts: Vec<Option<&str>> = column.fields.iter().map(sval).collect();
        let (of, name) = match parts.as_slice() {
            // A column, or all of a row.
            [] | [_] | [.., None] => return,
            [Some(source), Some(name)] => (Of::Source((*source).to_owned()), name),
            [Some(schema), Some(table), Some(name)] => {
                let (schema, name_of) = (Some((*schema).to_owned()), (*table).to_owned());
                (Of::Table(TableName { schema, name: name_of }), name)
            }
            [.., Some(name)] => (Of::Unknown, name),
        };
        self.used.push(Used { name: (*name).to_owned(), location: column.location, of });
    }

    /// The `name` of `(…).name`, where `row` is what it is selected from, if that is a name alone.
    pub(super) fn selected(&mut self, name: &str, location: i32, row: Option<&str>) {
        let of = row.map_or(Of::Unknown, |row| Of::Row(row.to_owned()));
        self.used.push(Used { name: name.to_owned(), location, of });
    }

    /// A table in FROM; `of_with` when the name is that of a WITH query.
    pub(super) fn table(&mut self, table: &RangeVar, of_with: bool) {
        let schema = Some(table.schemaname.clone()).filter(|schema| !schema.is_empty());
        let is_renamed = table.alias.as_ref().is_some_and(|alias| !alias.colnames.is_empty());
        self.has_others |= is_renamed || of_with;
        let source = match &table.alias {
            _ if is_renamed => return,
            _ if of_with => Source::With(table.relname.clone()),
            _ => Source::Table(TableName { schema, name: table.relname.clone() }),
        };
        let name = table.alias.as_ref().map_or(&table.relname, |alias| &alias.aliasname);
        self.sources.entry(name.clone()).or_default().push(source);
    }

    /// A WITH query.
    pub(super) fn with(&mut self, name: &str, columns: &[Node], query: Option<&Node>) {
        let known = if columns.is_empty() { output(query) } else { texts(columns).into() };
        self.with.entry(name.to_owned()).or_default().push(known);
    }

    /// A subquery in FROM.
    pub(super) fn subquery(&mut self, subquery: &RangeSubselect) {
        self.has_others = true;
        let Some(alias) = subquery.alias.as_ref().filter(|alias| alias.colnames.is_empty()) else {
            return;
        };
        let columns = Source::Columns(output(subquery.subquery.as_deref()));
        self.sources.entry(alias.aliasname.clone()).or_default().push(columns);
    }

    /// A function in FROM.
    pub(super) fn function(&mut self, function: &RangeFunction) {
        self.has_others = true;
        let Some(alias) = &function.alias else {
            self.has_unnamed = true;
            return;
        };
        if !alias.colnames.is_empty() {
            return;
        }
        let column = |node: &Node| match &node.node {
            Some(NodeEnum::ColumnDef(column)) => Some(column.colname.clone()),
            _ => None,
        };
        let columns: BTreeSet<_> = function.coldeflist.iter().filter_map(column).collect();
        let columns = Source::Columns(columns.into());
        self.sources.entry(alias.aliasname.clone()).or_default().push(columns);
    }

    /// A `JSON_TABLE` in FROM, which names its columns.
    pub(super) fn json_table(&mut self, table: &JsonTable) {
        self.has_others = true;
        let name = table.alias.as_ref().map_or("json_table", |alias| &alias.aliasname);
        if table.alias.as_ref().is_none_or(|alias| alias.colnames.is_empty()) {
            let mut columns = BTreeSet::new();
            json_columns(&table.columns, &mut columns);
            let columns = Source::Columns(columns.into());
            self.sources.entry(name.to_owned()).or_default().push(columns);
        }
    }

    /// A join with a name of its own; its columns are not known.
    pub(super) fn join(&mut self, alias: Option<&Alias>) {
        self.has_others |= alias.is_some();
        if let Some(alias) = alias.filter(|alias| alias.colnames.is_empty()) {
            let unknown = Source::Columns(Output::default());
            self.sources.entry(alias.aliasname.clone()).or_default().push(unknown);
        }
    }

    /// An alias that names columns, too.
    pub(super) fn alias(&mut self, alias: &Alias) {
        if !alias.colnames.is_empty() {
            let columns = Source::Columns(texts(&alias.colnames).into());
            self.sources.entry(alias.aliasname.clone()).or_default().push(columns);
        }
    }

    /// Returns the names that may be calls, with their positions in `text`, in its order.
    pub(super) fn in_text(&self, text: &str) -> Vec<FieldName> {
        let uncertain = |used| self.tables(used).map(|tables| (used, tables));
        let fields: Vec<(&Used, _)> = self.used.iter().filter_map(uncertain).collect();
        let offsets: Vec<_> =
            fields.iter().map(|(used, _)| Offset::from(used.location).0).collect();
        let places = lines_and_columns(text, &offsets);
        let read = Arc::new(self.tables_in_from());
        let row = |used: &Used, tables: &OneOfEach| match &used.of {
            Of::Row(name) if !tables.is_empty() => {
                Some(RowName { name: name.clone(), tables: Arc::clone(&read) })
            }
            _ => None,
        };
        let field = |((used, tables), (line, column)): ((&Used, OneOfEach), _)| FieldName {
            name: used.name.clone(),
            line,
            column,
            row: row(used, &tables),
            tables,
        };
        fields.into_iter().zip(places).map(field).collect()
    }

    /// Whether a query has a column, for certain or if one of those tables has it that are then added to
    /// `tables`.
    fn has(&self, output: &Output, name: &str, tables: &mut OneOfEach) -> bool {
        if output.names.contains(name) {
            return true;
        }
        // A name without a schema may be that of a WITH query.
        let is_table =
            |table: &&TableName| table.schema.is_some() || !self.with.contains_key(&table.name);
        let all_of: BTreeSet<_> = output.all_of.iter().filter(is_table).cloned().collect();
        let is_known = !all_of.is_empty();
        tables.extend(Some(all_of).filter(|_| is_known));
        is_known
    }

    /// Returns the tables in FROM, wherever in the query.
    fn tables_in_from(&self) -> BTreeSet<TableName> {
        let tables = self.sources.values().flatten().filter_map(|source| match source {
            Source::Table(table) => Some(table.clone()),
            Source::With(_) | Source::Columns(_) => None,
        });
        tables.collect()
    }

    /// Checks the names of functions that are refused for good: only a column may have one, either for
    /// certain or of tables that the database can be asked about.
    ///
    /// # Errors
    /// Where such a name may be a call.
    pub(super) fn check_refused(&self) -> Result<(), SqlFault> {
        let is_call = |used: &&Used| self.tables(used).is_some_and(|tables| tables.is_empty());
        self.used.iter().filter(is_call).try_for_each(|used| not_refused(&used.name, used.location))
    }

    /// Returns the tables of which one in each set must have it as a column; no sets if unknown, `None` if it
    /// is a column for certain.
    fn tables(&self, used: &Used) -> Option<OneOfEach> {
        let sources = match &used.of {
            Of::Table(table) => return Some([[table.clone()].into()].into()),
            Of::Source(name) if !self.has_unnamed => self.sources.get(name),
            Of::Row(name) if !self.has_others => self.sources.get(name),
            _ => None,
        };
        let Some(sources) = sources else {
            return Some(BTreeSet::new());
        };
        let mut tables = BTreeSet::new();
        for source in sources {
            let is_known = match source {
                Source::Table(table) => {
                    tables.insert(BTreeSet::from([table.clone()]));
                    true
                }
                Source::Columns(output) => self.has(output, &used.name, &mut tables),
                Source::With(name) => self.with.get(name).is_some_and(|queries| {
                    queries.iter().all(|output| self.has(output, &used.name, &mut tables))
                }),
            };
            if !is_known {
                return Some(BTreeSet::new());
            }
        }
        (!tables.is_empty()).then_some(tables)
    }
}

/// Checks that a name after a dot is not that of a refused function.
///
/// # Errors
/// When it is.
pub(super) fn not_refused(name: &str, location: i32) -> Result<(), SqlFault> {
    let Some(reason) = LISTS.refused_field(name) else {
        return Ok(());
    };
    let message = format!(
        "a column must not be called {name} here: without such a column it calls the function \
         {name}(), and {reason}"
    );
    Err(SqlFault::new(location, message)
        .hint("if it is a column, write it with the name of its table in FROM, as in `t.name`"))
}

/// Returns a query's columns, as far as it tells them.
fn output(query: Option<&Node>) -> Output {
    let mut select = match query.and_then(|query| query.node.as_ref()) {
        Some(NodeEnum::SelectStmt(select)) => &**select,
        _ => return Output::default(),
    };
    // The leftmost arm of a UNION names the columns.
    while let Some(left) = &select.larg {
        select = left;
    }
    Output { names: named(select).collect(), all_of: whole_tables(select) }
}

/// Returns the tables of which a query selects all columns, by `*` or `table.*`.
fn whole_tables(select: &SelectStmt) -> BTreeSet<TableName> {
    let mut read = Vec::new();
    select.from_clause.iter().for_each(|item| tables_of(item, &mut read));
    let called = |table: &RangeVar| match &table.alias {
        Some(alias) => alias.aliasname.clone(),
        None => table.relname.clone(),
    };
    let of_star = |value: &Node| -> Vec<&RangeVar> {
        let Some(NodeEnum::ColumnRef(column)) = &value.node else {
            return Vec::new();
        };
        match column.fields.as_slice() {
            [star] if sval(star).is_none() => read.clone(),
            [source, star] if sval(star).is_none() => {
                let is_it = |table: &&&RangeVar| sval(source) == Some(&called(table));
                read.iter().filter(is_it).copied().collect()
            }
            _ => Vec::new(),
        }
    };
    let values = select.target_list.iter().filter_map(|node| target(node)?.val.as_deref());
    let name = |table: &RangeVar| TableName {
        schema: Some(table.schemaname.clone()).filter(|schema| !schema.is_empty()),
        name: table.relname.clone(),
    };
    values.flat_map(of_star).map(name).collect()
}

/// Collects the tables of an item in FROM that keep the names of their columns.
fn tables_of<'a>(item: &'a Node, tables: &mut Vec<&'a RangeVar>) {
    match &item.node {
        Some(NodeEnum::RangeVar(table)) => {
            let is_renamed = table.alias.as_ref().is_some_and(|alias| !alias.colnames.is_empty());
            if !is_renamed && table.catalogname.is_empty() {
                tables.push(table);
            }
        }
        Some(NodeEnum::RangeTableSample(sample)) => {
            sample.relation.as_deref().into_iter().for_each(|table| tables_of(table, tables));
        }
        // Its name hides those of its tables.
        Some(NodeEnum::JoinExpr(join)) if join.alias.is_none() => {
            let sides = [join.larg.as_deref(), join.rarg.as_deref()];
            sides.into_iter().flatten().for_each(|side| tables_of(side, tables));
        }
        _ => {}
    }
}

fn named(select: &SelectStmt) -> impl Iterator<Item = String> {
    let is_star = |value: &Node| match &value.node {
        Some(NodeEnum::ColumnRef(column)) => column.fields.last().and_then(sval).is_none(),
        Some(NodeEnum::AIndirection(path)) => path.indirection.last().and_then(sval).is_none(),
        _ => false,
    };
    select.target_list.iter().filter_map(target).filter_map(move |target| {
        match target.val.as_deref() {
            _ if !target.name.is_empty() => Some(target.name.clone()),
            Some(value) if !is_star(value) => Some(column_name(Some(value), &[])),
            _ => None,
        }
    })
}

/// Adds the columns of a `JSON_TABLE`, with those of its nested paths, to `names`.
fn json_columns(columns: &[Node], names: &mut BTreeSet<String>) {
    for column in columns {
        if let Some(NodeEnum::JsonTableColumn(column)) = &column.node {
            // A nested path has columns and no name.
            if column.columns.is_empty() {
                names.insert(column.name.clone());
            }
            json_columns(&column.columns, names);
        }
    }
}

fn texts(nodes: &[Node]) -> BTreeSet<String> {
    nodes.iter().filter_map(sval).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::sql::{Draft, Gate, TableName};

    /// Which names the database is asked about, each with the tables that it may be a column of.
    fn fields(sql: &str) -> String {
        let draft = Draft::parse(sql, &Gate::default()).unwrap_or_else(|e| panic!("{e}: {sql}"));
        let tables = |field: &super::FieldName| {
            let one_of = |tables: &BTreeSet<TableName>| {
                tables.iter().map(ToString::to_string).collect::<Vec<_>>().join("|")
            };
            let names: Vec<_> = field.tables.iter().map(one_of).collect();
            let row =
                field.row.as_ref().map(|row| format!("!{}.{}", one_of(&row.tables), row.name));
            let names = if names.is_empty() { "?".into() } else { names.join("+") };
            names + &row.unwrap_or_default()
        };
        let all: Vec<_> =
            draft.fields().iter().map(|f| format!("{}:{}", f.name, tables(f))).collect();
        all.join(" ")
    }

    #[test]
    fn only_what_every_source_of_a_name_has_is_a_column() {
        let cases = [
            ("SELECT f, o FROM orders o", ""),
            ("SELECT o.f FROM orders o", "f:orders"),
            ("SELECT orders.f FROM sales.orders", "f:sales.orders"),
            ("SELECT public.orders.f FROM orders", "f:public.orders"),
            ("SELECT db.public.orders.f FROM orders", "f:?"),
            ("SELECT nobody.f FROM orders o", "f:?"),
            ("SELECT o.* FROM orders o", ""),
            ("WITH o AS (SELECT 1 AS f) SELECT (o).f FROM o", "f:?"),
            ("SELECT (o.r).f FROM orders o", "f:? r:orders"),
            ("SELECT (o.r[1]).f, (ROW(1, 2)).f1 FROM orders o", "f:? r:orders f1:?"),
            // A name that is given twice may mean either.
            ("SELECT x.f, (SELECT x.f FROM b x) FROM a x", "f:a+b f:a+b"),
            ("SELECT x.f, (SELECT 1 FROM (SELECT 1 AS g) x) FROM a x", "f:?"),
            ("SELECT x.f, (SELECT 1 FROM (SELECT 1 AS f) x) FROM a x", "f:a"),
            // What a subquery spells out.
            ("SELECT q.f, q.g, q.h FROM (SELECT o.f, 1 AS g FROM orders o) q", "h:? f:orders"),
            (
                "SELECT q.f FROM (SELECT o.* FROM orders o JOIN customers c USING (id)) q",
                "f:orders",
            ),
            (
                "SELECT q.f FROM (SELECT o.*, c.* FROM orders o, customers c) q",
                "f:customers|orders",
            ),
            (
                "SELECT q.f FROM (SELECT * FROM orders o JOIN (b JOIN c ON true) ON true) q",
                "f:b|c|orders",
            ),
            ("SELECT q.f FROM (SELECT g AS f FROM orders UNION SELECT 1) q", ""),
            ("SELECT q.f FROM (SELECT 1 UNION SELECT g AS f FROM orders) q", "f:?"),
            ("SELECT q.a, q.f FROM (SELECT 1 AS f) q (a)", "f:?"),
            ("SELECT q.count, q.f FROM (SELECT count(*), f::int FROM orders) q", ""),
            ("SELECT o.a, o.f FROM orders o (a)", "f:?"),
            ("WITH q AS (SELECT 1 AS f) SELECT q.f, q.g FROM q", "g:?"),
            ("WITH q AS (SELECT 1 AS f) SELECT x.f, x.g FROM q x", "g:?"),
            ("WITH q (a) AS (SELECT 1 AS f) SELECT q.f, q.a FROM q", "f:?"),
            (
                "WITH q AS (SELECT 1 AS f) SELECT (WITH q AS (SELECT 1 AS g) SELECT q.f FROM q)",
                "f:?",
            ),
            (
                "WITH RECURSIVE q AS (SELECT 1 AS n UNION SELECT q.n + 1 FROM q) SELECT q.n FROM q",
                "",
            ),
            ("SELECT d.d, d.f FROM generate_series(1, 2) d", "d:? f:?"),
            ("SELECT d.n, d.f FROM generate_series(1, 2) d (n)", "f:?"),
            ("SELECT r.a, r.f FROM json_to_record('{}') AS r (a int)", "f:?"),
            (
                "SELECT j.a, j.e, j.f FROM JSON_TABLE('{}', '$' COLUMNS (a int, NESTED '$.b' COLUMNS (e int))) j",
                "f:?",
            ),
            ("SELECT json_table.a FROM JSON_TABLE('{}', '$' COLUMNS (a int))", ""),
            // What has no name here may have any.
            ("SELECT o.f FROM orders o, generate_series(1, 2)", "f:?"),
            ("SELECT j.f FROM (a JOIN b ON true) AS j", "f:?"),
            ("SELECT u.f FROM a JOIN b USING (id) AS u", "f:?"),
            ("SELECT 1 FROM a JOIN b ON a.f = b.g ORDER BY a.h", "f:a g:b h:a"),
        ];
        for (sql, expected) in cases {
            assert_eq!(fields(sql), expected, "{sql}");
        }
    }

    #[test]
    fn a_row_has_the_columns_of_its_table_unless_a_column_has_its_name() {
        let cases = [
            ("SELECT (o).f FROM orders o", "f:orders!orders.o"),
            ("SELECT (o).f FROM orders o, sales.customers", "f:orders!orders|sales.customers.o"),
            ("SELECT (o).f, (SELECT (o).f FROM b o) FROM a o", "f:a+b!a|b.o f:a+b!a|b.o"),
            ("SELECT (SELECT (o).f FROM b) FROM a o", "f:a!a|b.o"),
            ("SELECT (p).f FROM orders o", "f:?"),
            ("SELECT (s.o).f FROM s.o", "f:? o:?"),
            ("SELECT (o).f FROM orders o, generate_series(1, 2) g", "f:?"),
            ("SELECT (o).f FROM orders o, (SELECT 1 AS o) p", "f:?"),
            ("SELECT (o).f FROM orders o (a)", "f:?"),
            ("SELECT (o).a.b FROM orders o", "a:orders!orders.o b:?"),
            ("SELECT (o).* FROM orders o", ""),
        ];
        for (sql, expected) in cases {
            assert_eq!(fields(sql), expected, "{sql}");
        }
    }

    #[test]
    fn all_columns_of_several_tables_are_those_of_one_of_them() {
        let cases = [
            ("SELECT q.f FROM (SELECT * FROM orders) q", "f:orders"),
            ("SELECT q.f FROM (SELECT o.*, 1 AS g FROM sales.orders o) q", "f:sales.orders"),
            ("SELECT q.f FROM (SELECT x.* FROM orders o) q", "f:?"),
            ("SELECT q.f FROM (SELECT * FROM orders o (a)) q", "f:?"),
            ("SELECT q.f FROM (SELECT * FROM orders, customers) q", "f:customers|orders"),
            ("SELECT q.f FROM (SELECT * FROM orders, generate_series(1, 2) g) q", "f:orders"),
            ("SELECT q.f FROM (SELECT * FROM (orders JOIN b ON true) AS j) q", "f:?"),
            ("SELECT q.f FROM (SELECT * FROM orders o (a), customers) q", "f:customers"),
            ("SELECT q.f FROM (SELECT * FROM a, b) q, (SELECT q.f FROM c q) r", "f:a|b+c f:a|b+c"),
            ("WITH r AS (SELECT 1 AS g) SELECT q.f FROM (SELECT * FROM r, orders) q", "f:orders"),
            ("WITH q AS (SELECT * FROM orders) SELECT q.f FROM q", "f:orders"),
            ("WITH r AS (SELECT 1 AS g), q AS (SELECT * FROM r) SELECT q.f FROM q", "f:?"),
            ("WITH RECURSIVE q AS (SELECT * FROM q) SELECT q.f FROM q", "f:?"),
        ];
        for (sql, expected) in cases {
            assert_eq!(fields(sql), expected, "{sql}");
        }
    }

    #[test]
    fn a_column_may_be_called_like_a_refused_function_where_it_is_one() {
        let cases = [
            ("SELECT m.pg_rating FROM movies m", "pg_rating:movies"),
            ("SELECT movies.pg_rating FROM sales.movies", "pg_rating:sales.movies"),
            ("SELECT q.pg_rating FROM (SELECT pg_rating FROM movies) q", ""),
            ("WITH q AS (SELECT * FROM movies) SELECT q.pg_rating FROM q", "pg_rating:movies"),
            ("SELECT orders.pg_column_size FROM orders", "pg_column_size:orders"),
            ("SELECT (m).pg_rating FROM movies m", "pg_rating:movies!movies.m"),
            ("SELECT q.pg_rating FROM (SELECT * FROM movies, orders) q", "pg_rating:movies|orders"),
        ];
        for (sql, expected) in cases {
            assert_eq!(fields(sql), expected, "{sql}");
        }
        for sql in [
            "SELECT q.pg_rating FROM (SELECT * FROM lower('a') a, lower('b') b) q",
            "SELECT (m).pg_rating FROM movies m, generate_series(1, 2) g",
            "SELECT (m).pg_rating FROM movies m, (SELECT 'a'::text AS m) n",
            "SELECT (m).pg_rating FROM movies m, (SELECT 'a'::text AS m)",
            "SELECT (m).pg_rating FROM movies m JOIN (VALUES ('a')) n (m) ON true",
            "SELECT (m).a.pg_rating FROM movies m",
            "SELECT (m.a).pg_rating FROM movies m",
            "SELECT g.pg_rating FROM generate_series(1, 2) g",
            "SELECT m.pg_rating FROM movies m, generate_series(1, 2)",
        ] {
            let error = Draft::parse(sql, &Gate::default()).unwrap_err().to_string();
            assert!(error.contains("must not be called pg_rating here"), "{error}");
        }
    }

    #[test]
    fn places_are_those_of_the_text() {
        let sql = "SELECT 1 AS a,\n  o.f FROM orders o";
        let draft = Draft::parse(sql, &Gate::default()).unwrap();
        let fields = draft.fields();
        assert_eq!((fields[0].line, fields[0].column), (2, 3));
        let template = draft.assume().unwrap();
        let again = Gate::default().recheck(&template).unwrap().fields;
        assert_eq!((again[0].name.as_str(), again[0].line, again[0].column), ("f", 1, 16));
        assert_eq!(again[0].tables, fields[0].tables);
    }
}

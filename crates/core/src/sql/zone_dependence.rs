//! What a statement's rows owe to the time zone of its session.
//!
//! A value of type `timestamptz` is an instant: what day it falls on is decided by the session's zone, which is the
//! caller's. One of type `timestamp` is the wall time of some zone, and comparing it with an instant is right only in a
//! session of that zone. Names are resolved as PostgreSQL does, and in doubt a column counts as read.

use std::collections::{BTreeMap, BTreeSet};

use pg_query::{
    Node, NodeEnum,
    protobuf::{ColumnRef, FuncCall, JoinExpr, RangeVar, SelectStmt},
};

use super::{
    dependencies::is_records,
    error::SqlFault,
    grammar,
    parameter::ParameterType,
    stack,
    table_name::TableName,
    template::Template,
    tree::{builtin_name, sval, target},
    walk::{SqlNode, Visitor, walk},
};

/// What time zone the session of a statement needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum ZoneDependence {
    /// Any: no value depends on it.
    #[default]
    Independent,
    /// The one that the caller asks for.
    Caller,
    /// The one that columns of type `timestamp` are written in.
    Timestamps,
    /// UTC, which the records' dates are written in.
    Records,
}

/// What a column holds, as far as time zones matter to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TimeKind {
    /// Instants: `timestamptz`, `timetz`, and what is made of them.
    Instant,
    /// Wall times: `timestamp`, and what is made of it.
    WallTime,
}

/// The columns of a table or view that hold times.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TimeColumns {
    /// By their names.
    pub columns: BTreeMap<String, TimeKind>,
    /// What the definition of a view reads, `None` for a table. A view without such columns may still read the clock.
    pub view: Option<ViewTimes>,
}

/// What the definition of a view reads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ViewTimes {
    /// Whether wall times are among it.
    pub reads_wall_times: bool,
    /// Whether these are the dates of the records alone.
    pub only_records: bool,
}

/// What a statement reads of times.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TimesRead {
    /// What time zone its session needs.
    pub zone: ZoneDependence,
    /// The columns of wall times that it reads, by their names, but for those of the records.
    pub wall_times: BTreeSet<String>,
    /// The columns of instants that it reads, by their names.
    pub instants: BTreeSet<String>,
}

impl Template {
    /// Decides what the statement reads of times, from the time columns of each table in it and the types of the
    /// columns that it gives.
    #[must_use]
    pub fn times_read(
        &self,
        times: &BTreeMap<TableName, TimeColumns>,
        output: &[&str],
    ) -> TimesRead {
        // A statement that was damaged in the database does not run either.
        let uses = stack::deep(&self.sql, || uses(self)).unwrap_or_default();
        let columns = uses.columns(times);
        let named = |of: TimeKind| {
            let columns = columns.iter().filter(move |(table, _, kind)| {
                *kind == of && !(of == TimeKind::WallTime && is_records(table))
            });
            columns.map(|(_, name, _)| (*name).to_owned()).collect()
        };
        let read = columns.iter().map(|(table, _, kind)| (*table, *kind)).chain(of_views(times));
        let zone = self.zone_of(times, &read.collect(), &uses, output);
        let (wall_times, instants) = (named(TimeKind::WallTime), named(TimeKind::Instant));
        TimesRead { zone, wall_times, instants }
    }

    fn zone_of(
        &self,
        times: &BTreeMap<TableName, TimeColumns>,
        read: &BTreeSet<(&TableName, TimeKind)>,
        uses: &Uses,
        output: &[&str],
    ) -> ZoneDependence {
        let mut wall = read.iter().filter(|(_, kind)| *kind == TimeKind::WallTime).peekable();
        if wall.peek().is_some() {
            let of_records = |table: &TableName| {
                let view = times.get(table).and_then(|of| of.view);
                view.map_or_else(|| is_records(table), |view| view.only_records)
            };
            let only_records = wall.all(|(table, _)| of_records(table));
            return if only_records { ZoneDependence::Records } else { ZoneDependence::Timestamps };
        }
        let binds_instant = self.parameters.iter().any(|p| p.ty == ParameterType::TimestampTz);
        let gives_instant = output.iter().any(|ty| is_instant(ty));
        if !read.is_empty() || uses.makes_instants || binds_instant || gives_instant {
            ZoneDependence::Caller
        } else {
            ZoneDependence::Independent
        }
    }
}

/// Returns the kinds of times that the definitions of the views read.
fn of_views(
    times: &BTreeMap<TableName, TimeColumns>,
) -> impl Iterator<Item = (&TableName, TimeKind)> {
    times.iter().filter_map(|(table, of)| {
        let reads_wall_times = of.view?.reads_wall_times;
        Some((table, if reads_wall_times { TimeKind::WallTime } else { TimeKind::Instant }))
    })
}

/// Whether a type is of instants.
fn is_instant(ty: &str) -> bool {
    let element = ty.strip_suffix("[]").unwrap_or(ty);
    ["timestamptz", "timetz", "tstzrange", "tstzmultirange"].contains(&element)
}

/// The functions whose result is an instant, or can be one for an argument that is none.
const MAKE_INSTANTS: [&str; 14] = [
    "age",
    "date_add",
    "date_bin",
    "date_subtract",
    "date_trunc",
    "make_timestamptz",
    "timestamptz",
    "timetz",
    "timezone",
    "to_char",
    "to_timestamp",
    "tstzmultirange",
    "tstzrange",
    "uuid_extract_timestamp",
];

fn uses(template: &Template) -> Result<Uses, SqlFault> {
    let mut tree = grammar::parse_printed(&template.sql)?;
    let mut uses = Uses::default();
    walk(&mut tree, &mut uses)?;
    Ok(uses)
}

/// The names of one SELECT.
#[derive(Default)]
struct Scope {
    /// The SELECT around it, whose names it may use.
    outer: Option<usize>,
    /// The tables by their names in FROM; none under the name of what is no table.
    sources: BTreeMap<String, BTreeSet<TableName>>,
    /// Names without a qualifier.
    bare: BTreeSet<String>,
    /// Names with one.
    qualified: BTreeSet<(String, String)>,
    /// The names in FROM of which every column is used.
    whole: BTreeSet<String>,
}

/// A column of times that a statement reads.
type ColumnRead<'a> = (&'a TableName, &'a str, TimeKind);

/// The columns that a statement names, and how it names what they are of.
#[derive(Default)]
struct Uses {
    scopes: Vec<Scope>,
    /// The SELECTs that the walk is inside of.
    open: Vec<usize>,
    /// Locations of names of the SELECT's own columns.
    outputs: BTreeSet<i32>,
    /// Whether instants arise in it whatever its columns are.
    makes_instants: bool,
}

impl Uses {
    /// Returns the columns of times that the statement reads.
    fn columns<'a>(&self, times: &'a BTreeMap<TableName, TimeColumns>) -> BTreeSet<ColumnRead<'a>> {
        let mut read = BTreeSet::new();
        for scope in &self.scopes {
            for name in &scope.bare {
                let mut around = self.outwards(scope);
                let found = around.find_map(|scope| scope.bare_columns(name, times));
                read.extend(found.into_iter().flatten());
            }
            let qualified = scope.qualified.iter().map(|(of, column)| (of, Some(column.as_str())));
            let whole = scope.whole.iter().map(|of| (of, None));
            for (of, column) in qualified.chain(whole) {
                let source = self.outwards(scope).find_map(|scope| scope.sources.get(of));
                read.extend(
                    source.into_iter().flatten().flat_map(|t| time_columns(times, t, column)),
                );
            }
        }
        read
    }

    /// Returns a scope and those around it.
    fn outwards<'a>(&'a self, scope: &'a Scope) -> impl Iterator<Item = &'a Scope> {
        std::iter::successors(Some(scope), |scope| self.scopes.get(scope.outer?))
    }

    /// The SELECT that the walk is in.
    fn scope(&mut self) -> &mut Scope {
        if self.open.is_empty() {
            self.begin();
        }
        let at = self.open.last().copied().unwrap_or_default();
        &mut self.scopes[at]
    }

    fn begin(&mut self) {
        let outer = self.open.last().copied();
        self.open.push(self.scopes.len());
        self.scopes.push(Scope { outer, ..Scope::default() });
    }

    fn table(&mut self, table: &RangeVar) {
        let schema = Some(table.schemaname.clone()).filter(|schema| !schema.is_empty());
        let named = TableName { schema, name: table.relname.clone() };
        let name = name_in_from(table);
        if table.alias.as_ref().is_some_and(|alias| !alias.colnames.is_empty()) {
            // Its columns have other names here.
            self.scope().whole.insert(name.clone());
        }
        self.scope().sources.entry(name).or_default().insert(named);
    }

    fn column(&mut self, column: &ColumnRef) {
        let parts: Vec<Option<&str>> = column.fields.iter().map(sval).collect();
        match parts.as_slice() {
            [Some(_)] if self.outputs.contains(&column.location) => {}
            [Some(name)] => {
                self.scope().bare.insert((*name).to_owned());
            }
            [.., Some(of), Some(name)] => {
                self.scope().qualified.insert(((*of).to_owned(), (*name).to_owned()));
            }
            [.., Some(of), None] => {
                self.scope().whole.insert((*of).to_owned());
            }
            // A star alone: see `stars`.
            _ => {}
        }
    }

    /// `SELECT *` reads every column of what stands in its own FROM.
    fn stars(&mut self, select: &SelectStmt) {
        let is_star = |node: &Node| match target(node).and_then(|t| t.val.as_deref()) {
            Some(Node { node: Some(NodeEnum::ColumnRef(column)) }) => {
                column.fields.len() == 1 && column.fields.first().and_then(sval).is_none()
            }
            _ => false,
        };
        if select.target_list.iter().any(is_star) {
            select.from_clause.iter().for_each(|item| self.all_of(item));
        }
    }

    fn all_of(&mut self, item: &Node) {
        match &item.node {
            Some(NodeEnum::RangeVar(table)) => {
                self.scope().whole.insert(name_in_from(table));
            }
            Some(NodeEnum::JoinExpr(join)) => {
                for side in [&join.larg, &join.rarg].into_iter().flatten() {
                    self.all_of(side);
                }
            }
            _ => {}
        }
    }

    /// Notes where ORDER BY and DISTINCT ON name a column of the SELECT itself, which PostgreSQL prefers there.
    fn own_columns(&mut self, select: &SelectStmt) {
        let names = select.target_list.iter().filter_map(target).map(|t| t.name.as_str());
        let names: BTreeSet<&str> = names.collect();
        let is_set_operation = select.larg.is_some();
        let sorted = select.sort_clause.iter().filter_map(|sort| match &sort.node {
            Some(NodeEnum::SortBy(sort)) => sort.node.as_deref(),
            _ => None,
        });
        for key in sorted.chain(&select.distinct_clause) {
            let Some(NodeEnum::ColumnRef(column)) = &key.node else { continue };
            if let [name] = column.fields.as_slice()
                && sval(name).is_some_and(|name| is_set_operation || names.contains(name))
            {
                self.outputs.insert(column.location);
            }
        }
    }

    fn join(&mut self, join: &JoinExpr) {
        let using = join.using_clause.iter().filter_map(sval).map(str::to_owned);
        self.scope().bare.extend(using);
        // The alias of a join hides what is inside: all of that may be used by it.
        if join.is_natural || join.alias.is_some() {
            for side in [&join.larg, &join.rarg].into_iter().flatten() {
                self.all_of(side);
            }
        }
    }

    fn call(&mut self, call: &FuncCall) {
        self.makes_instants |= match builtin_name(&call.funcname) {
            // Of dates it gives instants, of numbers it does not.
            Some("generate_series") => call.args.get(2).is_some_and(|step| !is_number(step)),
            Some(name) => {
                let is_path = name.starts_with("jsonb_path_") && name.ends_with("_tz");
                is_path || MAKE_INSTANTS.contains(&name)
            }
            // What an operator allowed may do anything.
            None => true,
        };
    }
}

impl Scope {
    /// Returns the columns of times that a name without a qualifier reads here; none if it is not of this SELECT, as far
    /// as columns of times tell.
    fn bare_columns<'a>(
        &self,
        name: &str,
        times: &'a BTreeMap<TableName, TimeColumns>,
    ) -> Option<Vec<ColumnRead<'a>>> {
        let tables = self.sources.values().flatten();
        let columns: Vec<_> = tables.flat_map(|t| time_columns(times, t, Some(name))).collect();
        if !columns.is_empty() {
            return Some(columns);
        }
        // A name alone is a column if there is one, else the whole row.
        let source = self.sources.get(name)?;
        Some(source.iter().flat_map(|table| time_columns(times, table, None)).collect())
    }
}

/// Returns the column `name` of a table, or all of its columns, as far as they hold times.
fn time_columns<'a>(
    times: &'a BTreeMap<TableName, TimeColumns>,
    table: &TableName,
    name: Option<&str>,
) -> impl Iterator<Item = ColumnRead<'a>> {
    let found = times.get_key_value(table).into_iter();
    let columns =
        found.flat_map(|(table, of)| of.columns.iter().map(move |column| (table, column)));
    let columns = columns.filter(move |(_, (column, _))| name.is_none_or(|name| *column == name));
    columns.map(|(table, (column, kind))| (table, column.as_str(), *kind))
}

fn is_number(node: &Node) -> bool {
    use pg_query::protobuf::a_const::Val;
    match &node.node {
        Some(NodeEnum::AConst(constant)) => {
            matches!(constant.val, Some(Val::Ival(_) | Val::Fval(_)))
        }
        _ => false,
    }
}

fn name_in_from(table: &RangeVar) -> String {
    table.alias.as_ref().map_or(&table.relname, |alias| &alias.aliasname).clone()
}

impl Visitor for Uses {
    fn enter(&mut self, node: &mut SqlNode<'_>) -> Result<(), SqlFault> {
        match node {
            SqlNode::SelectStmt(select) => {
                self.begin();
                self.stars(select);
                self.own_columns(select);
            }
            SqlNode::RangeSubselect(query) => {
                if let Some(alias) = &query.alias {
                    self.scope().sources.entry(alias.aliasname.clone()).or_default();
                }
            }
            SqlNode::RangeVar(table) => self.table(table),
            SqlNode::JoinExpr(join) => self.join(join),
            SqlNode::ColumnRef(column) => self.column(column),
            SqlNode::FuncCall(call) => self.call(call),
            SqlNode::TypeName(ty) => {
                // A type of the operator's may be made of instants.
                self.makes_instants |= builtin_name(&ty.names).is_none_or(is_instant);
            }
            _ => {}
        }
        Ok(())
    }

    fn leave(&mut self, node: &mut SqlNode<'_>) -> Result<(), SqlFault> {
        if matches!(node, SqlNode::SelectStmt(_)) {
            self.open.pop();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{Draft, Gate};

    fn zone(sql: &str) -> ZoneDependence {
        let of = |columns: &[(&str, TimeKind)], view| TimeColumns {
            columns: columns.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect(),
            view,
        };
        let (wall, instant) = (TimeKind::WallTime, TimeKind::Instant);
        let view = |reads_wall_times| Some(ViewTimes { reads_wall_times, only_records: false });
        let of_records = Some(ViewTimes { reads_wall_times: true, only_records: true });
        let times = [
            ("visits", of(&[("at", instant), ("edited", wall)], None)),
            ("orders", of(&[("at", wall)], None)),
            ("metrics", of(&[("date", wall)], None)),
            ("days", of(&[], None)),
            ("recent", of(&[], view(false))),
            ("hours", of(&[], view(true))),
            ("later", of(&[], of_records)),
        ];
        let template = Draft::parse(sql, &Gate::default()).unwrap().assume().unwrap();
        let named = |name: &str| TableName { schema: None, name: name.into() };
        let times = times.into_iter().map(|(name, of)| (named(name), of));
        let times = times.filter(|(name, _)| template.tables.contains(name)).collect();
        template.times_read(&times, &[]).zone
    }

    #[test]
    fn the_columns_that_are_read_decide() {
        use ZoneDependence::{Caller, Independent, Records, Timestamps};
        for (sql, expected) in [
            ("SELECT count(*) AS n FROM visits", Independent),
            ("SELECT count(*) AS n FROM days WHERE d >= '2025-06-01'", Independent),
            ("SELECT generate_series(1, 3) AS n", Independent),
            ("SELECT at FROM visits", Caller),
            ("SELECT v.at::date AS d FROM visits v", Caller),
            ("SELECT count(*) AS n FROM days WHERE d > now()", Caller),
            ("SELECT date_trunc('month', d) AS m FROM days", Caller),
            ("SELECT '2025-06-01'::timestamptz AS t", Caller),
            (
                "SELECT d FROM generate_series('2025-06-01'::date, CURRENT_DATE, '1 day') AS d",
                Caller,
            ),
            ("SELECT n FROM recent", Caller),
            ("SELECT edited FROM visits", Timestamps),
            ("SELECT * FROM visits", Timestamps),
            ("SELECT v.* FROM visits v", Timestamps),
            ("SELECT row_to_json(v) AS j FROM visits v", Timestamps),
            ("SELECT n FROM hours", Timestamps),
            ("SELECT a AS n FROM visits AS v (a)", Timestamps),
            ("SELECT v.at FROM visits v JOIN days d ON d.edited = v.id", Caller),
            ("SELECT v.at FROM visits v JOIN orders o ON o.id = v.id", Caller),
            ("SELECT at FROM orders WHERE at > now() - interval '1 day'", Timestamps),
            ("SELECT d FROM (SELECT at::date AS d FROM visits) AS x", Caller),
            ("SELECT x.* FROM (SELECT at::date AS d FROM visits) AS x", Caller),
            ("SELECT * FROM (SELECT at::date AS d FROM visits) AS x", Caller),
            ("SELECT j.at::date AS d FROM (visits v JOIN days d ON d.id = v.id) AS j", Timestamps),
            ("SELECT j.a AS d FROM (recent r JOIN days d ON d.id = r.id) AS j (a, b)", Caller),
            ("SELECT x.t::date AS d FROM json_to_recordset('[]') AS x (t timestamptz)", Caller),
            ("SELECT date_bin('1 day', d, '2025-06-01'::date)::date AS d FROM days", Caller),
            ("SELECT n FROM later", Records),
            ("SELECT date FROM metrics", Records),
            ("SELECT m.date, o.at FROM metrics m, orders o", Timestamps),
            ("SELECT m.date, v.at FROM metrics m, visits v", Records),
            ("WITH v AS (SELECT at FROM visits) SELECT * FROM v", Caller),
            // A name is of the nearest SELECT that has it.
            ("SELECT at::date AS d FROM visits WHERE id IN (SELECT id FROM orders)", Caller),
            ("WITH o AS (SELECT id FROM orders) SELECT at::date AS d FROM visits, o", Caller),
            ("SELECT at FROM (SELECT v.at FROM visits v JOIN orders o ON true) AS q", Caller),
            ("SELECT at FROM (SELECT v.* FROM recent v JOIN orders o ON true) AS q", Caller),
            (
                "SELECT id FROM visits WHERE id IN (SELECT id FROM orders WHERE edited > now())",
                Timestamps,
            ),
            (
                "SELECT id FROM visits v WHERE EXISTS (SELECT FROM days d WHERE v.edited > d.d)",
                Timestamps,
            ),
            (
                "SELECT q.at FROM (SELECT 1 AS at) AS q, visits WHERE EXISTS (SELECT q.at)",
                Independent,
            ),
            ("SELECT at FROM orders UNION SELECT at FROM visits ORDER BY at", Timestamps),
            // Where a column of the answer is meant.
            ("SELECT at::date AS edited FROM visits ORDER BY edited", Caller),
            ("SELECT DISTINCT ON (edited) at::date AS edited FROM visits", Caller),
            ("SELECT at AS edited FROM visits UNION SELECT now() ORDER BY edited", Caller),
            ("SELECT at::date AS d FROM visits ORDER BY edited", Timestamps),
        ] {
            assert_eq!(zone(sql), expected, "{sql}");
        }
    }
}

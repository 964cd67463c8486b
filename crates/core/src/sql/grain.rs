//! What a query's text tells of the time of day of its values: `x::date` has none, `now()` has one.
//!
//! Never asks a database: what a table's column is stays unknown, but for the built-in records.

use std::{cell::Cell, rc::Rc};

use pg_query::{
    Node, NodeEnum,
    protobuf::{Alias, ColumnRef, FuncCall, RangeVar, SelectStmt, SubLinkType, WithClause},
};

use super::{
    literals::DayLiteral,
    names::column_name,
    qualified::PUBLIC,
    tree::{binary, builtin_name, cast_parts, integer_constant, string_constant, sval, target},
    walk::SqlNode,
};

/// The finest unit of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grain {
    /// Whole days: a date, or midnights alone.
    Days,
    /// Instants, with a time of day.
    Instants,
    /// The date of the built-in records: an instant, although all of them may have midnight there.
    Records,
    /// Midnights alone if its column is a date, which the type of the expression does not tell.
    AsColumn,
    Unknown,
}

/// The SELECTs being visited, outermost first.
#[derive(Default)]
pub(super) struct Scopes(Vec<Visited>);

/// What a SELECT reads, as it was before anything in it was replaced.
struct Visited {
    from: Vec<Node>,
    with: Option<WithClause>,
}

impl Scopes {
    pub(super) fn enter(&mut self, node: &SqlNode<'_>) {
        if let SqlNode::SelectStmt(select) = node {
            let (from, with) = (select.from_clause.clone(), select.with_clause.clone());
            self.0.push(Visited { from, with });
        }
    }

    pub(super) fn leave(&mut self, node: &SqlNode<'_>) {
        if matches!(node, SqlNode::SelectStmt(_)) {
            self.0.pop();
        }
    }

    /// Returns the grain of an expression of the innermost SELECT.
    pub(super) fn grain(&self, expression: &Node) -> Grain {
        let views = self.0.iter().map(View::of).collect();
        Reader { views, depth: MAX_DEPTH, steps: Rc::new(Cell::new(MAX_STEPS)) }.grain(expression)
    }
}

/// The most subqueries that a column is followed through, and the most expressions that are looked at: a
/// recursive query has no end.
const MAX_DEPTH: u32 = 24;
const MAX_STEPS: u32 = 1_000;

/// What a SELECT reads.
#[derive(Clone, Copy)]
struct View<'a> {
    from: &'a [Node],
    with: Option<&'a WithClause>,
}

impl<'a> View<'a> {
    fn of(visited: &'a Visited) -> Self {
        Self { from: &visited.from, with: visited.with.as_ref() }
    }
}

/// A column of a subquery.
#[derive(Clone, Copy)]
enum Wanted<'a> {
    Named(&'a str),
    At(usize),
}

struct Reader<'a> {
    /// Those of the SELECTs around an expression, outermost first.
    views: Vec<View<'a>>,
    depth: u32,
    steps: Rc<Cell<u32>>,
}

impl<'a> Reader<'a> {
    fn grain(&self, node: &'a Node) -> Grain {
        let Some(steps) = self.steps.get().checked_sub(1) else {
            return Grain::Unknown;
        };
        self.steps.set(steps);
        if let Some((arg, _, name)) = cast_parts(node) {
            return match name {
                "date" => Grain::Days,
                "timestamp" | "timestamptz" => match self.grain(arg) {
                    Grain::Unknown => as_column(arg),
                    grain => grain,
                },
                _ => Grain::Unknown,
            };
        }
        match &node.node {
            Some(NodeEnum::AConst(_)) if is_day(node) => Grain::Days,
            Some(NodeEnum::ColumnRef(column)) => self.column_ref(column),
            Some(NodeEnum::FuncCall(call)) => self.call(call),
            Some(NodeEnum::AExpr(_)) => self.moved(node),
            Some(NodeEnum::CoalesceExpr(expr)) => self.any_of(expr.args.iter()),
            Some(NodeEnum::MinMaxExpr(expr)) => self.any_of(expr.args.iter()),
            Some(NodeEnum::CaseExpr(case)) => {
                let whens = case.args.iter().filter_map(|when| match &when.node {
                    Some(NodeEnum::CaseWhen(when)) => when.result.as_deref(),
                    _ => None,
                });
                self.any_of(whens.chain(case.defresult.as_deref()))
            }
            Some(NodeEnum::SubLink(link)) if link.sub_link_type() == SubLinkType::ExprSublink => {
                let select = link.subselect.as_deref().and_then(select_of);
                select
                    .and_then(|select| self.output(select, Wanted::At(0)))
                    .unwrap_or(Grain::Unknown)
            }
            _ => Grain::Unknown,
        }
    }

    /// Returns the grain of one of several values.
    fn any_of(&self, values: impl Iterator<Item = &'a Node>) -> Grain {
        let values = values.filter(|value| !matches!(&value.node, Some(NodeEnum::AConst(_))));
        values.map(|value| self.grain(value)).reduce(either).unwrap_or(Grain::Unknown)
    }

    /// Returns the grain of a day or instant that an amount is added to or subtracted from.
    fn moved(&self, node: &'a Node) -> Grain {
        match binary(node) {
            Some((left, "+" | "-", right)) => match self.grain(left) {
                Grain::Days | Grain::AsColumn | Grain::Unknown if is_within_a_day(right) => {
                    Grain::Instants
                }
                Grain::Unknown if integer_constant(right).is_none() => as_column(left),
                grain => grain,
            },
            _ => Grain::Unknown,
        }
    }

    fn call(&self, call: &'a FuncCall) -> Grain {
        let first = || call.args.first().map_or(Grain::Unknown, |arg| self.grain(arg));
        match builtin_name(&call.funcname) {
            Some("date" | "to_date" | "make_date") => Grain::Days,
            Some("date_bin") => match call.args.as_slice() {
                [stride, _, origin] if is_in_days(stride) && is_day(origin) => Grain::Days,
                _ => Grain::Instants,
            },
            Some("date_trunc") => {
                let unit = call.args.first().and_then(string_constant);
                let unit = unit.map(|(unit, _)| unit.to_ascii_lowercase());
                match unit.as_deref() {
                    Some("hour" | "minute" | "second" | "milliseconds" | "microseconds") => {
                        Grain::Instants
                    }
                    Some(_) => Grain::Days,
                    None => Grain::Unknown,
                }
            }
            // Of `x AT TIME ZONE zone` the zone comes first.
            Some("timezone") => match call.args.last().map(|arg| self.grain(arg)) {
                Some(Grain::Days) => Grain::Days,
                _ => Grain::Instants,
            },
            Some("generate_series") => match call.args.get(2) {
                Some(step) if is_within_a_day(step) => Grain::Instants,
                _ if first() == Grain::Instants => Grain::Instants,
                _ => Grain::Days,
            },
            Some("min" | "max" | "lag" | "lead" | "first_value" | "last_value" | "any_value") => {
                first()
            }
            Some("to_timestamp" | "make_timestamp" | "make_timestamptz" | "clock_timestamp") => {
                Grain::Instants
            }
            _ => Grain::Unknown,
        }
    }

    fn column_ref(&self, column: &'a ColumnRef) -> Grain {
        let names: Vec<_> = column.fields.iter().filter_map(sval).collect();
        match names.as_slice() {
            [name] => self.column(None, name),
            [.., table, name] => self.column(Some(table), name),
            [] => Grain::Unknown,
        }
    }

    /// Looks a column up in the SELECTs around it, innermost first.
    fn column(&self, table: Option<&str>, name: &'a str) -> Grain {
        let mut inner = self.views.len();
        while let Some(outer) = inner.checked_sub(1) {
            if let Some(found) = self.column_of(outer, table, name) {
                return found;
            }
            inner = outer;
        }
        Grain::Unknown
    }

    /// Looks a column up in what the SELECT `at` reads. It is none of its own, or not known to be.
    fn column_of(&self, at: usize, table: Option<&str>, name: &'a str) -> Option<Grain> {
        let view = self.views.get(at)?;
        let mut sources = Vec::new();
        view.from.iter().for_each(|item| flatten(item, &mut sources));
        let mut is_unknown = false;
        for source in sources {
            if table.is_some_and(|table| called(source) != Some(table)) {
                continue;
            }
            match self.column_in(source, at, name) {
                Some(Grain::Unknown) => is_unknown = true,
                Some(grain) => return Some(grain),
                None => {}
            }
        }
        is_unknown.then_some(Grain::Unknown)
    }

    fn column_in(&self, source: &'a Node, at: usize, name: &'a str) -> Option<Grain> {
        match &source.node {
            Some(NodeEnum::RangeVar(table)) => self.column_of_table(table, at, name),
            Some(NodeEnum::RangeSubselect(subquery)) => {
                let select = select_of(subquery.subquery.as_deref()?)?;
                let wanted = renamed(subquery.alias.as_ref(), name);
                self.up_to(at + 1)?.output(select, wanted)
            }
            Some(NodeEnum::RangeFunction(function)) => {
                let Some(NodeEnum::List(list)) = &function.functions.first()?.node else {
                    return None;
                };
                let Some(NodeEnum::FuncCall(call)) = &list.items.first()?.node else {
                    return None;
                };
                let alias = function.alias.as_ref();
                let column = alias.and_then(|alias| alias.colnames.first()).and_then(sval);
                let column = column.or(alias.map(|alias| alias.aliasname.as_str()));
                let own = builtin_name(&call.funcname);
                (column.or(own) == Some(name)).then(|| self.call(call))
            }
            _ => None,
        }
    }

    fn column_of_table(&self, table: &'a RangeVar, at: usize, name: &'a str) -> Option<Grain> {
        if table.schemaname.is_empty() {
            for (index, view) in self.views.iter().enumerate().take(at + 1).rev() {
                let mut ctes = view.with.into_iter().flat_map(|with| with.ctes.iter());
                let cte = ctes.find_map(|cte| match &cte.node {
                    Some(NodeEnum::CommonTableExpr(cte)) if cte.ctename == table.relname => {
                        Some(cte)
                    }
                    _ => None,
                });
                let Some(cte) = cte else { continue };
                let select = select_of(cte.ctequery.as_deref()?)?;
                // The first term of a recursive query gives its columns their types.
                let first =
                    select.larg.as_deref().filter(|_| view.with.is_some_and(|w| w.recursive));
                let select = first.unwrap_or(select);
                let mut names = cte.aliascolnames.iter().filter_map(sval);
                let wanted = match names.position(|column| column == name) {
                    Some(position) => Wanted::At(position),
                    None => Wanted::Named(name),
                };
                return self.up_to(index + 1)?.output(select, wanted);
            }
        }
        let is_records = table.relname == "metrics"
            && (table.schemaname.is_empty() || table.schemaname == PUBLIC);
        match name {
            "date" if is_records => Some(Grain::Records),
            _ if is_records => None,
            _ => Some(Grain::Unknown),
        }
    }

    /// Returns the grain of a column of a subquery's result.
    fn output(&self, select: &'a SelectStmt, wanted: Wanted<'a>) -> Option<Grain> {
        if let (Some(left), Some(right)) = (select.larg.as_deref(), select.rarg.as_deref()) {
            let position = match wanted {
                Wanted::At(position) => position,
                Wanted::Named(name) => position_of(left, name)?,
            };
            let inside = self.inside(select)?;
            let left = inside.output(left, Wanted::At(position))?;
            return Some(either(left, inside.output(right, Wanted::At(position))?));
        }
        let mut targets = select.target_list.iter().filter_map(target);
        let value = match wanted {
            Wanted::At(position) => targets.nth(position)?.val.as_deref(),
            Wanted::Named(name) => {
                let named = targets.find(|target| match target.name.as_str() {
                    "" => column_name(target.val.as_deref(), &[]) == name,
                    alias => alias == name,
                });
                let Some(named) = named else {
                    let mut targets = select.target_list.iter().filter_map(target);
                    let has_star = targets.any(|target| target.val.as_deref().is_some_and(is_star));
                    let inside = self.inside(select).filter(|_| has_star)?;
                    return inside.column_of(inside.views.len() - 1, None, name);
                };
                named.val.as_deref()
            }
        };
        Some(self.inside(select)?.grain(value?))
    }

    /// Returns a reader of what stands inside `select`.
    fn inside(&self, select: &'a SelectStmt) -> Option<Self> {
        let mut views = self.views.clone();
        views.push(View { from: &select.from_clause, with: select.with_clause.as_ref() });
        Some(Reader { views, depth: self.depth.checked_sub(1)?, steps: Rc::clone(&self.steps) })
    }

    /// Returns a reader of what stands inside the outermost SELECTs alone.
    fn up_to(&self, count: usize) -> Option<Self> {
        let views = self.views.iter().copied().take(count).collect();
        Some(Reader { views, depth: self.depth.checked_sub(1)?, steps: Rc::clone(&self.steps) })
    }
}

/// Returns the grain of a value that is the one or the other.
fn either(one: Grain, other: Grain) -> Grain {
    match (one, other) {
        _ if one == other => one,
        (Grain::Unknown, _) | (_, Grain::Unknown) => Grain::Unknown,
        (Grain::AsColumn, Grain::Days) | (Grain::Days, Grain::AsColumn) => Grain::AsColumn,
        _ => Grain::Instants,
    }
}

/// Returns the grain of a value that is made a timestamp.
fn as_column(value: &Node) -> Grain {
    match &value.node {
        Some(NodeEnum::ColumnRef(column)) => match column.fields.last().and_then(sval) {
            Some(name) if is_named_like_an_instant(name) => Grain::Instants,
            _ => Grain::AsColumn,
        },
        _ => Grain::Instants,
    }
}

/// Whether a column is called like one with a time of day.
pub(super) fn is_named_like_an_instant(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let last = lower.rsplit('_').next().unwrap_or_default();
    ["at", "ts", "time", "timestamp", "datetime"].contains(&last)
}

fn is_day(node: &Node) -> bool {
    DayLiteral::read(node).is_some_and(|day| !day.is_last_instant())
}

/// Whether an amount of time is, or has, a part of a day.
fn is_within_a_day(amount: &Node) -> bool {
    /// The bits of INTERVAL '…' HOUR, MINUTE and SECOND.
    const FIELDS: i32 = 0x400 | 0x800 | 0x1000;
    let (text, fields) = match cast_parts(amount) {
        Some((arg, ty, "interval")) => {
            (arg, ty.typmods.first().and_then(integer_constant).unwrap_or(0))
        }
        _ => (amount, 0),
    };
    let is_short = |text: &str| {
        let text = text.to_ascii_lowercase();
        ["hour", "min", "sec", ":"].iter().any(|unit| text.contains(unit))
    };
    fields & FIELDS != 0 || string_constant(text).is_some_and(|(text, _)| is_short(text))
}

/// Whether an interval is written as whole days or weeks.
fn is_in_days(amount: &Node) -> bool {
    let text = cast_parts(amount).map_or(amount, |(arg, ..)| arg);
    string_constant(text).is_some_and(|(text, _)| {
        let words = text.trim().trim_start_matches(|c: char| c.is_ascii_digit()).trim();
        ["day", "days", "d", "week", "weeks", "w"].contains(&words.to_ascii_lowercase().as_str())
    })
}

/// Collects the tables, subqueries and functions of a FROM item.
fn flatten<'a>(item: &'a Node, sources: &mut Vec<&'a Node>) {
    match &item.node {
        Some(NodeEnum::JoinExpr(join)) => {
            let sides = [join.larg.as_deref(), join.rarg.as_deref()];
            sides.into_iter().flatten().for_each(|side| flatten(side, sources));
        }
        Some(NodeEnum::RangeTableSample(sample)) => {
            sample.relation.as_deref().into_iter().for_each(|table| flatten(table, sources));
        }
        _ => sources.push(item),
    }
}

/// Returns the name by which a query calls what it reads.
fn called(source: &Node) -> Option<&str> {
    let (alias, own) = match &source.node {
        Some(NodeEnum::RangeVar(table)) => (table.alias.as_ref(), Some(table.relname.as_str())),
        Some(NodeEnum::RangeSubselect(subquery)) => (subquery.alias.as_ref(), None),
        Some(NodeEnum::RangeFunction(function)) => (function.alias.as_ref(), None),
        _ => (None, None),
    };
    alias.map(|alias| alias.aliasname.as_str()).or(own)
}

/// Returns a column of a subquery whose columns an alias may name anew.
fn renamed<'a>(alias: Option<&Alias>, name: &'a str) -> Wanted<'a> {
    let mut names = alias.into_iter().flat_map(|alias| alias.colnames.iter().filter_map(sval));
    match names.position(|column| column == name) {
        Some(position) => Wanted::At(position),
        None => Wanted::Named(name),
    }
}

/// Returns the position of a column by the names of the first SELECT of a UNION.
fn position_of(select: &SelectStmt, name: &str) -> Option<usize> {
    if let Some(left) = select.larg.as_deref() {
        return position_of(left, name);
    }
    let mut targets = select.target_list.iter().filter_map(target);
    targets.position(|target| match target.name.as_str() {
        "" => column_name(target.val.as_deref(), &[]) == name,
        alias => alias == name,
    })
}

fn select_of(node: &Node) -> Option<&SelectStmt> {
    match &node.node {
        Some(NodeEnum::SelectStmt(select)) => Some(select),
        _ => None,
    }
}

fn is_star(node: &Node) -> bool {
    let Some(NodeEnum::ColumnRef(column)) = &node.node else {
        return false;
    };
    column.fields.last().is_some_and(|field| matches!(&field.node, Some(NodeEnum::AStar(_))))
}

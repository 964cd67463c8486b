//! The sizes of what SELECTs give, and of their relations.

use pg_query::{
    Node, NodeEnum,
    protobuf::{
        Alias, CommonTableExpr, CteMaterialize, JoinExpr, RangeFunction, SelectStmt, WithClause,
    },
};

use super::{
    expressions::Sizes,
    relations::{Columns, Cte, Relation},
    value::{MOST_DIGITS, Value},
    zones,
};
use crate::sql::{
    error::SqlFault,
    names::column_name,
    tree::{sval, target},
    walk::first_location,
};

/// The most relations that the planner may have to deal with at once.
const MAX_RELATIONS: f64 = 1_000.0;

/// How often it is looked whether a column of a recursive statement grows: others may grow from it.
const MAX_ROUNDS: usize = 8;

/// The most references to statements that are written further on in a WITH RECURSIVE.
const MAX_LATER_REFERENCES: usize = 4;

/// The most columns that PostgreSQL gives a SELECT.
const MAX_COLUMNS: usize = 1_664;

/// The most parts of the expressions of a SELECT, once what they refer to is put in.
const MAX_PARTS: f64 = 50_000.0;

/// Columns by name, and the largest of those whose names are not known.
type OutputColumns = (Vec<(String, Value)>, Option<Value>);

/// What a SELECT gives.
pub(super) struct SelectOutput {
    pub(super) columns: Vec<(String, Value)>,
    /// The largest of the columns whose names are not known.
    pub(super) others: Option<Value>,
    /// The relations that the planner has for it.
    pub(super) relations: f64,
}

impl SelectOutput {
    /// The value of its only row and column.
    pub(super) fn scalar(&self) -> Value {
        let first = self.columns.first().map(|(_, value)| *value);
        first
            .into_iter()
            .chain(self.others)
            .reduce(|a, b| Value::any(&[a, b]))
            .unwrap_or(Value::ONE)
    }

    fn columns_and_others(&self) -> Columns {
        Columns::Named(self.columns.clone(), self.others)
    }

    fn into_columns(self) -> Columns {
        Columns::Named(self.columns, self.others)
    }
}

impl Sizes<'_> {
    /// Estimates a statement, or one in parentheses.
    pub(super) fn statement(&mut self, node: &Node) -> Result<SelectOutput, SqlFault> {
        match &node.node {
            Some(NodeEnum::SelectStmt(select)) => self.select(select),
            _ => Ok(SelectOutput { columns: Vec::new(), others: None, relations: 0.0 }),
        }
    }

    fn select(&mut self, select: &SelectStmt) -> Result<SelectOutput, SqlFault> {
        let known_ctes = self.names.ctes();
        let outer = std::mem::take(&mut self.relations);
        if let Some(with) = &select.with_clause {
            self.with(with)?;
        }
        let (columns, others) = if let (Some(left), Some(right)) = (&select.larg, &select.rarg) {
            self.set_operation(select, left, right)?
        } else {
            self.names.open();
            let apart = std::mem::take(&mut self.is_planned_apart);
            let columns = self.simple(select);
            self.is_planned_apart = apart;
            self.names.close();
            columns?
        };
        self.names.forget_ctes(known_ctes);
        let relations = std::mem::replace(&mut self.relations, outer);
        Ok(SelectOutput { columns, others, relations })
    }

    fn set_operation(
        &mut self,
        select: &SelectStmt,
        left: &SelectStmt,
        right: &SelectStmt,
    ) -> Result<OutputColumns, SqlFault> {
        let (left, right) = (self.select(left)?, self.select(right)?);
        self.add_relations(left.relations + right.relations, select)?;
        self.all(&[&select.sort_clause])?;
        self.each([&select.limit_count, &select.limit_offset])?;
        if left.others.is_some() || right.others.is_some() {
            let all = left.columns.iter().chain(&right.columns).map(|(_, value)| *value);
            let all: Vec<_> = all.chain(left.others).chain(right.others).collect();
            return Ok((Vec::new(), Some(Value::any(&all).fenced())));
        }
        let both = left.columns.into_iter().zip(right.columns);
        let either = both.map(|((name, a), (_, b))| (name, Value::any(&[a, b]).fenced()));
        Ok((either.collect(), None))
    }

    fn add_relations(&mut self, relations: f64, select: &SelectStmt) -> Result<(), SqlFault> {
        let at = select.target_list.first().and_then(target).map_or(0, |target| target.location);
        self.count_relations(relations, at)
    }

    /// Counts relations that the planner has to deal with.
    pub(super) fn count_relations(&mut self, relations: f64, at: i32) -> Result<(), SqlFault> {
        self.relations += relations;
        if self.relations <= MAX_RELATIONS {
            return Ok(());
        }
        let message = format!(
            "this query has more than {MAX_RELATIONS} tables once its subqueries are put in where they are named"
        );
        Err(SqlFault::new(at, message)
            .hint("leave out NOT MATERIALIZED, or name the subqueries less often"))
    }

    fn simple(&mut self, select: &SelectStmt) -> Result<OutputColumns, SqlFault> {
        if !select.values_lists.is_empty() {
            return Ok((self.values(&select.values_lists)?, None));
        }
        for item in &select.from_clause {
            self.item_of_from(item)?;
        }
        let mut parts = Vec::new();
        parts.extend(self.optional(select.where_clause.as_deref())?);
        let (mut columns, mut others) = (Vec::new(), None);
        for target in select.target_list.iter().filter_map(target) {
            let Some(value) = target.val.as_deref() else { continue };
            if self.star(value, &mut columns, &mut others)? {
                continue;
            }
            let size = self.value(value)?;
            let name = match target.name.as_str() {
                "" => column_name(Some(value), &[]),
                name => name.to_owned(),
            };
            parts.push(size);
            columns.push((name, size));
        }
        let lists = [
            &select.distinct_clause,
            &select.group_clause,
            &select.window_clause,
            &select.sort_clause,
        ];
        parts.extend(self.all(&lists)?);
        parts.extend(self.each([
            &select.having_clause,
            &select.limit_count,
            &select.limit_offset,
        ])?);
        let total: f64 = parts.iter().map(|value| value.parts).sum();
        if total > MAX_PARTS {
            let at =
                select.target_list.first().and_then(target).map_or(0, |target| target.location);
            let message = format!(
                "this query has more than {MAX_PARTS} parts once its subqueries are put in where they are named"
            );
            return Err(SqlFault::new(at, message)
                .hint("write WITH … AS MATERIALIZED, or OFFSET 0 in a subquery"));
        }
        if self.is_planned_apart || is_planned_apart(select) {
            for (_, value) in &mut columns {
                *value = value.fenced();
            }
        }
        Ok((columns, others))
    }

    fn values(&mut self, rows: &[Node]) -> Result<Vec<(String, Value)>, SqlFault> {
        let mut columns: Vec<(String, Value)> = Vec::new();
        for row in rows {
            let Some(NodeEnum::List(row)) = &row.node else { continue };
            for (at, value) in row.items.iter().enumerate() {
                // Of a single row the planner makes the columns what they are.
                let size = self.value(value)?;
                let size = if rows.len() > 1 { size.fenced() } else { size };
                match columns.get_mut(at) {
                    Some((_, most)) => *most = Value::any(&[*most, size]).fenced(),
                    None => columns.push((format!("column{}", at + 1), size)),
                }
            }
        }
        Ok(columns)
    }

    /// Adds the columns that a `*` stands for; false if it is no such thing.
    fn star(
        &mut self,
        value: &Node,
        columns: &mut Vec<(String, Value)>,
        others: &mut Option<Value>,
    ) -> Result<bool, SqlFault> {
        let is_star = |node: Option<&Node>| {
            matches!(node.map(|node| &node.node), Some(Some(NodeEnum::AStar(_))))
        };
        let mut add = |of: &Columns| {
            let of_others = match of {
                Columns::Named(named, of_others) => {
                    columns.extend(named.iter().cloned());
                    *of_others
                }
                Columns::Any(value) => Some(*value),
            };
            *others =
                of_others.into_iter().chain(*others).reduce(|a, b| Value::any(&[a, b]).fenced());
        };
        let is_star_alone = match &value.node {
            Some(NodeEnum::ColumnRef(column)) if is_star(column.fields.last()) => {
                match column.fields.iter().rev().nth(1).and_then(sval) {
                    Some(relation) => match self.names.columns_of(relation) {
                        Some(of) => add(of),
                        None => add(&Columns::Any(self.names.column(relation))),
                    },
                    None => {
                        self.names.relations().iter().for_each(|relation| add(&relation.columns));
                    }
                }
                true
            }
            // `(row).*`
            Some(NodeEnum::AIndirection(selection)) if is_star(selection.indirection.last()) => {
                let row = self.optional(selection.arg.as_deref())?.unwrap_or(Value::ONE);
                *others = Some(row)
                    .into_iter()
                    .chain(*others)
                    .reduce(|a, b| Value::any(&[a, b]).fenced());
                true
            }
            _ => false,
        };
        if is_star_alone && columns.len() > MAX_COLUMNS {
            let message = format!("this query has more than {MAX_COLUMNS} columns");
            return Err(
                SqlFault::new(first_location(value), message).hint("write them out in place of *")
            );
        }
        Ok(is_star_alone)
    }

    fn with(&mut self, with: &WithClause) -> Result<(), SqlFault> {
        let ctes = with.ctes.iter().filter_map(|cte| match &cte.node {
            Some(NodeEnum::CommonTableExpr(cte)) => Some(cte),
            _ => None,
        });
        if with.recursive {
            for cte in ctes.clone() {
                let columns = Columns::Any(Value::ONE.collected().made());
                let later = Cte { is_later: true, ..Cte::once(&cte.ctename, columns) };
                self.names.add_cte(later);
            }
        }
        for cte in ctes {
            self.cte(cte, with.recursive)?;
        }
        Ok(())
    }

    fn cte(&mut self, cte: &CommonTableExpr, may_recurse: bool) -> Result<(), SqlFault> {
        let Some(query) = cte.ctequery.as_deref() else { return Ok(()) };
        let outer = std::mem::take(&mut self.relations);
        let output = match &query.node {
            Some(NodeEnum::SelectStmt(select)) if may_recurse && select.larg.is_some() => {
                self.recursive(cte, select)?
            }
            _ => self.statement(query)?,
        };
        self.relations = outer;
        let names = cte.aliascolnames.iter().filter_map(sval);
        let kind = cte.ctematerialized();
        let is_named_once = self.references.get(&cte.ctename).is_none_or(|count| *count <= 1);
        let is_planned_once = match kind {
            CteMaterialize::Never => false,
            CteMaterialize::Always => true,
            _ => !is_named_once,
        };
        let relations = output.relations;
        let mut output = output;
        if is_planned_once {
            for (_, value) in &mut output.columns {
                *value = value.fenced();
            }
        }
        self.names.add_cte(Cte {
            name: cte.ctename.clone(),
            columns: output.into_columns().renamed(names),
            relations,
            is_planned_once,
            is_planned: false,
            is_later: false,
        });
        Ok(())
    }

    /// A statement that may refer to itself. What grows from one row to the next has no bound.
    fn recursive(
        &mut self,
        cte: &CommonTableExpr,
        select: &SelectStmt,
    ) -> Result<SelectOutput, SqlFault> {
        let (Some(first), Some(next)) = (&select.larg, &select.rarg) else {
            return self.select(select);
        };
        let aliases = || cte.aliascolnames.iter().filter_map(sval);
        let outer = self.names.ctes();
        if let Some(with) = &select.with_clause {
            self.with(with)?;
        }
        self.recursions += 1;
        let output = self.grown(cte, first, next, aliases);
        self.recursions -= 1;
        self.names.forget_ctes(outer);
        self.all(&[&select.sort_clause])?;
        self.each([&select.limit_count, &select.limit_offset])?;
        output
    }

    /// What a recursive statement gives, whose first rows are of `first`. One column may grow from another, which grows from
    /// another; in a statement that is nested that is not followed.
    fn grown<'a, I: Iterator<Item = &'a str>>(
        &mut self,
        cte: &CommonTableExpr,
        first: &SelectStmt,
        next: &SelectStmt,
        aliases: impl Fn() -> I,
    ) -> Result<SelectOutput, SqlFault> {
        let first = self.select(first)?;
        let mut known = first.columns_and_others().renamed(aliases());
        let rounds = if self.recursions > 1 { 0 } else { MAX_ROUNDS };
        for round in 0..=rounds {
            let before = self.names.ctes();
            self.names.add_cte(Cte::once(&cte.ctename, known.clone()));
            let output = self.select(next);
            self.names.forget_ctes(before);
            if !grow(&mut known, &output?) {
                break;
            }
            if round == rounds {
                known = Columns::Any(Value::ONE.collected().made());
            }
        }
        let (columns, others) = match known {
            Columns::Named(columns, others) => (columns, others),
            Columns::Any(value) => (Vec::new(), Some(value)),
        };
        let fenced = columns.into_iter().map(|(name, value)| (name, value.fenced()));
        Ok(SelectOutput { columns: fenced.collect(), others, relations: first.relations + 1.0 })
    }

    fn item_of_from(&mut self, item: &Node) -> Result<(), SqlFault> {
        match &item.node {
            Some(NodeEnum::RangeVar(table)) => {
                let name = alias_name(table.alias.as_ref()).unwrap_or(&table.relname).to_owned();
                let is_plain = table.schemaname.is_empty() && table.catalogname.is_empty();
                let (mut relations, mut is_later) = (1.0, false);
                let mut columns = Columns::Any(Value::ONE);
                if let Some(cte) = self.names.cte(&table.relname).filter(|_| is_plain) {
                    is_later = cte.is_later;
                    columns = cte.columns.clone();
                    if !(cte.is_planned_once && std::mem::replace(&mut cte.is_planned, true)) {
                        relations = cte.relations;
                    }
                }
                // How the planner puts it in is not followed.
                self.later_references += usize::from(is_later);
                if self.later_references > MAX_LATER_REFERENCES {
                    let message =
                        format!("{} is named before it is written, as others are", table.relname);
                    return Err(
                        SqlFault::new(table.location, message).hint("write them first in the WITH")
                    );
                }
                let columns = columns.renamed(column_aliases(table.alias.as_ref()));
                self.names.add(Relation { name, columns });
                self.count_relations(relations, table.location)
            }
            Some(NodeEnum::RangeSubselect(subquery)) => {
                let Some(query) = subquery.subquery.as_deref() else { return Ok(()) };
                let output = self.statement(query)?;
                let relations = output.relations;
                self.name_relation(subquery.alias.as_ref(), output.into_columns());
                let at = first_location(query);
                self.count_relations(relations, at)
            }
            Some(NodeEnum::RangeFunction(function)) => self.function_in_from(function),
            Some(NodeEnum::RangeTableSample(sample)) => {
                self.all(&[&sample.args])?;
                self.each([&sample.repeatable])?;
                sample.relation.as_deref().map_or(Ok(()), |relation| self.item_of_from(relation))
            }
            Some(NodeEnum::JoinExpr(join)) => self.join(join),
            Some(NodeEnum::JsonTable(table)) => {
                let size = self.json_table(table)?;
                self.name_relation(table.alias.as_ref(), Columns::Any(size));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn join(&mut self, join: &JoinExpr) -> Result<(), SqlFault> {
        for side in [&join.larg, &join.rarg].into_iter().flatten() {
            self.item_of_from(side)?;
        }
        let condition = self.optional(join.quals.as_deref())?;
        if condition.is_some_and(|condition| condition.parts > MAX_PARTS) {
            let at = join.quals.as_deref().map_or(0, first_location);
            return Err(SqlFault::new(
                at,
                "this condition is too large once its subqueries are put in",
            ));
        }
        for alias in [&join.alias, &join.join_using_alias].into_iter().flatten() {
            let all: Vec<_> = self.names.relations().iter().map(|r| r.columns.row()).collect();
            let columns = Columns::Any(Value::any(&all));
            self.names.add(Relation { name: alias.aliasname.clone(), columns });
        }
        Ok(())
    }

    fn function_in_from(&mut self, function: &RangeFunction) -> Result<(), SqlFault> {
        let mut sizes = Vec::new();
        for item in &function.functions {
            // A function, and what it is followed by.
            let Some(NodeEnum::List(list)) = &item.node else { continue };
            let Some(call) = list.items.first() else { continue };
            let size = self.value(call)?.fenced();
            let own = list.items.get(1).and_then(|columns| match &columns.node {
                Some(NodeEnum::List(columns)) => Some(&columns.items),
                _ => None,
            });
            for column in own.into_iter().chain([&function.coldeflist]).flatten() {
                if let Some(NodeEnum::ColumnDef(column)) = &column.node {
                    zones::check_type(size, column.type_name.as_ref(), column.location)?;
                }
            }
            sizes.push(size);
        }
        self.name_relation(function.alias.as_ref(), Columns::Any(Value::any(&sizes).fenced()));
        Ok(())
    }

    fn name_relation(&mut self, alias: Option<&Alias>, columns: Columns) {
        let name = alias_name(alias).unwrap_or_default().to_owned();
        let columns = columns.renamed(column_aliases(alias));
        self.names.add(Relation { name, columns });
    }
}

fn alias_name(alias: Option<&Alias>) -> Option<&str> {
    alias.map(|alias| alias.aliasname.as_str())
}

fn column_aliases(alias: Option<&Alias>) -> impl Iterator<Item = &str> {
    alias.into_iter().flat_map(|alias| alias.colnames.iter().filter_map(sval))
}

/// Notes what grows from the columns that are known to those of the next row; whether any does.
fn grow(known: &mut Columns, next: &SelectOutput) -> bool {
    match known {
        Columns::Named(columns, None) if next.others.is_none() => {
            let mut grows = false;
            for ((_, size), (_, next)) in columns.iter_mut().zip(&next.columns) {
                let has_more = next.is_made && !size.is_made || next.has_word && !size.has_word;
                if has_more {
                    *size = Value::any(&[*size, *next]).fenced();
                    grows = true;
                }
                if next.size > size.size || next.element > size.element {
                    *size = Value { is_deep: true, ..size.collected() };
                    grows = true;
                } else if next.digits > size.digits && size.digits < MOST_DIGITS {
                    *size = size.long_number();
                    grows = true;
                }
            }
            grows
        }
        Columns::Named(_, others) => {
            let named = next.columns.iter().map(|(_, value)| value.size);
            let most = named.fold(next.scalar().size, f64::max);
            let grows = others.is_none_or(|others| most > others.size);
            *others = Some(if grows { Value::ONE.collected() } else { Value::ONE.sized(most) });
            grows
        }
        Columns::Any(_) => false,
    }
}

/// Whether the planner does not put the SELECT's expressions in where its columns are named.
fn is_planned_apart(select: &SelectStmt) -> bool {
    !select.group_clause.is_empty()
        || !select.distinct_clause.is_empty()
        || select.having_clause.is_some()
        || select.limit_count.is_some()
        || select.limit_offset.is_some()
}

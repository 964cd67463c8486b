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
    value::Value,
};
use crate::sql::{
    error::SqlFault,
    names::column_name,
    tree::{sval, target},
};

/// The most relations that the planner may have to deal with at once.
const MAX_RELATIONS: f64 = 1_000.0;

/// The most parts of the expressions of a SELECT, once what they refer to is put in.
const MAX_PARTS: f64 = 50_000.0;

/// What a SELECT gives.
pub(super) struct SelectOutput {
    pub(super) columns: Vec<(String, Value)>,
    /// The relations that the planner has for it.
    pub(super) relations: f64,
}

impl SelectOutput {
    /// The value of its only row and column.
    pub(super) fn scalar(&self) -> Value {
        self.columns.first().map_or(Value::ONE, |(_, value)| *value)
    }
}

impl Sizes<'_> {
    /// Estimates a statement, or one in parentheses.
    pub(super) fn statement(&mut self, node: &Node) -> Result<SelectOutput, SqlFault> {
        match &node.node {
            Some(NodeEnum::SelectStmt(select)) => self.select(select),
            _ => Ok(SelectOutput { columns: Vec::new(), relations: 0.0 }),
        }
    }

    fn select(&mut self, select: &SelectStmt) -> Result<SelectOutput, SqlFault> {
        let known_ctes = self.names.ctes();
        let outer = std::mem::take(&mut self.relations);
        if let Some(with) = &select.with_clause {
            self.with(with)?;
        }
        let columns = if let (Some(left), Some(right)) = (&select.larg, &select.rarg) {
            self.set_operation(select, left, right)?
        } else {
            self.names.open();
            let columns = self.simple(select);
            self.names.close();
            columns?
        };
        self.names.forget_ctes(known_ctes);
        let relations = std::mem::replace(&mut self.relations, outer);
        Ok(SelectOutput { columns, relations })
    }

    fn set_operation(
        &mut self,
        select: &SelectStmt,
        left: &SelectStmt,
        right: &SelectStmt,
    ) -> Result<Vec<(String, Value)>, SqlFault> {
        let (left, right) = (self.select(left)?, self.select(right)?);
        self.add_relations(left.relations + right.relations, select)?;
        self.all(&[&select.sort_clause])?;
        self.each([&select.limit_count, &select.limit_offset])?;
        let both = left.columns.into_iter().zip(right.columns);
        let either = both.map(|((name, a), (_, b))| (name, Value::any(&[a, b]).fenced()));
        Ok(either.collect())
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

    fn simple(&mut self, select: &SelectStmt) -> Result<Vec<(String, Value)>, SqlFault> {
        if !select.values_lists.is_empty() {
            return self.values(&select.values_lists);
        }
        for item in &select.from_clause {
            self.from_item(item)?;
        }
        let mut parts = Vec::new();
        parts.extend(self.optional(&select.where_clause)?);
        let mut columns = Vec::new();
        for target in select.target_list.iter().filter_map(target) {
            let Some(value) = target.val.as_deref() else { continue };
            if self.star(value, &mut columns) {
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
        if is_planned_apart(select) {
            for (_, value) in &mut columns {
                *value = value.fenced();
            }
        }
        Ok(columns)
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
    fn star(&self, value: &Node, columns: &mut Vec<(String, Value)>) -> bool {
        let Some(NodeEnum::ColumnRef(column)) = &value.node else { return false };
        if !matches!(column.fields.last().map(|field| &field.node), Some(Some(NodeEnum::AStar(_))))
        {
            return false;
        }
        let mut add = |of: &Columns| match of {
            Columns::Named(named) => columns.extend(named.iter().cloned()),
            // Columns of a table: a name that is not known is as large as theirs.
            Columns::Any(_) => {}
        };
        match column.fields.iter().rev().nth(1).and_then(sval) {
            Some(relation) => {
                if let Some(of) = self.names.columns_of(relation) {
                    add(of);
                }
            }
            None => self.names.relations().iter().for_each(|relation| add(&relation.columns)),
        }
        true
    }

    fn with(&mut self, with: &WithClause) -> Result<(), SqlFault> {
        for cte in &with.ctes {
            if let Some(NodeEnum::CommonTableExpr(cte)) = &cte.node {
                self.cte(cte, with.recursive)?;
            }
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
        let mut columns = output.columns;
        if is_planned_once {
            for (_, value) in &mut columns {
                *value = value.fenced();
            }
        }
        self.names.add_cte(Cte {
            name: cte.ctename.clone(),
            columns: Columns::Named(columns).renamed(names),
            relations: output.relations,
            is_planned_once,
            is_planned: false,
        });
        Ok(())
    }

    /// A statement that may refer to itself. What grows from one row to the next has no bound.
    fn recursive(
        &mut self,
        cte: &CommonTableExpr,
        select: &SelectStmt,
    ) -> Result<SelectOutput, SqlFault> {
        let (Some(first), Some(_)) = (&select.larg, &select.rarg) else {
            return self.select(select);
        };
        let mut columns = self.select(first)?.columns;
        let aliases = cte.aliascolnames.iter().filter_map(sval);
        let mut named = Columns::Named(std::mem::take(&mut columns)).renamed(aliases);
        let known = |sizes: &mut Self, columns: &Columns| {
            let before = sizes.names.ctes();
            sizes.names.add_cte(Cte {
                name: cte.ctename.clone(),
                columns: columns.clone(),
                relations: 1.0,
                is_planned_once: true,
                is_planned: false,
            });
            let output = sizes.select(select);
            sizes.names.forget_ctes(before);
            output
        };
        let mut output = known(self, &named)?;
        if let Columns::Named(first) = &mut named {
            for ((_, size), (_, next)) in first.iter_mut().zip(&output.columns) {
                if next.size > size.size || next.element > size.element {
                    *size = size.collected();
                    size.element = f64::INFINITY;
                }
            }
            // Once more: one column may grow from another.
            output = known(self, &named)?;
        }
        for (_, size) in &mut output.columns {
            *size = size.fenced();
        }
        Ok(output)
    }

    fn from_item(&mut self, item: &Node) -> Result<(), SqlFault> {
        match &item.node {
            Some(NodeEnum::RangeVar(table)) => {
                let name = alias_name(table.alias.as_ref()).unwrap_or(&table.relname).to_owned();
                let is_plain = table.schemaname.is_empty() && table.catalogname.is_empty();
                let mut relations = 1.0;
                let mut columns = Columns::Any(Value::ONE);
                if let Some(cte) = self.names.cte(&table.relname).filter(|_| is_plain) {
                    columns = cte.columns.clone();
                    if !(cte.is_planned_once && std::mem::replace(&mut cte.is_planned, true)) {
                        relations = cte.relations;
                    }
                }
                let columns = columns.renamed(column_aliases(table.alias.as_ref()));
                self.names.add(Relation { name, columns });
                self.count_relations(relations, table.location)
            }
            Some(NodeEnum::RangeSubselect(subquery)) => {
                let Some(query) = subquery.subquery.as_deref() else { return Ok(()) };
                let output = self.statement(query)?;
                let columns = Columns::Named(output.columns);
                self.name_relation(subquery.alias.as_ref(), columns);
                let at = crate::sql::walk::first_location(query);
                self.count_relations(output.relations, at)
            }
            Some(NodeEnum::RangeFunction(function)) => self.function_in_from(function),
            Some(NodeEnum::RangeTableSample(sample)) => {
                self.all(&[&sample.args])?;
                self.each([&sample.repeatable])?;
                sample.relation.as_deref().map_or(Ok(()), |relation| self.from_item(relation))
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
            self.from_item(side)?;
        }
        let condition = self.optional(&join.quals)?;
        if condition.is_some_and(|condition| condition.parts > MAX_PARTS) {
            let at = join.quals.as_deref().map_or(0, crate::sql::walk::first_location);
            return Err(SqlFault::new(
                at,
                "this condition is too large once its subqueries are put in",
            ));
        }
        if let Some(alias) = &join.alias {
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
            if let Some(call) = list.items.first() {
                sizes.push(self.value(call)?.fenced());
            }
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

/// Whether the planner does not put the SELECT's expressions in where its columns are named.
fn is_planned_apart(select: &SelectStmt) -> bool {
    !select.group_clause.is_empty()
        || !select.distinct_clause.is_empty()
        || select.having_clause.is_some()
        || select.limit_count.is_some()
        || select.limit_offset.is_some()
}

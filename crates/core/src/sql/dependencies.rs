//! The rows that an answer can depend on: the tables that a statement reads, and of the records only
//! those of the queries that it names.

use std::collections::{BTreeMap, BTreeSet};

use pg_query::{
    Node, NodeEnum,
    protobuf::{BoolExprType, JoinType, RangeVar, SelectStmt},
};

use super::{
    error::SqlFault,
    grammar, stack,
    table_name::TableName,
    template::Template,
    tree::{binary, cast_parts, string_constant, sval},
    walk::{SqlNode, Visitor, walk},
};

/// The table of the records, and its column of query ids.
const RECORDS: (&str, &str, &str) = ("public", "metrics", "id");

/// A table that a statement reads.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableDependency {
    /// The table or view, as the statement names it.
    pub table: TableName,
    /// The queries whose records alone the answer can depend on. `None`: any row may count.
    pub query_ids: Option<BTreeSet<String>>,
}

impl Template {
    /// Returns what the statement reads. In doubt it is the whole table.
    #[must_use]
    pub fn dependencies(&self) -> Vec<TableDependency> {
        let narrowed = stack::deep(&self.sql, || narrowed(self)).unwrap_or_default();
        let reading = |table: &TableName| {
            let query_ids =
                narrowed.get(&table.name).filter(|_| is_records(table)).cloned().flatten();
            TableDependency { table: table.clone(), query_ids }
        };
        self.tables.iter().map(reading).collect()
    }

    /// Returns the names by which the statement can call functions and types, be they PostgreSQL's own or not: those of
    /// its calls and casts, and those after its dots. They have no schema.
    #[must_use]
    pub fn called_names(&self) -> BTreeSet<String> {
        stack::deep(&self.sql, || called(self)).unwrap_or_default()
    }
}

fn called(template: &Template) -> Result<BTreeSet<String>, SqlFault> {
    let mut tree = grammar::parse_printed(&template.sql)?;
    let mut names = CalledNames::default();
    walk(&mut tree, &mut names)?;
    Ok(names.0)
}

#[derive(Default)]
struct CalledNames(BTreeSet<String>);

impl Visitor for CalledNames {
    fn enter(&mut self, node: &mut SqlNode<'_>) -> Result<(), SqlFault> {
        match node {
            SqlNode::FuncCall(call) => self.last_of(&call.funcname),
            SqlNode::TypeName(ty) => self.last_of(&ty.names),
            SqlNode::ColumnRef(column) if column.fields.len() > 1 => self.last_of(&column.fields),
            SqlNode::AIndirection(path) => {
                self.0.extend(path.indirection.iter().filter_map(sval).map(str::to_owned));
            }
            _ => {}
        }
        Ok(())
    }
}

impl CalledNames {
    fn last_of(&mut self, names: &[Node]) {
        self.0.extend(names.last().and_then(sval).map(str::to_owned));
    }
}

pub(super) fn is_records(table: &TableName) -> bool {
    table.schema() == RECORDS.0 && table.name == RECORDS.1
}

/// Returns the ids, if every reference to the table of the records is restricted to one.
fn narrowed(template: &Template) -> Result<BTreeMap<String, Option<BTreeSet<String>>>, SqlFault> {
    let mut tree = grammar::parse_printed(&template.sql)?;
    let mut found = References::default();
    walk(&mut tree, &mut found)?;
    let query_ids = (found.all > 0 && found.all == found.held).then_some(found.ids);
    Ok(BTreeMap::from([(RECORDS.1.to_owned(), query_ids)]))
}

/// References to the table of the records.
#[derive(Default)]
struct References {
    all: usize,
    /// Those whose rows all have one known id.
    held: usize,
    ids: BTreeSet<String>,
}

impl Visitor for References {
    fn enter(&mut self, node: &mut SqlNode<'_>) -> Result<(), SqlFault> {
        match node {
            SqlNode::RangeVar(table) if table.relname == RECORDS.1 => self.all += 1,
            SqlNode::SelectStmt(select) => {
                let mut level = Level::default();
                for item in &select.from_clause {
                    level.add(item);
                }
                level.conditions(select);
                for name in level.references {
                    if let Some(id) = level.ids.get(&name).or_else(|| level.ids.get("")) {
                        self.held += 1;
                        self.ids.insert(id.clone());
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// One FROM, and the conditions that every row of it meets.
#[derive(Default)]
struct Level {
    /// Its names of the table of the records.
    references: Vec<String>,
    /// The id that a reference is restricted to, by its name; the key is empty for the only one.
    ids: BTreeMap<String, String>,
}

impl Level {
    fn add(&mut self, item: &Node) {
        match &item.node {
            Some(NodeEnum::RangeVar(table)) => self.references.extend(reference(table)),
            Some(NodeEnum::JoinExpr(join)) => {
                // An alias of the whole hides the names inside, and merged columns are neither's.
                if join.alias.is_some() || join.is_natural || !join.using_clause.is_empty() {
                    return;
                }
                for side in [&join.larg, &join.rarg].into_iter().flatten() {
                    self.add(side);
                }
                // The rows that an outer join keeps need not meet its condition.
                if join.jointype() == JoinType::JoinInner {
                    self.condition(join.quals.as_deref());
                }
            }
            _ => {}
        }
    }

    fn conditions(&mut self, select: &SelectStmt) {
        self.condition(select.where_clause.as_deref());
    }

    fn condition(&mut self, condition: Option<&Node>) {
        let Some(condition) = condition else { return };
        if let Some(NodeEnum::BoolExpr(all)) = &condition.node {
            if all.boolop() == BoolExprType::AndExpr {
                all.args.iter().for_each(|one| self.condition(Some(one)));
            }
            return;
        }
        let Some((left, "=", right)) = binary(condition) else { return };
        let held = [(left, right), (right, left)]
            .into_iter()
            .find_map(|(column, value)| Some((id_column(column)?, constant(value)?)));
        if let Some((name, id)) = held {
            self.ids.entry(name.to_owned()).or_insert_with(|| id.to_owned());
        }
    }
}

/// Returns the name of the table of the records in a FROM, if its columns keep their names.
fn reference(table: &RangeVar) -> Option<String> {
    let is_ours = table.relname == RECORDS.1
        && (table.schemaname.is_empty() || table.schemaname == RECORDS.0);
    match &table.alias {
        _ if !is_ours => None,
        Some(alias) if !alias.colnames.is_empty() => None,
        Some(alias) => Some(alias.aliasname.clone()),
        None => Some(table.relname.clone()),
    }
}

/// Returns the table that qualifies a reference to the column of ids; empty when there is none.
fn id_column(node: &Node) -> Option<&str> {
    let Some(NodeEnum::ColumnRef(column)) = &node.node else {
        return None;
    };
    match column.fields.as_slice() {
        [name] if sval(name)? == RECORDS.2 => Some(""),
        [table, name] if sval(name)? == RECORDS.2 => sval(table),
        _ => None,
    }
}

/// Returns the text of a constant.
fn constant(node: &Node) -> Option<&str> {
    match cast_parts(node) {
        // A narrower type could cut it.
        Some((value, ty, "text")) if ty.typmods.is_empty() => Some(string_constant(value)?.0),
        Some(_) => None,
        None => Some(string_constant(node)?.0),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Draft, Gate};

    fn dependencies(sql: &str) -> String {
        let template = Draft::parse(sql, &Gate::default()).unwrap().assume().unwrap();
        let one = |reading: super::TableDependency| match reading.query_ids {
            Some(ids) => format!("{}{ids:?}", reading.table),
            None => reading.table.to_string(),
        };
        template.dependencies().into_iter().map(one).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn records_of_a_named_query_are_told_from_all_records() {
        for (sql, expected) in [
            ("SELECT 1 AS x", ""),
            ("SELECT count(*) AS n FROM metrics", "metrics"),
            ("SELECT count(*) AS n FROM metrics WHERE id = 'a'", r#"metrics{"a"}"#),
            ("SELECT count(*) AS n FROM public.metrics WHERE 'a' = id", r#"public.metrics{"a"}"#),
            (
                "SELECT count(*) AS n FROM metrics m WHERE m.id = 'a'::text AND m.parts_flagged > 1",
                r#"metrics{"a"}"#,
            ),
            (
                "SELECT a.x FROM (SELECT parts_flagged AS x FROM metrics WHERE id = 'a') a \
              JOIN (SELECT parts_flagged AS y FROM metrics WHERE id = 'b') b ON a.x = b.y",
                r#"metrics{"a", "b"}"#,
            ),
            (
                "SELECT m.id FROM metrics m JOIN orders o ON m.id = 'a' AND o.day = m.date",
                r#"metrics{"a"} orders"#,
            ),
            (
                "SELECT m.id FROM orders o LEFT JOIN metrics m ON m.date = o.day WHERE m.id = 'a'",
                r#"metrics{"a"} orders"#,
            ),
            (
                "SELECT a.id FROM metrics a JOIN metrics b ON a.id = 'x' AND b.id = 'y'",
                r#"metrics{"x", "y"}"#,
            ),
        ] {
            assert_eq!(dependencies(sql), expected, "{sql}");
        }
    }

    #[test]
    fn a_name_is_called_wherever_a_call_can_stand() {
        for (sql, expected) in [
            ("SELECT total AS x FROM orders ORDER BY 1", ""),
            (
                "SELECT lower(a) AS x, count(*) FILTER (WHERE b > abs(c)) AS n FROM orders",
                "abs count lower",
            ),
            ("SELECT o.total AS x, (o.place).street AS y FROM orders o", "place street total"),
            ("SELECT a::int AS x, CAST(b AS date) AS y FROM orders", "date int4"),
            ("WITH w AS (SELECT upper(a) AS b FROM orders) SELECT w.* FROM w", "upper"),
            ("SELECT g AS x FROM generate_series(1, 3) AS g", "generate_series"),
        ] {
            let template = Draft::parse(sql, &Gate::default()).unwrap().assume().unwrap();
            let names: Vec<_> = template.called_names().into_iter().collect();
            assert_eq!(names.join(" "), expected, "{sql}");
        }
    }

    #[test]
    fn what_could_be_another_record_counts_as_all() {
        for sql in [
            "SELECT 1 AS x FROM metrics WHERE id = 'a' OR parts_flagged = 1",
            "SELECT 1 AS x FROM metrics WHERE NOT id = 'a'",
            "SELECT 1 AS x FROM metrics WHERE id <> 'a'",
            "SELECT 1 AS x FROM metrics WHERE id = alert_type",
            "SELECT 1 AS x FROM metrics WHERE id = upper('a')",
            "SELECT 1 AS x FROM metrics WHERE id = 'abc'::varchar(1)",
            "SELECT 1 AS x FROM metrics AS m(id, metric_id) WHERE id = 'a'",
            "SELECT 1 AS x FROM metrics a JOIN metrics b ON a.id = 'x' AND b.parts_flagged = 1",
            "SELECT 1 AS x FROM metrics m LEFT JOIN orders o ON m.id = 'a'",
            "SELECT 1 AS x FROM orders o LEFT JOIN metrics m ON m.id = 'a'",
            "SELECT 1 AS x FROM (metrics m JOIN orders o ON true) AS j WHERE j.id = 'a'",
            "SELECT 1 AS x FROM metrics NATURAL JOIN orders WHERE id = 'a'",
            "SELECT 1 AS x FROM metrics GROUP BY id HAVING id = 'a'",
            "SELECT count(*) FILTER (WHERE id = 'a') AS x FROM metrics",
            "SELECT (SELECT count(*) FROM metrics WHERE m.id = 'a') AS x FROM metrics m \
             WHERE m.id = 'a'",
            "WITH metrics AS (SELECT 'a' AS id FROM public.metrics) \
             SELECT 1 AS x FROM metrics WHERE id = 'a'",
        ] {
            let found = dependencies(sql);
            assert!(found.contains("metrics") && !found.contains('{'), "{sql}: {found}");
        }
    }
}

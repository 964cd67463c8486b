//! Walks a parse tree: every kind of node that a query may hold, each with all of its fields.
//!
//! A kind that is not listed is refused by name, and a listed kind that gains a field does not
//! compile until the field is listed: no node can be missed.

use pg_query::{
    Node, NodeEnum,
    protobuf::{self, a_const::Val},
};

use super::error::SqlFault;

/// A visitor of a tree. Nodes come in the order of the text, as far as SQL has one.
pub(super) trait Visitor {
    /// Called before the children of a node.
    fn enter(&mut self, _part: &mut SqlNode<'_>) -> Result<(), SqlFault> {
        Ok(())
    }

    /// Called after the children of a node.
    fn leave(&mut self, _part: &mut SqlNode<'_>) -> Result<(), SqlFault> {
        Ok(())
    }

    /// Called after everything in `node`, which may be replaced here.
    fn replace(&mut self, _node: &mut Node) -> Result<(), SqlFault> {
        Ok(())
    }

    /// Called for a number of the node entered last, such as its `location`.
    fn number(&mut self, _field: &'static str, _value: &mut i32) {}
}

/// Visits `tree` and everything in it.
pub(super) fn walk(tree: &mut Node, visitor: &mut dyn Visitor) -> Result<(), SqlFault> {
    tree.visit("", &mut Walk { visitor, location: 0 })
}

/// Returns the first known byte offset inside `node`, or -1.
pub(super) fn first_location(node: &Node) -> i32 {
    let mut first = FirstLocation(None);
    // A node that the walk refuses is refused again where it stands.
    let _ = walk(&mut node.clone(), &mut first);
    first.0.unwrap_or(-1)
}

struct FirstLocation(Option<i32>);

impl Visitor for FirstLocation {
    fn enter(&mut self, node: &mut SqlNode<'_>) -> Result<(), SqlFault> {
        self.0 = match (self.0, node.location()) {
            (Some(first), Some(here)) => Some(first.min(here)),
            (first, here) => first.or(here),
        };
        Ok(())
    }
}

/// The state of a walk.
struct Walk<'a> {
    visitor: &'a mut dyn Visitor,
    /// The last known location, for nodes that have none.
    location: i32,
}

trait Visit {
    fn visit(&mut self, field: &'static str, walk: &mut Walk<'_>) -> Result<(), SqlFault>;
}

/// Node types by the names of their variants: three are spelled differently.
mod types {
    pub(super) use pg_query::protobuf::{
        CteCycleClause as CtecycleClause, CteSearchClause as CtesearchClause,
        SqlValueFunction as SqlvalueFunction, *,
    };
}

macro_rules! nodes {
    ($($kind:ident $(at $location:ident)? { $($field:ident),* })*) => {
        /// A node that a query may hold, by its kind.
        pub(super) enum SqlNode<'a> {
            $($kind(&'a mut types::$kind),)*
        }

        impl SqlNode<'_> {
            /// The kind's name.
            #[cfg(test)]
            pub(super) fn kind(&self) -> &'static str {
                match self { $(Self::$kind(_) => stringify!($kind),)* }
            }

            /// Returns its byte offset, where the grammar knows it.
            pub(super) fn location(&self) -> Option<i32> {
                let location: Option<i32> = match self {
                    $(Self::$kind(_node) => None$(.or(Some(_node.$location)))?,)*
                };
                location.filter(|location| *location >= 0)
            }

            fn visit_fields(&mut self, walk: &mut Walk<'_>) -> Result<(), SqlFault> {
                match self {
                    $(Self::$kind(node) => {
                        let types::$kind { $($field),* } = &mut **node;
                        $($field.visit(stringify!($field), walk)?;)*
                    })*
                }
                Ok(())
            }
        }

        fn admitted(node: &mut NodeEnum) -> Option<SqlNode<'_>> {
            match node {
                $(NodeEnum::$kind(node) => Some(SqlNode::$kind(node)),)*
                _ => None,
            }
        }

        $(impl Visit for types::$kind {
            fn visit(&mut self, _: &'static str, walk: &mut Walk<'_>) -> Result<(), SqlFault> {
                visit_node(SqlNode::$kind(self), walk)
            }
        })*
    };
}

nodes! {
    SelectStmt {
        with_clause, larg, op, all, rarg, distinct_clause, target_list, into_clause, from_clause,
        where_clause, group_distinct, group_clause, having_clause, window_clause, values_lists,
        sort_clause, limit_option, limit_count, limit_offset, locking_clause
    }
    WithClause at location { recursive, ctes, location }
    CommonTableExpr at location {
        ctename, aliascolnames, ctematerialized, ctequery, search_clause, cycle_clause, location,
        cterecursive, cterefcount, ctecolnames, ctecoltypes, ctecoltypmods, ctecolcollations
    }
    CtesearchClause at location { search_breadth_first, search_col_list, search_seq_column, location }
    CtecycleClause at location {
        cycle_col_list, cycle_mark_column, cycle_mark_value, cycle_mark_default, cycle_path_column,
        location, cycle_mark_type, cycle_mark_typmod, cycle_mark_collation, cycle_mark_neop
    }
    ResTarget at location { val, indirection, name, location }

    RangeVar at location { catalogname, schemaname, relname, inh, relpersistence, alias, location }
    RangeSubselect { lateral, subquery, alias }
    RangeFunction { lateral, is_rowsfrom, functions, ordinality, alias, coldeflist }
    RangeTableSample at location { relation, method, args, repeatable, location }
    JoinExpr {
        larg, is_natural, jointype, rarg, using_clause, join_using_alias, quals, alias, rtindex
    }
    Alias { aliasname, colnames }
    ColumnDef at location {
        colname, type_name, compression, inhcount, is_local, is_not_null, is_from_type, storage,
        storage_name, raw_default, cooked_default, identity, identity_sequence, generated,
        coll_clause, coll_oid, constraints, fdwoptions, location
    }

    AExpr at location {
        lexpr, kind, name, rexpr, rexpr_list_start, rexpr_list_end, location
    }
    BoolExpr at location { xpr, boolop, args, location }
    ColumnRef at location { fields, location }
    ParamRef at location { number, location }
    AConst at location { isnull, val, location }
    AStar {}
    AIndices { lidx, is_slice, uidx }
    AIndirection { arg, indirection }
    AArrayExpr at location { elements, list_start, list_end, location }
    FuncCall at location {
        funcname, agg_distinct, agg_star, func_variadic, args, agg_order, agg_within_group,
        agg_filter, over, funcformat, location
    }
    NamedArgExpr at location { xpr, name, arg, argnumber, location }
    TypeCast at location { arg, type_name, location }
    TypeName at location {
        names, type_oid, setof, pct_type, typmods, typemod, array_bounds, location
    }
    CollateClause at location { arg, collname, location }
    SubLink at location {
        xpr, testexpr, sub_link_type, sub_link_id, oper_name, subselect, location
    }
    CaseExpr at location { xpr, casetype, casecollid, arg, args, defresult, location }
    CaseWhen at location { xpr, expr, result, location }
    CoalesceExpr at location { xpr, coalescetype, coalescecollid, args, location }
    MinMaxExpr at location { xpr, op, minmaxtype, minmaxcollid, inputcollid, args, location }
    NullTest at location { xpr, arg, nulltesttype, argisrow, location }
    BooleanTest at location { xpr, arg, booltesttype, location }
    RowExpr at location { xpr, args, row_typeid, row_format, colnames, location }
    SqlvalueFunction at location { xpr, op, r#type, typmod, location }
    GroupingSet at location { kind, content, location }
    GroupingFunc at location { xpr, args, refs, agglevelsup, location }
    SortBy at location { node, sortby_dir, use_op, sortby_nulls, location }
    WindowDef at location {
        name, refname, partition_clause, order_clause, frame_options, start_offset, end_offset,
        location
    }

    JsonValueExpr { raw_expr, formatted_expr, format }
    JsonFormat at location { format_type, encoding, location }
    JsonOutput { type_name, returning }
    JsonReturning { format, typid, typmod }
    JsonKeyValue { key, value }
    JsonObjectConstructor at location { exprs, output, absent_on_null, unique, location }
    JsonArrayConstructor at location { exprs, output, absent_on_null, location }
    JsonArrayQueryConstructor at location { query, output, format, absent_on_null, location }
    JsonObjectAgg { constructor, arg, absent_on_null, unique }
    JsonArrayAgg { constructor, arg, absent_on_null }
    JsonAggConstructor at location { output, agg_order, agg_filter, over, location }
    JsonIsPredicate at location { expr, format, item_type, unique_keys, location }
    JsonFuncExpr at location {
        op, column_name, context_item, pathspec, passing, output, on_empty, on_error, wrapper, quotes,
        location
    }
    JsonTable at location {
        context_item, pathspec, passing, columns, on_error, alias, lateral, location
    }
    JsonTableColumn at location {
        coltype, name, type_name, pathspec, format, wrapper, quotes, columns, on_empty, on_error,
        location
    }
    JsonTablePathSpec at location { string, name, name_location, location }
    JsonArgument { val, name }
    JsonBehavior at location { btype, expr, coerce, location }
    JsonParseExpr at location { expr, output, unique_keys, location }
    JsonScalarExpr at location { expr, output, location }
    JsonSerializeExpr at location { expr, output, location }

    List { items }
    String { sval }
    Integer { ival }
    Float { fval }
    Boolean { boolval }
    BitString { bsval }
}

fn visit_node(mut node: SqlNode<'_>, walk: &mut Walk<'_>) -> Result<(), SqlFault> {
    walk.location = node.location().unwrap_or(walk.location);
    walk.visitor.enter(&mut node)?;
    node.visit_fields(walk)?;
    walk.visitor.leave(&mut node)
}

impl Visit for Node {
    fn visit(&mut self, _: &'static str, walk: &mut Walk<'_>) -> Result<(), SqlFault> {
        // The grammar itself leaves empty nodes, for a plain DISTINCT for one.
        let Some(node) = &mut self.node else {
            return Ok(());
        };
        match admitted(node) {
            Some(node) => visit_node(node, walk)?,
            None => return Err(refusal(node, walk.location)),
        }
        walk.visitor.replace(self)
    }
}

impl Visit for protobuf::IntoClause {
    fn visit(&mut self, _: &'static str, walk: &mut Walk<'_>) -> Result<(), SqlFault> {
        let location = self.rel.as_ref().map_or(walk.location, |table| table.location);
        Err(SqlFault::new(
            location,
            "SELECT INTO is not supported here: a query must not change data",
        ))
    }
}

impl Visit for Val {
    fn visit(&mut self, field: &'static str, walk: &mut Walk<'_>) -> Result<(), SqlFault> {
        match self {
            Self::Ival(value) => value.visit(field, walk),
            Self::Fval(value) => value.visit(field, walk),
            Self::Boolval(value) => value.visit(field, walk),
            Self::Sval(value) => value.visit(field, walk),
            Self::Bsval(value) => value.visit(field, walk),
        }
    }
}

impl<T: Visit> Visit for Option<T> {
    fn visit(&mut self, field: &'static str, walk: &mut Walk<'_>) -> Result<(), SqlFault> {
        self.as_mut().map_or(Ok(()), |node| node.visit(field, walk))
    }
}

impl<T: Visit> Visit for Box<T> {
    fn visit(&mut self, field: &'static str, walk: &mut Walk<'_>) -> Result<(), SqlFault> {
        (**self).visit(field, walk)
    }
}

impl<T: Visit> Visit for Vec<T> {
    fn visit(&mut self, field: &'static str, walk: &mut Walk<'_>) -> Result<(), SqlFault> {
        self.iter_mut().try_for_each(|node| node.visit(field, walk))
    }
}

impl Visit for i32 {
    fn visit(&mut self, field: &'static str, walk: &mut Walk<'_>) -> Result<(), SqlFault> {
        walk.visitor.number(field, self);
        Ok(())
    }
}

macro_rules! plain {
    ($($type:ty),*) => {
        $(impl Visit for $type {
            fn visit(&mut self, _: &'static str, _: &mut Walk<'_>) -> Result<(), SqlFault> {
                Ok(())
            }
        })*
    };
}

plain!(u32, bool, std::string::String);

/// Returns the fault of a kind of node that is not listed.
fn refusal(node: &NodeEnum, location: i32) -> SqlFault {
    let table =
        |table: &Option<protobuf::RangeVar>| table.as_ref().map_or(location, |t| t.location);
    let changes = |verb: &str, at: i32| {
        SqlFault::new(at, format!("{verb} is not supported here: a query must not change data"))
    };
    let unsupported =
        |what: &str, at: i32| SqlFault::new(at, format!("{what} is not supported here"));
    match node {
        NodeEnum::InsertStmt(insert) => changes("INSERT", table(&insert.relation)),
        NodeEnum::UpdateStmt(update) => changes("UPDATE", table(&update.relation)),
        NodeEnum::DeleteStmt(delete) => changes("DELETE", table(&delete.relation)),
        NodeEnum::MergeStmt(merge) => changes("MERGE", table(&merge.relation)),
        NodeEnum::LockingClause(_) => unsupported("FOR UPDATE or FOR SHARE", location),
        NodeEnum::XmlExpr(xml) => unsupported("an XML function", xml.location),
        NodeEnum::XmlSerialize(xml) => unsupported("XMLSERIALIZE", xml.location),
        NodeEnum::RangeTableFunc(table) => unsupported("XMLTABLE", table.location),
        NodeEnum::SetToDefault(default) => unsupported("DEFAULT", default.location),
        other => {
            let debug = format!("{other:?}");
            unsupported(debug.split('(').next().unwrap_or("this"), location)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Value;

    use super::*;
    use crate::sql::{grammar, scan};

    type Counts = BTreeMap<String, usize>;

    #[derive(Default)]
    struct Kinds(Counts);

    impl Visitor for Kinds {
        fn enter(&mut self, node: &mut SqlNode<'_>) -> Result<(), SqlFault> {
            *self.0.entry(node.kind().to_owned()).or_default() += 1;
            Ok(())
        }
    }

    /// The kinds of all nodes in a serialized tree. Where the grammar wraps a node, the kind is
    /// written out; where a field has one kind only, the field's name tells it.
    fn serialized(value: &Value, counts: &mut Counts) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| serialized(item, counts)),
            Value::Object(fields) => {
                for (name, value) in fields {
                    if let Some(kind) = kind_of(name, value) {
                        *counts.entry(kind.to_owned()).or_default() += 1;
                    }
                    serialized(value, counts);
                }
            }
            _ => {}
        }
    }

    fn kind_of<'a>(field: &'a str, value: &Value) -> Option<&'a str> {
        let is_wrapped = value.as_object()?.contains_key("node");
        Some(match field {
            "Ival" => "Integer",
            "Fval" => "Float",
            "Boolval" => "Boolean",
            "Sval" => "String",
            "Bsval" => "BitString",
            kind if kind.starts_with(char::is_uppercase) => kind,
            "alias" | "join_using_alias" => "Alias",
            "type_name" => "TypeName",
            "with_clause" => "WithClause",
            "over" => "WindowDef",
            "larg" | "rarg" if !is_wrapped => "SelectStmt",
            "search_clause" => "CtesearchClause",
            "cycle_clause" => "CtecycleClause",
            "coll_clause" => "CollateClause",
            "output" => "JsonOutput",
            "returning" => "JsonReturning",
            "format" => "JsonFormat",
            "constructor" => "JsonAggConstructor",
            "value" | "context_item" => "JsonValueExpr",
            "on_empty" | "on_error" => "JsonBehavior",
            "pathspec" if !is_wrapped => "JsonTablePathSpec",
            "arg" if value.get("key").is_some() => "JsonKeyValue",
            "arg" | "val" | "expr" if value.get("raw_expr").is_some() => "JsonValueExpr",
            _ => return None,
        })
    }

    fn corpus() -> Vec<String> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus");
        [folder.to_owned(), format!("{folder}/placeholders")]
            .iter()
            .flat_map(|folder| std::fs::read_dir(folder).unwrap())
            .map(|file| file.unwrap().path())
            .filter(|path| path.file_name().unwrap().as_encoded_bytes()[0].is_ascii_digit())
            .map(|path| std::fs::read_to_string(path).unwrap())
            .collect()
    }

    fn parsed(sql: &str) -> Node {
        grammar::parse(sql, &scan::placeholders(sql).unwrap()).unwrap()
    }

    #[test]
    fn every_node_of_a_tree_is_visited_once() {
        let rare = [
            "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SEARCH DEPTH FIRST BY n \
             SET o CYCLE n SET c TO true DEFAULT false USING p SELECT * FROM t",
            "SELECT * FROM f() AS t (a int, b text COLLATE \"C\") JOIN u USING (a) AS j",
            "SELECT JSON_OBJECT('a': 1, 'b': x FORMAT JSON RETURNING jsonb), JSON_ARRAY(1, 2), \
             JSON_ARRAY(SELECT 1), JSON_OBJECTAGG(k: v) FILTER (WHERE a), \
             JSON_ARRAYAGG(v ORDER BY v) OVER (), x IS JSON OBJECT WITH UNIQUE KEYS",
            "SELECT JSON_VALUE(a, '$.x' PASSING 1 AS b RETURNING int DEFAULT 0 ON EMPTY ERROR ON ERROR), \
             JSON_QUERY(a, '$' WITH WRAPPER OMIT QUOTES), JSON_EXISTS(a, '$.x' TRUE ON ERROR), \
             JSON('{}' WITH UNIQUE KEYS), JSON_SCALAR(1), JSON_SERIALIZE('{}' RETURNING text)",
            "SELECT * FROM t, JSON_TABLE(t.a, '$[*]' AS p PASSING 1 AS x COLUMNS (n FOR ORDINALITY, \
             a int PATH '$.a' DEFAULT 1 ON EMPTY NULL ON ERROR, b jsonb FORMAT JSON PATH '$.b' WITH \
             WRAPPER, c bool EXISTS PATH '$.c', NESTED PATH '$.d' COLUMNS (e text)) ERROR ON ERROR) j",
            "SELECT a[1], a[:2], (f(x)).y, (r).*, LEAST(1, 2.5), B'1', true, f(VARIADIC x), f(a => 1) \
             FROM ONLY t TABLESAMPLE bernoulli (1) REPEATABLE (2) ORDER BY x USING <",
            "SELECT sum(x) OVER (w ROWS BETWEEN 1 PRECEDING AND 2 FOLLOWING) FROM t WINDOW w AS \
             (PARTITION BY a ORDER BY b NULLS LAST)",
        ];
        for sql in corpus().into_iter().chain(rare.map(str::to_owned)) {
            let mut tree = parsed(&sql);
            let mut expected = Counts::new();
            serialized(&serde_json::to_value(&tree).unwrap(), &mut expected);
            let mut visited = Kinds::default();
            walk(&mut tree, &mut visited).unwrap();
            assert_eq!(visited.0, expected, "{sql}");
        }
    }

    #[test]
    fn what_is_not_listed_is_refused_by_name() {
        let cases = [
            ("WITH x AS (INSERT INTO t VALUES (1) RETURNING a) SELECT 1", 23, "INSERT"),
            ("SELECT (WITH x AS (UPDATE t SET a = 1 RETURNING a) SELECT 1)", 26, "UPDATE"),
            ("SELECT * FROM (WITH x AS (DELETE FROM t RETURNING a) TABLE x) y", 38, "DELETE"),
            ("SELECT 1 INTO t", 14, "SELECT INTO"),
            (
                "SELECT 1 FROM a WHERE b IN (SELECT 1 FROM t FOR SHARE)",
                42,
                "FOR UPDATE or FOR SHARE",
            ),
            ("SELECT 1, xmlelement(NAME a)", 10, "an XML function"),
            ("VALUES (1, DEFAULT)", 11, "DEFAULT"),
            ("SELECT merge_action()", 7, "MergeSupportFunc"),
        ];
        for (sql, offset, what) in cases {
            let fault = walk(&mut parsed(sql), &mut Kinds::default()).unwrap_err();
            assert!(fault.message.starts_with(what), "{sql}: {}", fault.message);
            assert!(fault.message.contains("is not supported here"), "{}", fault.message);
            assert_eq!(fault.offset, offset, "{sql}");
        }
    }
}

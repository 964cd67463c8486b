//! Preserves the column names of a result while expressions are replaced.
//!
//! PostgreSQL names an unnamed column after its expression (`FigureColname` in `parse_target.c`);
//! a replaced expression would rename it.

use pg_query::{
    Node, NodeEnum,
    protobuf::{AExprKind, JsonExprOp, MinMaxOp, SqlValueFunctionOp, SubLinkType},
};

use super::{
    error::SqlFault,
    scan::NamedPlaceholder,
    tree::{sval, target},
    walk::{SqlNode, Visitor, walk},
};

/// The names of unnamed columns, in the order of a walk.
pub(super) struct ColumnNames(Vec<String>);

impl ColumnNames {
    /// Collects the current names. A placeholder counts as a column of its name.
    pub(super) fn of(tree: &mut Node, placeholders: &[NamedPlaceholder]) -> Result<Self, SqlFault> {
        let mut seen = Seen { placeholders, names: Vec::new() };
        walk(tree, &mut seen)?;
        Ok(Self(seen.names))
    }

    /// Writes out the names that the replaced expressions no longer produce.
    pub(super) fn keep(self, tree: &mut Node) -> Result<(), SqlFault> {
        walk(tree, &mut Keep { names: self.0.into_iter() })
    }
}

struct Seen<'a> {
    placeholders: &'a [NamedPlaceholder],
    names: Vec<String>,
}

impl Visitor for Seen<'_> {
    fn leave(&mut self, node: &mut SqlNode<'_>) -> Result<(), SqlFault> {
        if let SqlNode::ResTarget(target) = node
            && target.name.is_empty()
        {
            self.names.push(column_name(target.val.as_deref(), self.placeholders));
        }
        Ok(())
    }
}

struct Keep {
    names: std::vec::IntoIter<String>,
}

impl Visitor for Keep {
    fn leave(&mut self, node: &mut SqlNode<'_>) -> Result<(), SqlFault> {
        if let SqlNode::ResTarget(target) = node
            && target.name.is_empty()
            && let Some(name) = self.names.next()
            && name != column_name(target.val.as_deref(), &[])
        {
            target.name = name;
        }
        Ok(())
    }
}

/// Returns the name that PostgreSQL derives from a column's expression.
pub(super) fn column_name(value: Option<&Node>, placeholders: &[NamedPlaceholder]) -> String {
    value
        .and_then(|value| figure(value, placeholders))
        .map_or("?column?", |(Name::Strong(name) | Name::Weak(name))| name)
        .to_owned()
}

/// The name of a column, and how strong it is.
enum Name<'a> {
    Strong(&'a str),
    /// Yields to that of a cast around it.
    Weak(&'a str),
}

fn figure<'a>(value: &'a Node, placeholders: &'a [NamedPlaceholder]) -> Option<Name<'a>> {
    use Name::{Strong, Weak};
    let inner = |node: &'a Option<Box<Node>>| figure(node.as_deref()?, placeholders);
    let strong = |name: &'a Option<Box<Node>>| match inner(name) {
        Some(Strong(name)) => Some(name),
        _ => None,
    };
    Some(match value.node.as_ref()? {
        NodeEnum::ParamRef(param) => {
            let index = usize::try_from(param.number).ok()?.checked_sub(1)?;
            Strong(&placeholders.get(index)?.name)
        }
        NodeEnum::ColumnRef(column) => Strong(column.fields.iter().rev().find_map(sval)?),
        NodeEnum::AIndirection(path) => match path.indirection.iter().rev().find_map(sval) {
            Some(field) => Strong(field),
            None => return inner(&path.arg),
        },
        NodeEnum::FuncCall(call) => Strong(sval(call.funcname.last()?)?),
        NodeEnum::AExpr(expr) if expr.kind() == AExprKind::AexprNullif => Strong("nullif"),
        NodeEnum::TypeCast(cast) => match strong(&cast.arg) {
            Some(name) => Strong(name),
            None => Weak(sval(cast.type_name.as_ref()?.names.last()?)?),
        },
        NodeEnum::CollateClause(collate) => return inner(&collate.arg),
        NodeEnum::GroupingFunc(_) => Strong("grouping"),
        NodeEnum::SubLink(sublink) => match sublink.sub_link_type() {
            SubLinkType::ExistsSublink => Strong("exists"),
            SubLinkType::ArraySublink => Strong("array"),
            SubLinkType::ExprSublink => {
                return first_column(sublink.subselect.as_deref()?, placeholders);
            }
            _ => return None,
        },
        NodeEnum::CaseExpr(case) => strong(&case.defresult).map_or(Weak("case"), Strong),
        NodeEnum::AArrayExpr(_) => Strong("array"),
        NodeEnum::RowExpr(_) => Strong("row"),
        NodeEnum::CoalesceExpr(_) => Strong("coalesce"),
        NodeEnum::MinMaxExpr(expr) => match expr.op() {
            MinMaxOp::IsGreatest => Strong("greatest"),
            MinMaxOp::IsLeast => Strong("least"),
            MinMaxOp::Undefined => return None,
        },
        NodeEnum::SqlvalueFunction(function) => Strong(keyword(function.op())?),
        NodeEnum::JsonObjectConstructor(_) => Strong("json_object"),
        NodeEnum::JsonArrayConstructor(_) | NodeEnum::JsonArrayQueryConstructor(_) => {
            Strong("json_array")
        }
        NodeEnum::JsonObjectAgg(_) => Strong("json_objectagg"),
        NodeEnum::JsonArrayAgg(_) => Strong("json_arrayagg"),
        NodeEnum::JsonParseExpr(_) => Strong("json"),
        NodeEnum::JsonScalarExpr(_) => Strong("json_scalar"),
        NodeEnum::JsonSerializeExpr(_) => Strong("json_serialize"),
        NodeEnum::JsonFuncExpr(json) => match json.op() {
            JsonExprOp::JsonExistsOp => Strong("json_exists"),
            JsonExprOp::JsonQueryOp => Strong("json_query"),
            JsonExprOp::JsonValueOp => Strong("json_value"),
            JsonExprOp::JsonTableOp | JsonExprOp::Undefined => return None,
        },
        _ => return None,
    })
}

fn first_column<'a>(select: &'a Node, placeholders: &'a [NamedPlaceholder]) -> Option<Name<'a>> {
    let Some(NodeEnum::SelectStmt(select)) = &select.node else {
        return None;
    };
    // Of a UNION, the leftmost arm names the columns, but PostgreSQL looks no further.
    let first = target(select.target_list.first()?)?;
    if first.name.is_empty() {
        figure(first.val.as_deref()?, placeholders)
    } else {
        Some(Name::Strong(&first.name))
    }
}

fn keyword(op: SqlValueFunctionOp) -> Option<&'static str> {
    use SqlValueFunctionOp as Op;
    Some(match op {
        Op::SvfopCurrentDate => "current_date",
        Op::SvfopCurrentTime | Op::SvfopCurrentTimeN => "current_time",
        Op::SvfopCurrentTimestamp | Op::SvfopCurrentTimestampN => "current_timestamp",
        Op::SvfopLocaltime | Op::SvfopLocaltimeN => "localtime",
        Op::SvfopLocaltimestamp | Op::SvfopLocaltimestampN => "localtimestamp",
        Op::SvfopCurrentRole => "current_role",
        Op::SvfopCurrentUser => "current_user",
        Op::SvfopUser => "user",
        Op::SvfopSessionUser => "session_user",
        Op::SvfopCurrentCatalog => "current_catalog",
        Op::SvfopCurrentSchema => "current_schema",
        Op::SqlvalueFunctionOpUndefined => return None,
    })
}

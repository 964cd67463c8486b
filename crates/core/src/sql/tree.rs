//! Builders and matchers of small parse trees.
//!
//! Knows the shapes of the grammar and nothing of windows or slots.

use pg_query::{
    Node, NodeEnum,
    protobuf::{
        self, AConst, AExpr, AExprKind, FuncCall, Integer, ParamRef, ResTarget, TypeCast, TypeName,
        a_const::Val,
    },
};

pub(super) fn node(node: NodeEnum) -> Node {
    Node { node: Some(node) }
}

pub(super) fn name(text: &str) -> Node {
    node(NodeEnum::String(protobuf::String { sval: text.to_owned() }))
}

pub(super) fn param(number: i32, location: i32) -> Node {
    node(NodeEnum::ParamRef(ParamRef { number, location }))
}

pub(super) fn integer(ival: i32) -> Node {
    let val = Some(Val::Ival(Integer { ival }));
    node(NodeEnum::AConst(AConst { isnull: false, location: -1, val }))
}

pub(super) fn string(text: &str) -> Node {
    let val = Some(Val::Sval(protobuf::String { sval: text.to_owned() }));
    node(NodeEnum::AConst(AConst { isnull: false, location: -1, val }))
}

/// `arg::ty`, with the type's name as the grammar itself spells it.
pub(super) fn cast(arg: Node, ty: &str, modifiers: Vec<Node>) -> Node {
    let names = match ty {
        "date" | "text" | "timestamptz" | "timetz" | "bool" => vec![name(ty)],
        _ => vec![name("pg_catalog"), name(ty)],
    };
    let type_name =
        TypeName { names, typmods: modifiers, typemod: -1, location: -1, ..TypeName::default() };
    node(NodeEnum::TypeCast(Box::new(TypeCast {
        arg: Some(Box::new(arg)),
        type_name: Some(type_name),
        location: -1,
    })))
}

pub(super) fn operation(left: Node, operator: &str, right: Node) -> Node {
    node(NodeEnum::AExpr(Box::new(AExpr {
        kind: AExprKind::AexprOp as i32,
        name: vec![name(operator)],
        lexpr: Some(Box::new(left)),
        rexpr: Some(Box::new(right)),
        ..AExpr::default()
    })))
}

/// The text of a string constant, and its byte offset.
pub(super) fn string_constant(node: &Node) -> Option<(&str, i32)> {
    match &node.node {
        Some(NodeEnum::AConst(AConst { val: Some(Val::Sval(text)), location, .. })) => {
            Some((&text.sval, *location))
        }
        _ => None,
    }
}

/// An integer constant.
pub(super) fn integer_constant(node: &Node) -> Option<i32> {
    match &node.node {
        Some(NodeEnum::AConst(AConst { val: Some(Val::Ival(Integer { ival })), .. })) => {
            Some(*ival)
        }
        _ => None,
    }
}

/// The number of a `$n`.
pub(super) fn param_number(node: &Node) -> Option<i32> {
    match &node.node {
        Some(NodeEnum::ParamRef(param)) => Some(param.number),
        _ => None,
    }
}

/// A cast's argument and its type's plain name, unless the type is an array.
pub(super) fn cast_parts(node: &Node) -> Option<(&Node, &TypeName, &str)> {
    match &node.node {
        Some(NodeEnum::TypeCast(cast)) => {
            let ty = cast.type_name.as_ref()?;
            Some((cast.arg.as_deref()?, ty, type_called(ty)?))
        }
        _ => None,
    }
}

/// The name of a built-in type, unless it is an array.
pub(super) fn type_called(ty: &TypeName) -> Option<&str> {
    let plain = ty.array_bounds.is_empty() && !ty.setof && !ty.pct_type;
    builtin_name(&ty.names).filter(|_| plain)
}

/// The name of the built-in type that an array's elements have.
pub(super) fn elements_called(ty: &TypeName) -> Option<&str> {
    builtin_name(&ty.names).filter(|_| !ty.array_bounds.is_empty())
}

/// A name that is unqualified or of `pg_catalog`.
pub(super) fn builtin_name(names: &[Node]) -> Option<&str> {
    match names {
        [name] => sval(name),
        [schema, name] if sval(schema) == Some("pg_catalog") => sval(name),
        _ => None,
    }
}

pub(super) fn sval(node: &Node) -> Option<&str> {
    match &node.node {
        Some(NodeEnum::String(text)) => Some(&text.sval),
        _ => None,
    }
}

/// A call of a built-in function with nothing but arguments.
pub(super) fn plain_call(node: &Node) -> Option<(&str, &FuncCall)> {
    let Some(NodeEnum::FuncCall(call)) = &node.node else {
        return None;
    };
    let plain = call.agg_order.is_empty()
        && call.agg_filter.is_none()
        && call.over.is_none()
        && !call.agg_within_group
        && !call.agg_star
        && !call.agg_distinct
        && !call.func_variadic;
    Some((builtin_name(&call.funcname)?, &**call)).filter(|_| plain)
}

/// A binary operation by an unqualified operator.
pub(super) fn binary(node: &Node) -> Option<(&Node, &str, &Node)> {
    match &node.node {
        Some(NodeEnum::AExpr(expr)) if expr.kind() == AExprKind::AexprOp => {
            let [operator] = expr.name.as_slice() else {
                return None;
            };
            Some((expr.lexpr.as_deref()?, sval(operator)?, expr.rexpr.as_deref()?))
        }
        _ => None,
    }
}

/// A node of a SELECT's target list.
pub(super) fn target(node: &Node) -> Option<&ResTarget> {
    match &node.node {
        Some(NodeEnum::ResTarget(target)) => Some(target),
        _ => None,
    }
}

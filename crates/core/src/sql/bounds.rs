//! Bounds the calls whose cost is a number that they are given: `repeat`, `lpad`, `rpad` and `format`, and
//! the padding types. `generate_series` is in `series`.
//!
//! What a single statement can still pile up (a text that is joined to itself over and over,
//! `replace` of one letter by many) ends at PostgreSQL's own limit of 1 GB for a value. A
//! `WITH RECURSIVE` without end, a regular expression that backtracks and powers of large numbers (a
//! quarter of a second each, at the most digits that PostgreSQL has) are for the query's deadline.

use pg_query::{
    Node,
    protobuf::{FuncCall, TypeName},
};

use super::{
    error::SqlFault,
    estimates::{Estimator, ParameterKind},
    series,
    tree::{builtin_name, cast_parts, string_constant},
    walk::{SqlNode, Visitor, walk},
};

/// The most characters that one call may repeat or pad to.
const MAX_LENGTH: f64 = 10_000.0;

/// Checks a call of a function whose arguments bound its cost; lets any other pass.
pub(super) fn check(call: &FuncCall, parameters: &[ParameterKind]) -> Result<(), SqlFault> {
    let Some(name) = builtin_name(&call.funcname) else {
        return Ok(());
    };
    let known = Estimator { parameters };
    match (name, call.args.as_slice()) {
        ("repeat" | "lpad" | "rpad", args) => {
            let length = args.get(1).and_then(|arg| known.number(arg));
            if length.is_some_and(|length| length.high <= MAX_LENGTH) {
                return once(name, call, args);
            }
            let message = format!("the length argument of {name}() is not a small constant");
            Err(SqlFault::new(call.location, message)
                .hint(format!("write a number of at most {MAX_LENGTH}")))
        }
        ("format", args) => format_width(call, args).and_then(|()| once(name, call, args)),
        ("polygon", [points, _]) => {
            if known.number(points).is_some_and(|points| points.high <= MAX_LENGTH) {
                return Ok(());
            }
            let message = "the number of points of polygon() is not a small constant";
            Err(SqlFault::new(call.location, message)
                .hint(format!("write a number of at most {MAX_LENGTH}")))
        }
        ("generate_series", args) => series::check(&known, call, args),
        _ => Ok(()),
    }
}

/// Checks that the arguments of a call do not hold another call that makes a text long.
fn once(name: &str, call: &FuncCall, args: &[Node]) -> Result<(), SqlFault> {
    if args.iter().any(grows) {
        let message = format!("{name}() is called on text that another call has made long");
        return Err(SqlFault::new(call.location, message).hint("repeat or pad once"));
    }
    Ok(())
}

/// Whether `node` holds a call that makes a text long: together they would multiply.
fn grows(node: &Node) -> bool {
    struct Finds(bool);
    impl Visitor for Finds {
        fn enter(&mut self, node: &mut SqlNode<'_>) -> Result<(), SqlFault> {
            if let SqlNode::FuncCall(call) = node {
                let name = builtin_name(&call.funcname);
                self.0 |= matches!(name, Some("repeat" | "lpad" | "rpad" | "format"));
            }
            Ok(())
        }
    }
    let mut finds = Finds(false);
    // A node that the walk refuses is refused where it stands.
    let _ = walk(&mut node.clone(), &mut finds);
    finds.0
}

/// Checks the length of a type that pads its values.
pub(super) fn check_type(ty: &TypeName) -> Result<(), SqlFault> {
    let pads = matches!(builtin_name(&ty.names), Some("bpchar" | "char" | "bit" | "varbit"));
    let known = Estimator { parameters: &[] };
    let small = |length: &Node| known.number(length).is_some_and(|n| n.high <= MAX_LENGTH);
    if !pads || ty.typmods.iter().all(small) {
        return Ok(());
    }
    Err(SqlFault::new(ty.location, "the length of this type is not a small constant")
        .hint(format!("write a number of at most {MAX_LENGTH}, or text")))
}

/// Checks that `format` pads to constant and small widths.
fn format_width(call: &FuncCall, args: &[Node]) -> Result<(), SqlFault> {
    let refuse = |what: &str| {
        Err(SqlFault::new(call.location, format!("format() is called with {what}"))
            .hint(format!("write its text as one constant, with widths of at most {MAX_LENGTH}")))
    };
    let Some(text) = args.first().and_then(text_constant) else {
        return refuse("a text that is not a constant");
    };
    let specs = text.split('%').skip(1).map(|spec| {
        let end = spec.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(spec.len());
        spec.get(..end).unwrap_or(spec)
    });
    let mut width = 0.0;
    for spec in specs {
        if spec.contains('*') {
            return refuse("a width that is not a constant");
        }
        // `%2$5s` has a position before its width.
        let numbers = spec.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty());
        width += numbers.map(|n| n.parse().unwrap_or(f64::MAX)).sum::<f64>();
        if width > MAX_LENGTH {
            return refuse("widths that are too large together");
        }
    }
    Ok(())
}

/// The text of a constant, with or without a cast to text.
fn text_constant(node: &Node) -> Option<&str> {
    match cast_parts(node) {
        Some((arg, _, "text" | "varchar")) => text_constant(arg),
        _ => string_constant(node).map(|(text, _)| text),
    }
}

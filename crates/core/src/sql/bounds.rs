//! Bounds the calls whose cost is a number that they are given: `repeat`, `lpad`, `rpad`, `format` and
//! `generate_series`, and the padding types.
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
    estimates::{self, Estimator, ParameterKind, Span, longest_window},
    intervals::HOUR,
    tree::{builtin_name, cast_parts, string_constant},
    walk::{SqlNode, Visitor, walk},
};

/// The most characters that one call may repeat or pad to.
const MAX_LENGTH: f64 = 10_000.0;

/// The most rows of one series of numbers with constant bounds.
const MAX_ROWS: f64 = 10_000.0;

/// The most days that a constant may be away from another day.
const MAX_DISTANCE: f64 = 40_000.0;

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
        ("generate_series", args) => series(&known, call, args),
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
    for spec in specs {
        if spec.contains('*') {
            return refuse("a width that is not a constant");
        }
        let numbers = spec.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty());
        if numbers.map(|n| n.parse().unwrap_or(f64::MAX)).any(|n: f64| n > MAX_LENGTH) {
            return refuse("a width that is too large");
        }
    }
    Ok(())
}

/// Checks that a series has few rows, whatever a row of a table says.
fn series(known: &Estimator<'_>, call: &FuncCall, args: &[Node]) -> Result<(), SqlFault> {
    let refuse =
        |message: &str, hint: String| Err(SqlFault::new(call.location, message).hint(hint));
    let (from, to, step) = match args {
        [from, to] => (from, to, None),
        [from, to, step] | [from, to, step, _] => (from, to, Some(step)),
        _ => {
            return refuse(
                "generate_series() takes two or three arguments",
                "write generate_series(first, last, step)".into(),
            );
        }
    };
    let number = |node: &Node| known.number(node);
    let step_number = step.map_or(Some(Span::of(1.0)), number);
    if let (Some(from), Some(to), Some(step)) = (number(from), number(to), step_number) {
        let rows = rows(from, to, step);
        let of_window = from.of_window || to.of_window;
        // From the first day to the last, and one more at either side.
        let most = if of_window { longest_window() + 3.0 } else { MAX_ROWS };
        if rows <= most {
            return Ok(());
        }
        return refuse(
            "this generate_series() has too many rows",
            format!("a series of numbers has at most {MAX_ROWS}, with constant bounds"),
        );
    }
    let days = "write both bounds with :start_date, :end_date, CURRENT_DATE or constants of the \
                years 1900 to 2100, and a step such as '1 day'; what a column or a subquery \
                says is no bound";
    let Some(step) = step else {
        return refuse(
            "the bounds of this generate_series() are not constants",
            format!(
                "a series of numbers has constant bounds and at most {MAX_ROWS} rows, or goes \
                 up to :day_range; for days, {days}"
            ),
        );
    };
    match estimates::interval(step) {
        None => {
            return refuse(
                "the bounds or the step of this generate_series() are not constants",
                format!("for days, {days}"),
            );
        }
        Some(step) if step.abs() < HOUR => {
            return refuse(
                "the step of this generate_series() is shorter than an hour",
                "write a step such as '1 hour' or '1 day'".into(),
            );
        }
        Some(_) => {}
    }
    let near = |day: &Node| known.day(day).is_some_and(|away| away <= MAX_DISTANCE);
    if near(from) && near(to) && args.get(3).is_none_or(|zone| known.zone(zone)) {
        return Ok(());
    }
    refuse("the bounds of this generate_series() are not constants", days.into())
}

fn rows(from: Span, to: Span, step: Span) -> f64 {
    if step.low > 0.0 {
        (to.high - from.low) / step.low + 1.0
    } else if step.high < 0.0 {
        (from.high - to.low) / -step.high + 1.0
    } else {
        f64::INFINITY
    }
}

/// The text of a constant, with or without a cast to text.
fn text_constant(node: &Node) -> Option<&str> {
    match cast_parts(node) {
        Some((arg, _, "text" | "varchar")) => text_constant(arg),
        _ => string_constant(node).map(|(text, _)| text),
    }
}

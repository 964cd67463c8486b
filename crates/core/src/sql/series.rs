//! Bounds the rows of `generate_series`: by the text alone where its bounds are constants or a window's,
//! else by a guard in the statement, which fails the run when the data say too much.
//!
//! Never shortens a series: too many rows are an error, not fewer rows.

use pg_query::{
    Node, NodeEnum,
    protobuf::{
        AExpr, AExprKind, BoolExpr, BoolExprType, CaseExpr, CaseWhen, CoercionForm, FuncCall, List,
    },
};

use super::{
    error::SqlFault,
    estimates::{self, Estimator, Span, longest_window},
    grammar::without_locations,
    intervals::HOUR,
    lists::LISTS,
    tree::{builtin_name, cast, integer, name, node, operation, string},
    walk::{SqlNode, Visitor, walk},
};

/// The most rows of one series of numbers, unless it goes up to `:day_range`.
const MAX_ROWS: i32 = 10_000;

/// The most days that a constant may be away from another day.
const MAX_DISTANCE: f64 = 40_000.0;

/// The years of a day or instant from the data that begins or ends a series.
const YEARS: (i32, i32) = (1800, 2200);

/// How the text of each guard begins.
const GUARD: &str = "generate_series() ";

/// Returns what a guard of a series says in PostgreSQL's message, which tells of a text that is no truth value.
#[must_use]
pub fn series_fault(message: &str) -> Option<&str> {
    let said = &message[message.find(GUARD)?..];
    said.contains(": ").then(|| said.trim_end_matches(|c: char| !c.is_alphanumeric()))
}

/// Checks that a series has few rows, or that [`guard`] can bound them when it runs.
///
/// # Errors
/// When a bound is neither near nor from the data, or the step is not a constant.
pub(super) fn check(known: &Estimator<'_>, call: &FuncCall, args: &[Node]) -> Result<(), SqlFault> {
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
        let most = if of_window { longest_window() + 3.0 } else { f64::from(MAX_ROWS) };
        if rows <= most {
            return Ok(());
        }
        return refuse(
            "this generate_series() has too many rows",
            format!("a series of numbers has at most {MAX_ROWS}, with constant bounds"),
        );
    }
    if let Some(step) = number_step(step) {
        let is_bounded = |bound: &Node| number(bound).is_some() || is_of_data(bound);
        if step != 0 && is_bounded(from) && is_bounded(to) {
            return Ok(());
        }
    }
    let days = "write both bounds with :start_date, :end_date, CURRENT_DATE, constants of the years \
                1900 to 2100, or as what a table says, such as (SELECT min(day) FROM t), and a step \
                such as '1 day'";
    let Some(step) = step else {
        return refuse(
            "the bounds of this generate_series() are not constants",
            format!(
                "a series of numbers has at most {MAX_ROWS} rows and bounds that are constants or \
                 what a table says, or goes up to :day_range; for days, {days}"
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
    let near =
        |day: &Node| known.day(day).is_some_and(|away| away <= MAX_DISTANCE) || is_of_data(day);
    if near(from) && near(to) && args.get(3).is_none_or(|zone| known.zone(zone)) {
        return Ok(());
    }
    refuse("the bounds of this generate_series() are not constants", days.into())
}

/// Puts a guard around what the data say of a series' bounds: a run with more rows than a series may have
/// fails. A bound that is guarded already stays as it is.
///
/// # Errors
/// When the tree holds a node that no query may hold.
pub(super) fn guard(tree: &mut Node) -> Result<(), SqlFault> {
    walk(tree, &mut Guard)
}

struct Guard;

impl Visitor for Guard {
    fn leave(&mut self, node: &mut SqlNode<'_>) -> Result<(), SqlFault> {
        let SqlNode::FuncCall(call) = node else {
            return Ok(());
        };
        if builtin_name(&call.funcname) != Some("generate_series") {
            return Ok(());
        }
        match call.args.as_mut_slice() {
            [from, to] => guard_numbers(from, to, 1),
            [from, to, step, ..] => match number_step(Some(step)) {
                Some(step) => guard_numbers(from, to, step),
                None => [from, to].into_iter().try_for_each(guard_day),
            },
            _ => Ok(()),
        }
    }
}

/// Guards the bound of a series of numbers that is from the data, by the other one.
fn guard_numbers(from: &mut Node, to: &mut Node, step: i32) -> Result<(), SqlFault> {
    let span = integer(step.saturating_abs().saturating_mul(MAX_ROWS));
    let (at_most, at_least, plus, minus) =
        if step > 0 { ("<=", ">=", "+", "-") } else { (">=", "<=", "-", "+") };
    if is_of_data(to) {
        let from = &*from;
        let is_near =
            |to: &Node| operation(to.clone(), at_most, operation(from.clone(), plus, span.clone()));
        guarded(
            to,
            is_near,
            &format!("{GUARD}has too many rows ({MAX_ROWS} are the most): it goes up to "),
        )
    } else if is_of_data(from) {
        let to = &*to;
        let is_near = |from: &Node| {
            operation(from.clone(), at_least, operation(to.clone(), minus, span.clone()))
        };
        guarded(
            from,
            is_near,
            &format!("{GUARD}has too many rows ({MAX_ROWS} are the most): it begins at "),
        )
    } else {
        Ok(())
    }
}

/// Guards the bound of a series of days or instants, if it is from the data.
fn guard_day(bound: &mut Node) -> Result<(), SqlFault> {
    if !is_of_data(bound) {
        return Ok(());
    }
    let (first, last) = YEARS;
    let is_near = |day: &Node| {
        let year = node(NodeEnum::FuncCall(Box::new(FuncCall {
            funcname: vec![name("date_part")],
            args: vec![string("year"), day.clone()],
            funcformat: CoercionForm::CoerceExplicitCall as i32,
            ..FuncCall::default()
        })));
        let years = List { items: vec![integer(first), integer(last)] };
        node(NodeEnum::AExpr(Box::new(AExpr {
            kind: AExprKind::AexprBetween as i32,
            name: vec![name("BETWEEN")],
            lexpr: Some(Box::new(year)),
            rexpr: Some(Box::new(node(NodeEnum::List(years)))),
            ..AExpr::default()
        })))
    };
    let message =
        format!("{GUARD}goes too far (the years {first} to {last} are allowed): a bound is ");
    guarded(bound, is_near, &message)
}

/// Replaces `bound` by `CASE WHEN condition OR (message || bound)::bool THEN bound END`. A text that is no
/// truth value is the one error that a SELECT can raise in words of its own, whatever the bound's type is.
fn guarded(
    bound: &mut Node,
    condition: impl Fn(&Node) -> Node,
    message: &str,
) -> Result<(), SqlFault> {
    let case = |bound: &Node| {
        let text = cast(bound.clone(), "text", Vec::new());
        let fails = cast(operation(string(message), "||", text), "bool", Vec::new());
        let either = node(NodeEnum::BoolExpr(Box::new(BoolExpr {
            boolop: BoolExprType::OrExpr as i32,
            args: vec![condition(bound), fails],
            ..BoolExpr::default()
        })));
        let when = node(NodeEnum::CaseWhen(Box::new(CaseWhen {
            expr: Some(Box::new(either)),
            result: Some(Box::new(bound.clone())),
            ..CaseWhen::default()
        })));
        node(NodeEnum::CaseExpr(Box::new(CaseExpr { args: vec![when], ..CaseExpr::default() })))
    };
    if let Some(inside) = result_of_case(bound)
        && without_locations(&case(inside))? == without_locations(bound)?
    {
        return Ok(());
    }
    *bound = case(bound);
    Ok(())
}

fn result_of_case(bound: &Node) -> Option<&Node> {
    let Some(NodeEnum::CaseExpr(case)) = &bound.node else {
        return None;
    };
    match case.args.as_slice() {
        [Node { node: Some(NodeEnum::CaseWhen(when)) }] => when.result.as_deref(),
        _ => None,
    }
}

/// Returns the step of a series of numbers, if it is a whole constant.
fn number_step(step: Option<&Node>) -> Option<i32> {
    let constants = Estimator { parameters: &[] };
    let Some(step) = step else {
        return Some(1);
    };
    let step = constants.number(step)?.low;
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    (step.fract() == 0.0 && step.abs() <= 100_000.0).then_some(step as i32)
}

/// Whether an expression depends on rows, and has the same value each time it is evaluated for one.
fn is_of_data(node: &Node) -> bool {
    #[derive(Default)]
    struct Data {
        has_rows: bool,
        is_volatile: bool,
    }
    impl Visitor for Data {
        fn enter(&mut self, node: &mut SqlNode<'_>) -> Result<(), SqlFault> {
            match node {
                SqlNode::ColumnRef(_) | SqlNode::SubLink(_) => self.has_rows = true,
                SqlNode::RangeTableSample(_) => self.is_volatile = true,
                SqlNode::FuncCall(call) => {
                    let name = builtin_name(&call.funcname);
                    let is_stable = |name: &str| {
                        (LISTS.functions.has(name) || LISTS.types.has(name))
                            && !name.starts_with("random")
                            && !name.starts_with("array_s")
                            && !name.contains("uuid")
                    };
                    self.is_volatile |= !name.is_some_and(is_stable);
                }
                _ => {}
            }
            Ok(())
        }
    }
    let mut data = Data::default();
    // A node that the walk refuses is refused where it stands.
    let _ = walk(&mut node.clone(), &mut data);
    data.has_rows && !data.is_volatile
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

#[cfg(test)]
mod tests {
    use super::series_fault;
    use crate::sql::{Draft, Gate};

    fn template(sql: &str) -> String {
        let draft = Draft::parse(sql, &Gate::default()).unwrap_or_else(|e| panic!("{e}: {sql}"));
        draft.assume().unwrap().sql
    }

    #[test]
    fn what_the_data_say_of_a_series_is_guarded() {
        let cases = [
            (
                "generate_series((SELECT min(d) FROM t), :end_date, '1 day')",
                "generate_series(CASE WHEN date_part('year', (SELECT min(d) FROM t)) BETWEEN 1800 AND \
                 2200 OR ('generate_series() goes too far (the years 1800 to 2200 are allowed): a bound is ' \
                 || (SELECT min(d) FROM t)::text)::bool THEN (SELECT min(d) FROM t) END, $1::date, '1 day')",
            ),
            (
                "generate_series(1, t.n)",
                "generate_series(1, CASE WHEN t.n <= (1 + 10000) OR ('generate_series() has too many rows \
                 (10000 are the most): it goes up to ' || t.n::text)::bool THEN t.n END)",
            ),
            (
                "generate_series(t.n, 1, -2)",
                "generate_series(CASE WHEN t.n <= (1 + 20000) OR ('generate_series() has too many rows \
                 (10000 are the most): it begins at ' || t.n::text)::bool THEN t.n END, 1, -2)",
            ),
            ("generate_series(1, 3)", "generate_series(1, 3)"),
        ];
        for (series, expected) in cases {
            let sql = format!("SELECT x FROM t, {series} AS x");
            let once = template(&sql);
            assert_eq!(
                once.replace(['(', ')'], ""),
                format!("SELECT x FROM t, {expected} x").replace(['(', ')'], "")
            );
            if !once.contains('$') {
                assert_eq!(template(&once), once, "a template is its own template");
            }
        }
    }

    #[test]
    fn what_a_guard_says_is_told_as_it_is() {
        let said = "generate_series() has too many rows (10000 are the most): it goes up to 20001";
        for message in [
            format!("invalid input syntax for type boolean: \"{said}\""),
            format!("ungültige Eingabesyntax für Typ boolean: »{said}«"),
        ] {
            assert_eq!(series_fault(&message), Some(said));
        }
        assert_eq!(series_fault("invalid input syntax for type boolean: \"x\""), None);
    }

    #[test]
    fn a_bound_that_is_not_the_same_twice_is_refused() {
        for bound in [
            "(SELECT d FROM t ORDER BY random() LIMIT 1)",
            "(SELECT max(d) FROM t TABLESAMPLE bernoulli (1))",
            "(SELECT 1 + random()::int)",
            "now() + random() * interval '1 day'",
        ] {
            let sql = format!("SELECT x FROM generate_series({bound}, CURRENT_DATE, '1 day') AS x");
            let error = Draft::parse(&sql, &Gate::default()).unwrap_err().to_string();
            assert!(error.contains("generate_series() are not constants"), "{error}");
        }
    }
}

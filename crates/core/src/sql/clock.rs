//! Replaces every function and cast that reads the clock by a parameter.
//!
//! Refuses those that it cannot replace: a query must not read PostgreSQL's clock unnoticed. Strings
//! whose type only PREPARE knows are left to `special_dates`.

use pg_query::{
    Node, NodeEnum,
    protobuf::{SqlValueFunction, SqlValueFunctionOp as Op},
};

use super::{
    error::SqlFault,
    parameter::{Parameter, ParameterSource, ParameterType},
    placeholders::Placeholders,
    tree::{builtin_name, cast, cast_parts, integer, operation, plain_call, string_constant},
    walk::{SqlNode, Visitor, walk},
};

/// Replaces `CURRENT_DATE`, `now()` and the like.
pub(super) fn replace(tree: &mut Node, placeholders: &mut Placeholders) -> Result<(), SqlFault> {
    walk(tree, &mut ClockReplacer { placeholders })
}

/// The day or instant that an expression means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    Now,
    /// This many days after today.
    Day(i32),
}

struct ClockReplacer<'a> {
    placeholders: &'a mut Placeholders,
}

impl Visitor for ClockReplacer<'_> {
    fn enter(&mut self, node: &mut SqlNode<'_>) -> Result<(), SqlFault> {
        match node {
            SqlNode::RangeFunction(function) => {
                let mut items = function.functions.iter().flat_map(|list| match &list.node {
                    Some(NodeEnum::List(list)) => list.items.as_slice(),
                    _ => &[],
                });
                match items.find_map(present) {
                    Some((_, location)) => Err(SqlFault::new(
                        location,
                        "the present day or time is not supported as a table",
                    )
                    .hint("write FROM (SELECT CURRENT_DATE AS today) AS t")),
                    None => Ok(()),
                }
            }
            // Before its argument: `now()::date` is today in the caller's zone.
            SqlNode::TypeCast(whole) => {
                let Some(arg) = whole.arg.as_deref_mut() else {
                    return Ok(());
                };
                if let Some(ty) = whole.type_name.as_ref().and_then(super::tree::elements_called) {
                    return element_cast(arg, ty);
                }
                let ty = whole.type_name.as_ref().and_then(super::tree::type_called);
                self.cast(arg, ty)
            }
            SqlNode::FuncCall(call) => {
                match (builtin_name(&call.funcname), call.args.as_mut_slice()) {
                    // The same as a cast.
                    (Some(ty @ ("date" | "timestamp" | "timestamptz")), [arg]) => {
                        self.cast(arg, Some(ty))
                    }
                    (Some("timeofday"), _) => {
                        Err(SqlFault::new(call.location, "timeofday() is not supported here")
                            .hint("write now()"))
                    }
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    fn replace(&mut self, node: &mut Node) -> Result<(), SqlFault> {
        if let Some((moment, location)) = present(node) {
            let original = match &node.node {
                Some(NodeEnum::SqlvalueFunction(function)) => original_type(function),
                _ => None,
            };
            let value = value(self.placeholders, moment, location);
            *node = match original {
                Some((ty, modifiers)) => cast(value, ty, modifiers),
                None => value,
            };
        } else if let Some(inner) = repeated_cast(node) {
            *node = inner;
        } else if let Some(NodeEnum::FuncCall(call)) = &mut node.node
            && call.args.len() == 1
            && builtin_name(&call.funcname) == Some("age")
        {
            // With one argument it subtracts from today's midnight.
            let today = value(self.placeholders, Moment::Day(0), call.location);
            call.args.insert(0, cast(today, "timestamp", Vec::new()));
        }
        Ok(())
    }
}

impl ClockReplacer<'_> {
    /// Replaces the argument of a cast to `ty`.
    fn cast(&mut self, arg: &mut Node, ty: Option<&str>) -> Result<(), SqlFault> {
        if let Some((moment, location)) = moment_cast(arg, ty)? {
            *arg = value(self.placeholders, moment, location);
        }
        Ok(())
    }
}

/// Returns a moment as a parameter: a `timestamptz` or a `date`.
pub(super) fn value(placeholders: &mut Placeholders, moment: Moment, location: i32) -> Node {
    let today = Parameter { source: ParameterSource::Today, ty: ParameterType::Date };
    let now = Parameter { source: ParameterSource::Now, ty: ParameterType::TimestampTz };
    match moment {
        Moment::Now => placeholders.fixed(now, location),
        Moment::Day(0) => placeholders.fixed(today, location),
        Moment::Day(days) => {
            let operator = if days < 0 { "-" } else { "+" };
            operation(placeholders.fixed(today, location), operator, integer(days.abs()))
        }
    }
}

/// Reads the moment that a function of the clock means.
fn present(node: &Node) -> Option<(Moment, i32)> {
    if let Some(NodeEnum::SqlvalueFunction(function)) = &node.node {
        let moment = match function.op() {
            Op::SvfopCurrentDate => Moment::Day(0),
            op if time_type(op).is_some() => Moment::Now,
            _ => return None,
        };
        return Some((moment, function.location));
    }
    let (name, call) = plain_call(node)?;
    let clock = ["now", "transaction_timestamp", "statement_timestamp", "clock_timestamp"];
    (clock.contains(&name) && call.args.is_empty()).then_some((Moment::Now, call.location))
}

/// Reads the moment that the argument of a cast to `ty` means.
fn moment_cast(arg: &Node, ty: Option<&str>) -> Result<Option<(Moment, i32)>, SqlFault> {
    let Some(ty) = ty else { return Ok(None) };
    if let Some((_, location)) = present(arg) {
        return Ok((ty == "date").then_some((Moment::Day(0), location)));
    }
    let Some((text, location)) = string_constant(arg).filter(|_| is_temporal(ty)) else {
        return Ok(None);
    };
    Ok(spelled(text, ty, location)?.map(|moment| (moment, location)))
}

/// Reads the moment that a string of the date or time type `ty` spells.
pub(super) fn spelled(text: &str, ty: &str, location: i32) -> Result<Option<Moment>, SqlFault> {
    let dated = ["date", "timestamp", "timestamptz"].contains(&ty);
    Ok(Some(match text.trim().to_ascii_lowercase().as_str() {
        "now" if ty == "date" => Moment::Day(0),
        "now" => Moment::Now,
        "today" if dated => Moment::Day(0),
        "yesterday" if dated => Moment::Day(-1),
        "tomorrow" if dated => Moment::Day(1),
        _ if is_of_the_clock(text) => return Err(unsupported(text, location)),
        _ => return Ok(None),
    }))
}

/// Whether a string means another day tomorrow, if it means a date or time at all.
pub(super) fn is_of_the_clock(text: &str) -> bool {
    let special = ["now", "today", "yesterday", "tomorrow"];
    let mut words = text.split(|c: char| !c.is_ascii_alphabetic());
    words.any(|word| special.iter().any(|special| word.eq_ignore_ascii_case(special)))
}

/// Refuses special dates in arrays, as in `'{today}'::date[]` or `ARRAY['today']::date[]`.
fn element_cast(arg: &Node, ty: &str) -> Result<(), SqlFault> {
    if let Some(NodeEnum::AArrayExpr(array)) = &arg.node {
        return array.elements.iter().try_for_each(|element| element_cast(element, ty));
    }
    match string_constant(arg) {
        Some((text, location)) if is_temporal(ty) && is_of_the_clock(text) => {
            Err(unsupported(text, location))
        }
        _ => Ok(()),
    }
}

fn is_temporal(ty: &str) -> bool {
    ["date", "timestamp", "timestamptz", "time", "timetz"].contains(&ty)
}

fn unsupported(text: &str, location: i32) -> SqlFault {
    SqlFault::new(location, format!("'{text}' is not supported here"))
        .hint("write CURRENT_DATE or now(), plus or minus an interval")
}

/// Returns the type of `CURRENT_TIME` and the like, where it is not plain `timestamptz` or `date`.
fn original_type(function: &SqlValueFunction) -> Option<(&'static str, Vec<Node>)> {
    let ty = time_type(function.op())?;
    let modifiers = if function.typmod >= 0 { vec![integer(function.typmod)] } else { Vec::new() };
    (ty != "timestamptz" || !modifiers.is_empty()).then_some((ty, modifiers))
}

fn time_type(op: Op) -> Option<&'static str> {
    match op {
        Op::SvfopCurrentTime | Op::SvfopCurrentTimeN => Some("timetz"),
        Op::SvfopCurrentTimestamp | Op::SvfopCurrentTimestampN => Some("timestamptz"),
        Op::SvfopLocaltime | Op::SvfopLocaltimeN => Some("time"),
        Op::SvfopLocaltimestamp | Op::SvfopLocaltimestampN => Some("timestamp"),
        _ => None,
    }
}

/// The `$n::date` of a `$n::date::date`.
fn repeated_cast(node: &Node) -> Option<Node> {
    let (arg, ty, name) = cast_parts(node)?;
    let (inner, _, inner_name) = cast_parts(arg)?;
    let same = name == inner_name && ty.typmods.is_empty();
    (same && super::tree::param_number(inner).is_some()).then(|| arg.clone())
}

#[cfg(test)]
mod tests {
    use crate::sql::{Draft, Gate, GateExtension, ParameterSource, Template};

    fn template(sql: &str) -> Template {
        let functions = vec!["myschema.now".to_owned()];
        let gate = Gate::extended(&GateExtension { functions, ..GateExtension::default() });
        Draft::parse(sql, &gate.unwrap()).unwrap().assume().unwrap()
    }

    #[test]
    fn every_reading_of_the_clock_becomes_a_parameter() {
        use ParameterSource::{Now, Today};
        let cases = [
            ("CURRENT_DATE", "$1::date AS \"current_date\"", Today),
            ("now()", "$1::timestamptz AS now", Now),
            ("\"now\"()", "$1::timestamptz AS now", Now),
            ("pg_catalog.now()", "$1::timestamptz AS now", Now),
            ("transaction_timestamp()", "$1::timestamptz AS transaction_timestamp", Now),
            ("statement_timestamp()", "$1::timestamptz AS statement_timestamp", Now),
            ("clock_timestamp()", "$1::timestamptz AS clock_timestamp", Now),
            ("CURRENT_TIMESTAMP", "$1::timestamptz AS \"current_timestamp\"", Now),
            ("CURRENT_TIMESTAMP(3) AS a", "$1::timestamptz::timestamptz(3) AS a", Now),
            ("CURRENT_TIME AS a", "$1::timestamptz::timetz AS a", Now),
            ("CURRENT_TIME(0) AS a", "$1::timestamptz::timetz(0) AS a", Now),
            ("LOCALTIMESTAMP AS a", "$1::timestamptz::timestamp AS a", Now),
            ("LOCALTIMESTAMP(2) AS a", "$1::timestamptz::timestamp(2) AS a", Now),
            ("LOCALTIME AS a", "$1::timestamptz::time AS a", Now),
            ("now()::date AS a", "$1::date AS a", Today),
            ("CAST(CURRENT_TIMESTAMP AS date) AS a", "$1::date AS a", Today),
            ("date(now())", "date($1::date)", Today),
            ("now()::timestamp AS a", "$1::timestamptz::timestamp AS a", Now),
            ("'now'::timestamptz", "$1::timestamptz", Now),
            ("'now'::timestamp", "$1::timestamptz::timestamp", Now),
            ("'now'::date", "$1::date", Today),
            ("DATE 'today'", "$1::date", Today),
            ("' TODAY '::date", "$1::date", Today),
            ("TIMESTAMP 'today'", "$1::date::timestamp", Today),
            ("'yesterday'::date", "($1::date - 1)::date", Today),
            ("'tomorrow'::timestamptz", "($1::date + 1)::timestamptz", Today),
            ("date('now')", "date($1::date)", Today),
            ("date(' Tomorrow')", "date($1::date + 1)", Today),
            ("timestamptz('yesterday') AS a", "timestamptz($1::date - 1) AS a", Today),
            ("age(x)", "age($1::date::timestamp, x)", Today),
            (
                "CASE WHEN a THEN 1 ELSE now() END",
                "CASE WHEN a THEN 1 ELSE $1::timestamptz END AS now",
                Now,
            ),
            (
                "(SELECT CURRENT_DATE) COLLATE \"C\"",
                "(SELECT $1::date AS \"current_date\") COLLATE \"C\"",
                Today,
            ),
        ];
        for (expression, expected, source) in cases {
            let template = template(&format!("SELECT {expression} FROM t"));
            assert_eq!(template.sql, format!("SELECT {expected} FROM t"), "{expression}");
            let sources: Vec<_> = template.parameters.iter().map(|p| p.source.clone()).collect();
            assert_eq!(sources, [source], "{expression}");
            assert!(template.slots.clock, "{expression}");
        }
    }

    #[test]
    fn what_does_not_read_the_clock_stays() {
        for expression in [
            "now",
            "age(a, b)",
            "myschema.now()",
            "now(1)",
            "'today'",
            "'today'::text",
            "'2025-06-01'::date",
            "'infinity'::timestamp",
            "'nowhere'::date",
        ] {
            let template = template(&format!("SELECT {expression} FROM t"));
            assert_eq!(template.sql, format!("SELECT {expression} FROM t"));
            assert!(!template.slots.clock, "{expression}");
        }
    }

    #[test]
    fn a_value_is_one_parameter_wherever_it_stands() {
        let sql = "SELECT CURRENT_DATE - d AS n FROM t WHERE e < now() GROUP BY CURRENT_DATE - d";
        assert_eq!(
            template(sql).sql,
            "SELECT $1::date - d AS n FROM t WHERE e < $2::timestamptz GROUP BY $1::date - d"
        );
    }

    #[test]
    fn what_cannot_be_bound_is_refused() {
        for (sql, place) in [
            ("SELECT * FROM now()", "line 1, column 15"),
            ("SELECT * FROM a, CURRENT_DATE AS d", "line 1, column 18"),
            ("SELECT 'today 10:00'::timestamp", "line 1, column 8"),
            ("SELECT TIMESTAMPTZ 'tomorrow UTC'", "line 1, column 20"),
            ("SELECT date('today UTC')", "line 1, column 13"),
            ("SELECT '{today}'::date[]", "line 1, column 8"),
            ("SELECT timeofday()", "line 1, column 8"),
            ("SELECT 1 FROM pg_catalog.timeofday() AS t", "line 1, column 15"),
        ] {
            let error = Draft::parse(sql, &Gate::default()).unwrap_err().to_string();
            assert!(error.starts_with(place), "{error}");
        }
    }
}

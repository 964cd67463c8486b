//! Turns every expression that reads the clock into a parameter.
//!
//! What it cannot turn, it refuses: a query must not read PostgreSQL's clock behind metricd's back.

use pg_query::{
    Node, NodeEnum,
    protobuf::{SqlValueFunction, SqlValueFunctionOp as Op},
};

use super::{
    error::Fault,
    holes::Holes,
    template::{Parameter, ParameterSource, ParameterType},
    tree::{cast, cast_parts, integer, operation, plain_call, string_constant},
    walk::{Part, Visitor, walk},
};

/// Replaces `CURRENT_DATE`, `now()` and their kin.
pub(super) fn replace(tree: &mut Node, holes: &mut Holes) -> Result<(), Fault> {
    walk(tree, &mut Clock { holes })
}

/// A day or instant that an expression stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    Now,
    /// This many days after today.
    Day(i32),
}

struct Clock<'a> {
    holes: &'a mut Holes,
}

impl Visitor for Clock<'_> {
    fn enter(&mut self, part: &mut Part<'_>) -> Result<(), Fault> {
        match part {
            Part::RangeFunction(function) => {
                let mut items = function.functions.iter().flat_map(|list| match &list.node {
                    Some(NodeEnum::List(list)) => list.items.as_slice(),
                    _ => &[],
                });
                match items.find_map(present) {
                    Some((_, location)) => Err(Fault::new(
                        location,
                        "the present day or time is not supported as a table",
                    )
                    .hint("write FROM (SELECT CURRENT_DATE AS today) AS t")),
                    None => Ok(()),
                }
            }
            // Before its argument: `now()::date` is today in the caller's zone.
            Part::TypeCast(whole) => {
                let ty = whole.type_name.as_ref().and_then(super::tree::type_called);
                let Some(arg) = whole.arg.as_deref_mut() else {
                    return Ok(());
                };
                let Some((moment, location)) = moment_cast(arg, ty)? else {
                    return Ok(());
                };
                *arg = self.value(moment, location);
                Ok(())
            }
            Part::FuncCall(call) if super::tree::builtin_name(&call.funcname) == Some("date") => {
                if let [arg] = call.args.as_mut_slice()
                    && let Some((_, location)) = present(arg)
                {
                    *arg = self.value(Moment::Day(0), location);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn replace(&mut self, node: &mut Node) -> Result<(), Fault> {
        if let Some((moment, location)) = present(node) {
            let original = match &node.node {
                Some(NodeEnum::SqlvalueFunction(function)) => original_type(function),
                _ => None,
            };
            let value = self.value(moment, location);
            *node = match original {
                Some((ty, modifiers)) => cast(value, ty, modifiers),
                None => value,
            };
        } else if let Some(inner) = repeated_cast(node) {
            *node = inner;
        } else if let Some(NodeEnum::FuncCall(call)) = &mut node.node
            && call.args.len() == 1
            && super::tree::builtin_name(&call.funcname) == Some("age")
        {
            // With one argument it subtracts from today's midnight.
            let today = self.value(Moment::Day(0), call.location);
            call.args.insert(0, cast(today, "timestamp", Vec::new()));
        }
        Ok(())
    }
}

impl Clock<'_> {
    fn value(&mut self, moment: Moment, location: i32) -> Node {
        let today = Parameter { source: ParameterSource::Today, ty: ParameterType::Date };
        let now = Parameter { source: ParameterSource::Now, ty: ParameterType::TimestampTz };
        match moment {
            Moment::Now => self.holes.fixed(now, location),
            Moment::Day(0) => self.holes.fixed(today, location),
            Moment::Day(days) => {
                let operator = if days < 0 { "-" } else { "+" };
                operation(self.holes.fixed(today, location), operator, integer(days.abs()))
            }
        }
    }
}

/// The moment that a function of the clock stands for.
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

/// The moment that the argument of a cast to `ty` stands for.
fn moment_cast(arg: &Node, ty: Option<&str>) -> Result<Option<(Moment, i32)>, Fault> {
    let Some(ty) = ty else { return Ok(None) };
    if let Some((_, location)) = present(arg) {
        return Ok((ty == "date").then_some((Moment::Day(0), location)));
    }
    let temporal = ["date", "timestamp", "timestamptz", "time", "timetz"].contains(&ty);
    let Some((text, location)) = string_constant(arg).filter(|_| temporal) else {
        return Ok(None);
    };
    let word = text.trim().to_ascii_lowercase();
    let dated = ["date", "timestamp", "timestamptz"].contains(&ty);
    let moment = match word.as_str() {
        "now" if ty == "date" => Moment::Day(0),
        "now" => Moment::Now,
        "today" if dated => Moment::Day(0),
        "yesterday" if dated => Moment::Day(-1),
        "tomorrow" if dated => Moment::Day(1),
        other => {
            let special = ["now", "today", "yesterday", "tomorrow"];
            let mut words = other.split(|c: char| !c.is_ascii_alphabetic());
            if words.any(|word| special.contains(&word)) {
                return Err(Fault::new(location, format!("'{text}' is not supported here"))
                    .hint("write CURRENT_DATE or now(), plus or minus an interval"));
            }
            return Ok(None);
        }
    };
    Ok(Some((moment, location)))
}

/// The type of `CURRENT_TIME` and its kin, where it is not plain `timestamptz` or `date`.
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

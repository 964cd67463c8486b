//! The sizes of what functions give.

use pg_query::{
    Node, NodeEnum,
    protobuf::{FuncCall, JsonAggConstructor, JsonTable, JsonValueExpr},
};

use super::{
    expressions::{Sizes, check_path, nested, shortened, small, unending},
    rules::RULES,
    value::Value,
    zones,
};
use crate::sql::{
    error::SqlFault,
    tree::{builtin_name, string_constant},
};

impl Sizes<'_> {
    /// Estimates a call, and checks it.
    pub(super) fn call(&mut self, call: &FuncCall) -> Result<Value, SqlFault> {
        let args = self.all(&[&call.args])?;
        let mut rest = self.all(&[&call.agg_order])?;
        rest.extend(self.each([&call.agg_filter])?);
        if let Some(window) = &call.over {
            rest.push(self.window(window)?);
        }
        let name = builtin_name(&call.funcname).unwrap_or_default();
        check_call(name, call, &args)?;
        zones::check_call(name, call, &args)?;
        let result = self.result(name, call, &args, &rest);
        let parts = Value::sum(&args).parts + Value::sum(&rest).parts;
        let is_made = if RULES.picks.contains(name) {
            args.iter().chain(&rest).any(|value| value.is_made)
        } else {
            !RULES.small.contains(name)
        };
        let has_word = zones::gives_word(name, call, &args);
        Ok(Value { parts, is_made, has_word, ends_in_word: false, ..result })
    }

    fn result(&self, name: &str, call: &FuncCall, args: &[Value], rest: &[Value]) -> Value {
        let sum = Value::sum(args);
        let first = args.first().copied().unwrap_or(Value::ONE);
        let number = |at: usize| call.args.get(at).and_then(|arg| self.number(arg));
        match name {
            "power" | "pow" | "exp" => sum.small().long_number(),
            name if RULES.small.contains(name) => Value { digits: sum.digits, ..sum.small() },
            "array_agg" => sum.array_of_rows(),
            name if RULES.collect.contains(name) => sum.as_text().collected(),
            // Of an ordered set it is one of those that are ordered.
            "mode" | "percentile_disc" => Value::any(rest),
            "repeat" => first.times(number(1).unwrap_or(f64::INFINITY)),
            "lpad" | "rpad" => first.sized(number(1).unwrap_or(f64::INFINITY)),
            "left" | "right" => first.sized(shortened(first.size, number(1))),
            "substr" | "substring" if args.len() == 3 => {
                first.sized(shortened(first.size, number(2)))
            }
            "replace" => first.times(growth(call, args, 1)),
            "array_replace" => first.times(args.get(2).map_or(1.0, |by| by.size)),
            "ts_headline" => first.times(args.get(3).map_or(1.0, |options| options.size)),
            "regexp_replace" => first.times(growth(call, args, usize::MAX)),
            "array_to_string" => first.times(args.get(1).map_or(1.0, |by| by.size)),
            "concat_ws" => sum.times(first.size),
            "format" => sum.times(references(call)),
            "polygon" if args.len() == 2 => first.sized(number(0).unwrap_or(f64::INFINITY)),
            "unnest" => Value::any(args).of_element(),
            name if RULES.twice.contains(name) => sum.times(2.0),
            name if RULES.four_times.contains(name) => sum.times(4.0),
            name if RULES.arrays.contains(name) => sum,
            // Its elements, if it has any, may be all of it.
            _ => sum.sized(sum.as_text().size),
        }
    }

    /// Estimates what SQL's own syntax for JSON makes.
    pub(super) fn json(&mut self, node: &NodeEnum) -> Result<Value, SqlFault> {
        Ok(match node {
            NodeEnum::JsonValueExpr(value) => self.json_value(Some(value))?,
            NodeEnum::JsonKeyValue(pair) => {
                let mut sizes = self.each([&pair.key])?;
                sizes.push(self.json_value(pair.value.as_deref())?);
                Value::sum(&sizes)
            }
            NodeEnum::JsonObjectConstructor(object) => {
                Value::sum(&self.all(&[&object.exprs])?).times(2.0)
            }
            NodeEnum::JsonArrayConstructor(array) => {
                Value::sum(&self.all(&[&array.exprs])?).times(2.0)
            }
            NodeEnum::JsonArrayQueryConstructor(array) => match array.query.as_deref() {
                Some(query) => {
                    let output = self.statement(query)?;
                    self.count_relations(output.relations, array.location)?;
                    output.scalar().fenced().collected()
                }
                None => Value::ONE,
            },
            NodeEnum::JsonObjectAgg(object) => {
                self.json_aggregate(object.constructor.as_deref())?;
                let mut sizes = Vec::new();
                if let Some(pair) = &object.arg {
                    sizes.extend(self.each([&pair.key])?);
                    sizes.push(self.json_value(pair.value.as_deref())?);
                }
                Value::sum(&sizes).collected()
            }
            NodeEnum::JsonArrayAgg(array) => {
                self.json_aggregate(array.constructor.as_deref())?;
                self.json_value(array.arg.as_deref())?.collected()
            }
            NodeEnum::JsonIsPredicate(test) => small(self.each([&test.expr])?),
            NodeEnum::JsonFuncExpr(function) => {
                let context = self.json_value(function.context_item.as_deref())?;
                if let Some(path) = function.pathspec.as_deref() {
                    self.value(path)?;
                    check_path("SQL/JSON", context, path, function.location)?;
                }
                let passing = self.all(&[&function.passing])?;
                if context.is_unbounded() && passing.iter().any(Value::is_unbounded) {
                    let reason = RULES.super_linear.get("json_query").copied().unwrap_or_default();
                    return Err(unending(
                        "a path of SQL/JSON goes over",
                        reason,
                        function.location,
                    ));
                }
                context
            }
            NodeEnum::JsonArgument(argument) => self.json_value(argument.val.as_deref())?,
            NodeEnum::JsonParseExpr(parse) => self.json_value(parse.expr.as_deref())?,
            NodeEnum::JsonScalarExpr(scalar) => Value::sum(&self.each([&scalar.expr])?).times(2.0),
            NodeEnum::JsonSerializeExpr(text) => self.json_value(text.expr.as_deref())?,
            _ => Value::ONE,
        })
    }

    pub(super) fn json_table(&mut self, table: &JsonTable) -> Result<Value, SqlFault> {
        let context = self.json_value(table.context_item.as_deref())?;
        self.all(&[&table.passing])?;
        let path = table.pathspec.as_ref().and_then(|path| path.string.as_deref());
        if let Some(path) = path {
            check_path("JSON_TABLE", context, path, table.location)?;
        }
        Ok(context)
    }

    fn json_value(&mut self, value: Option<&JsonValueExpr>) -> Result<Value, SqlFault> {
        let raw = value.map(|value| self.each([&value.raw_expr])).transpose()?;
        Ok(raw.map_or(Value::ONE, |raw| Value::sum(&raw)))
    }

    fn json_aggregate(&mut self, aggregate: Option<&JsonAggConstructor>) -> Result<(), SqlFault> {
        let Some(aggregate) = aggregate else { return Ok(()) };
        self.all(&[&aggregate.agg_order])?;
        self.each([&aggregate.agg_filter])?;
        if let Some(window) = &aggregate.over {
            self.window(window)?;
        }
        Ok(())
    }
}

fn check_call(name: &str, call: &FuncCall, args: &[Value]) -> Result<(), SqlFault> {
    let pattern = args.get(1).is_some_and(Value::is_repeated);
    if pattern && (name.starts_with("regexp_") || name == "substring" && args.len() == 2) {
        return Err(nested(call.location));
    }
    // What takes the place of what is found is only copied.
    let searched = if matches!(name, "replace" | "translate") { 2 } else { args.len() };
    let unbounded = args.iter().take(searched).filter(|arg| arg.is_unbounded()).count();
    let what = || format!("{name}() is called on");
    if let Some(reason) = RULES.super_linear_alone.get(name).filter(|_| unbounded > 0) {
        return Err(unending(&what(), reason, call.location));
    }
    if let Some(reason) = RULES.super_linear.get(name).filter(|_| unbounded > 1) {
        return Err(unending(&what(), reason, call.location));
    }
    match (name.starts_with("jsonb_path_"), args, call.args.get(1)) {
        (true, [target, ..], Some(path)) => {
            check_path(&format!("{name}()"), *target, path, call.location)
        }
        _ => Ok(()),
    }
}

/// How many times as large a text can become when each of its parts is replaced: by the constant that is looked for, of which
/// the length is that of argument `sought`, or 1.
#[expect(clippy::cast_precision_loss, reason = "a text has fewer than 2^52 characters")]
fn growth(call: &FuncCall, args: &[Value], sought: usize) -> f64 {
    let length = |at: usize| {
        let text = call.args.get(at).and_then(constant);
        text.map(|text| text.chars().count().max(1) as f64)
    };
    let by = match length(2) {
        Some(characters) => characters,
        None => args.get(2).map_or(1.0, |by| by.size.max(10.0)),
    };
    (by / length(sought).unwrap_or(1.0)).max(1.0)
}

/// How often a format refers to the same argument, at most.
#[expect(clippy::cast_precision_loss, reason = "a text has fewer than 2^52 characters")]
fn references(call: &FuncCall) -> f64 {
    let format = call.args.first().and_then(constant);
    format.map_or(1.0, |format| format.matches('$').count().max(1) as f64)
}

fn constant(node: &Node) -> Option<&str> {
    match &node.node {
        Some(NodeEnum::TypeCast(cast)) => constant(cast.arg.as_deref()?),
        _ => string_constant(node).map(|(text, _)| text),
    }
}

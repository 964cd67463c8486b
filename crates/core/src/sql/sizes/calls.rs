//! The sizes of what functions give.

use pg_query::{
    Node, NodeEnum,
    protobuf::{FuncCall, JsonAggConstructor, JsonTable, JsonValueExpr},
};

use super::{
    expressions::{Sizes, are_unending, check_path, nested, shortened, small, unending},
    replacing,
    rules::RULES,
    value::{MOST_DIGITS, Value},
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
        // `date(x)` is a cast.
        if let [arg] = args.as_slice()
            && zones::is_time(name)
        {
            zones::check_time(*arg, call.location)?;
            return Ok(arg.small());
        }
        check_call(name, call, &args)?;
        self.count_work(name, &args, call.location)?;
        if matches!(name, "power" | "pow" | "exp") {
            let base = args.first().filter(|_| args.len() == 2).map_or(1.0, |base| base.digits);
            self.count_power(base, call.args.last(), call.location)?;
        }
        zones::check_call(name, call, &args)?;
        let result = self.result(name, call, &args, &rest);
        let parts = Value::sum(&args).parts + Value::sum(&rest).parts;
        if call.over.is_some() || RULES.aggregates.contains(name) {
            self.is_planned_apart = true;
        }
        let (is_made, is_computed) = if RULES.cleans.contains(name) || RULES.parts.contains(name) {
            (args.first().is_some_and(|first| first.is_made), true)
        } else if RULES.picks.contains(name) {
            let picked = || args.iter().chain(&rest);
            (picked().any(|value| value.is_made), picked().any(|value| value.is_computed))
        } else {
            (!RULES.small.contains(name), true)
        };
        let (has_word, ends_in_word) = zones::words_given(name, call, &args);
        // What an ordered set gives is of what it is ordered by.
        let is_of_rest = RULES.picks.contains(name);
        let has_word =
            has_word || is_of_rest && rest.iter().any(|value| value.has_word || value.ends_in_word);
        Ok(Value { parts, is_made, is_computed, has_word, ends_in_word, ..result })
    }

    fn result(&self, name: &str, call: &FuncCall, args: &[Value], rest: &[Value]) -> Value {
        let sum = Value::sum(args);
        let first = args.first().copied().unwrap_or(Value::ONE);
        let number = |at: usize| call.args.get(at).and_then(|arg| self.number(arg));
        match name {
            "power" | "pow" => Value { digits: first.digits, ..sum.small() }.raised(number(1)),
            "exp" => sum.small().long_number(),
            "round" | "trunc" if args.len() == 2 => {
                Value { digits: sum.digits, ..sum.small() }.number_of(number(1).unwrap_or_default())
            }
            name if RULES.small.contains(name) => Value { digits: sum.digits, ..sum.small() },
            "array_agg" => sum.array_of_rows(),
            // A text can be read as a document.
            "string_agg" => Value { is_deep: true, ..sum.as_text().collected() },
            "range_agg" => Value { is_ranges: true, ..sum.collected() },
            name if RULES.collect.contains(name) => sum.as_text().collected(),
            // Of an ordered set it is one of those that are ordered, or an array of as many as are asked for.
            "mode" | "percentile_disc" | "percentile_cont" => Value::any(&[Value::any(rest), sum]),
            "repeat" => first.times(number(1).unwrap_or(f64::INFINITY)),
            "lpad" | "rpad" => first.sized(number(1).unwrap_or(f64::INFINITY)),
            "left" | "right" => first.sized(shortened(first.size, number(1))),
            "substr" | "substring" if args.len() == 3 => {
                first.sized(shortened(first.size, number(2)))
            }
            "replace" | "regexp_replace" => {
                Value { is_deep: true, ..replaced(first, call, args, name == "replace") }
            }
            "array_replace" => first.times(args.get(2).map_or(1.0, |by| by.size)),
            "ts_headline" => first.times(args.get(3).map_or(1.0, |options| options.size)),
            "array_to_string" => Value { is_deep: true, ..first.times(1.0 + longest(call, args)) },
            "translate" | "overlay" => Value { is_deep: true, ..sum.sized(sum.as_text().size) },
            "jsonb_pretty" => first.times(indented(first)),
            name if name.starts_with("jsonb_path_query") => {
                let target = args.get(place("target", call).unwrap_or(0));
                sum.times(parts_found(*target.unwrap_or(&first), call))
            }
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
            NodeEnum::JsonIsPredicate(test) => small(&self.each([&test.expr])?),
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
                let ty = function.output.as_ref().and_then(|output| output.type_name.as_ref());
                zones::check_type(context, ty, function.location)?;
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
        check_columns(context, &table.columns)?;
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

/// Checks what the columns of a `JSON_TABLE` look for, and what they become.
fn check_columns(context: Value, columns: &[Node]) -> Result<(), SqlFault> {
    for column in columns {
        let Some(NodeEnum::JsonTableColumn(column)) = &column.node else { continue };
        if let Some(path) = column.pathspec.as_ref().and_then(|path| path.string.as_deref()) {
            check_path("JSON_TABLE", context, path, column.location)?;
        }
        zones::check_type(context, column.type_name.as_ref(), column.location)?;
        check_columns(context, &column.columns)?;
    }
    Ok(())
}

/// The work of raising a number to a large power, or to one that is not known.
const WORK_OF_POWER: f64 = 500_000.0;
const WORK_OF_UNKNOWN_POWER: f64 = 1_000.0;

/// The pairs of digits that take as long as one pair of characters.
const PAIRS_OF_DIGITS: f64 = 200.0;

/// From which constant on a power is large.
const LARGE_POWER: f64 = 1_000.0;

impl Sizes<'_> {
    /// Counts the work of a call in one row: PostgreSQL looks for a signal between rows alone.
    fn count_work(&mut self, name: &str, args: &[Value], location: i32) -> Result<(), SqlFault> {
        let sizes = args.iter().map(|arg| arg.size).filter(|size| size.is_finite());
        if RULES.super_linear.contains_key(name) {
            let work: f64 = sizes.take(2).product();
            self.add_work(work, location)?;
        } else if RULES.super_linear_alone.contains_key(name) {
            let size = sizes.fold(1.0, f64::max);
            self.add_work(size * size, location)?;
        } else if matches!(name, "mod" | "div" | "gcd" | "lcm" | "sqrt" | "ln" | "log" | "log10") {
            self.count_digits(args, location)?;
        }
        Ok(())
    }

    /// Counts the work of an operation on numbers that are long: each digit is paired with each.
    pub(super) fn count_digits(
        &mut self,
        numbers: &[Value],
        location: i32,
    ) -> Result<(), SqlFault> {
        let digits =
            || numbers.iter().map(|number| number.digits).filter(|digits| digits.is_finite());
        let pairs = if numbers.len() == 1 {
            digits().map(|digits| digits * digits).product::<f64>()
        } else {
            digits().product()
        };
        self.add_work(pairs / PAIRS_OF_DIGITS, location)
    }

    /// Counts the work of a power, of which the exponent is `exponent`, of a number of `base` digits.
    pub(super) fn count_power(
        &mut self,
        base: f64,
        exponent: Option<&Node>,
        location: i32,
    ) -> Result<(), SqlFault> {
        let power = exponent.and_then(|exponent| self.number(exponent));
        let work = match power {
            Some(power) if power.abs() < LARGE_POWER => {
                let digits = (base * power).abs().clamp(1.0, MOST_DIGITS);
                digits * digits / PAIRS_OF_DIGITS
            }
            Some(_) => WORK_OF_POWER,
            None => WORK_OF_UNKNOWN_POWER,
        };
        self.add_work(work, location)
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
    let operands = args.get(..searched).unwrap_or(args);
    if let Some(reason) = RULES.super_linear.get(name).filter(|_| are_unending(operands)) {
        return Err(unending(&what(), reason, call.location));
    }
    if let Some(reason) = RULES.super_linear_in_depth.get(name)
        && args.iter().any(|arg| arg.is_unbounded() && arg.is_deep)
    {
        return Err(unending(&what(), reason, call.location));
    }
    let target = args.get(place("target", call).unwrap_or(0));
    let path = call.args.get(place("path", call).unwrap_or(1));
    match (name.starts_with("jsonb_path_"), target, path) {
        (true, Some(target), Some(path)) => {
            check_path(&format!("{name}()"), *target, path, call.location)
        }
        _ => Ok(()),
    }
}

/// What a text becomes when each part of it is replaced.
fn replaced(text: Value, call: &FuncCall, args: &[Value], is_literal: bool) -> Value {
    let constant = |at: usize| call.args.get(at).and_then(constant);
    match (constant(1), constant(2)) {
        (Some(sought), Some(by)) => replacing::replaced(text, sought, by, is_literal),
        _ => text.times(args.get(2).map_or(1.0, |by| by.size.max(10.0))),
    }
}

/// How many times as large as its arguments a format's result is: it can refer to one again, and quote it.
#[expect(clippy::cast_precision_loss, reason = "a text has fewer than 2^52 characters")]
fn references(call: &FuncCall) -> f64 {
    let Some(format) = call.args.first().and_then(constant) else { return 2.0 };
    let quoted = if format.contains(['I', 'L']) { 2.0 } else { 1.0 };
    quoted * format.matches('$').count().max(1) as f64
}

/// The characters of the longest text that is put between the elements of an array, or in the place of one.
#[expect(clippy::cast_precision_loss, reason = "a text has fewer than 2^52 characters")]
fn longest(call: &FuncCall, args: &[Value]) -> f64 {
    let length = |(arg, value): (&Node, &Value)| match constant(arg) {
        Some(text) => text.chars().count() as f64,
        None => value.size * 10.0,
    };
    call.args.iter().zip(args).skip(1).map(length).fold(0.0, f64::max)
}

/// How many times as large a document becomes where each level is indented.
fn indented(document: Value) -> f64 {
    if document.is_deep { 20.0 * document.size } else { 10.0 }
}

/// How many times as large as the document all that a path finds in it can be: `**` gives each part of it.
fn parts_found(document: Value, call: &FuncCall) -> f64 {
    let path = call.args.get(place("path", call).unwrap_or(1)).and_then(constant);
    let each_level = if document.is_deep { 10.0 * document.size } else { 10.0 };
    let levels = path.map_or(0, |path| path.matches("**").count());
    i32::try_from(levels).map_or(f64::INFINITY, |levels| each_level.powi(levels))
}

/// Where an argument stands that is given by its name.
fn place(name: &str, call: &FuncCall) -> Option<usize> {
    let is_named =
        |arg: &Node| matches!(&arg.node, Some(NodeEnum::NamedArgExpr(arg)) if arg.name == name);
    call.args.iter().position(is_named)
}

fn constant(node: &Node) -> Option<&str> {
    match &node.node {
        Some(NodeEnum::TypeCast(cast)) => constant(cast.arg.as_deref()?),
        Some(NodeEnum::NamedArgExpr(arg)) => constant(arg.arg.as_deref()?),
        _ => string_constant(node).map(|(text, _)| text),
    }
}

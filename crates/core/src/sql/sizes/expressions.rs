//! The sizes of expressions.

use std::collections::HashMap;

use pg_query::{
    Node, NodeEnum,
    protobuf::{
        AConst, AExpr, AExprKind, AIndirection, ColumnRef, SubLink, SubLinkType, TypeCast,
        WindowDef, a_const::Val,
    },
};

use super::{
    jsonpath,
    relations::{Columns, NamesInScope},
    rules::RULES,
    value::{CONSTANT_CHARACTERS, Value},
    zones,
};
use crate::sql::{
    error::SqlFault,
    estimates::{Estimator, ParameterKind},
    tree::{builtin_name, string_constant, sval, type_called},
    walk::first_location,
};

/// The size of what is too long to be looked for in a value without a bound: some hundred characters.
const LONG_WORD: f64 = 10.0;

/// The most work that a statement may do for one row: some four seconds.
const MAX_WORK: f64 = 5_000_000.0;

/// The most that chains of joined texts may hold on their way: some hundred megabytes.
const MAX_JOINED: f64 = 10_000_000.0;

/// Estimates the sizes of a statement's values.
pub(super) struct Sizes<'a> {
    parameters: &'a [ParameterKind],
    /// How often each name stands in a FROM.
    pub(super) references: HashMap<String, usize>,
    pub(super) names: NamesInScope,
    /// The relations of the SELECT under way.
    pub(super) relations: f64,
    /// How often a statement was referred to that is written further on.
    pub(super) later_references: usize,
    /// How many recursive statements are under way, one within the other.
    pub(super) recursions: usize,
    /// Whether the SELECT under way has an aggregate or a window, and so is planned by itself.
    pub(super) is_planned_apart: bool,
    /// The work that is done for one row.
    work: f64,
    /// The sizes of all that is joined on the way to what is wanted.
    joined: f64,
    /// Whether a value has no bound but the statement's own text.
    pub(super) makes_large_values: bool,
}

impl<'a> Sizes<'a> {
    pub(super) fn new(parameters: &'a [ParameterKind], references: HashMap<String, usize>) -> Self {
        Self {
            parameters,
            references,
            names: NamesInScope::default(),
            relations: 0.0,
            later_references: 0,
            recursions: 0,
            is_planned_apart: false,
            work: 0.0,
            joined: 0.0,
            makes_large_values: false,
        }
    }

    /// The most that a number can be, if that is known.
    pub(super) fn number(&self, node: &Node) -> Option<f64> {
        Estimator { parameters: self.parameters }.number(node).map(|span| span.high)
    }

    pub(super) fn optional(&mut self, node: Option<&Node>) -> Result<Option<Value>, SqlFault> {
        node.map(|node| self.value(node)).transpose()
    }

    pub(super) fn each<const N: usize>(
        &mut self,
        nodes: [&Option<Box<Node>>; N],
    ) -> Result<Vec<Value>, SqlFault> {
        nodes.into_iter().flatten().map(|node| self.value(node)).collect()
    }

    pub(super) fn all(&mut self, lists: &[&Vec<Node>]) -> Result<Vec<Value>, SqlFault> {
        lists.iter().flat_map(|list| list.iter()).map(|node| self.value(node)).collect()
    }

    fn sum(&mut self, nodes: &[Node]) -> Result<Value, SqlFault> {
        let values: Result<Vec<_>, _> = nodes.iter().map(|node| self.value(node)).collect();
        Ok(Value::sum(&values?))
    }

    fn any(&mut self, nodes: &[Node]) -> Result<Value, SqlFault> {
        let values: Result<Vec<_>, _> = nodes.iter().map(|node| self.value(node)).collect();
        Ok(Value::any(&values?))
    }

    /// Estimates an expression, and checks every call in it.
    pub(super) fn value(&mut self, node: &Node) -> Result<Value, SqlFault> {
        let value = self.estimated(node)?;
        self.makes_large_values |= value.is_repeated();
        if value.is_huge() {
            let message = "this query makes a value of more than ten megabytes of a single row";
            return Err(
                SqlFault::new(first_location(node), message).hint("repeat, pad and replace less")
            );
        }
        Ok(value)
    }

    fn estimated(&mut self, node: &Node) -> Result<Value, SqlFault> {
        let Some(node) = &node.node else { return Ok(Value::ONE) };
        Ok(match node {
            NodeEnum::AConst(constant) => {
                if let Some(Val::Sval(text)) = &constant.val
                    && nesting(&text.sval) > MAX_NESTING
                {
                    return Err(nested(constant.location));
                }
                of_constant(constant)
            }
            NodeEnum::ColumnRef(column) => {
                let value = self.column(column);
                if let [.., relation, name] = column.fields.as_slice() {
                    let is_column = self.has_column(relation, name);
                    if !is_column {
                        check_dot(value, name, column.location)?;
                    }
                }
                value
            }
            NodeEnum::FuncCall(call) => return self.call(call),
            NodeEnum::AExpr(expr) => return self.operation(expr),
            NodeEnum::TypeCast(cast) => return self.cast(cast),
            NodeEnum::SubLink(sublink) => return self.sublink(sublink),
            NodeEnum::AIndirection(selection) => return self.selection(selection),
            NodeEnum::AArrayExpr(array) => {
                let sizes = self.all(&[&array.elements])?;
                let element = sizes.iter().map(|value| value.size).fold(1.0, f64::max);
                Value { element, ..Value::sum(&sizes) }
            }
            NodeEnum::RowExpr(row) => self.sum(&row.args)?,
            NodeEnum::List(list) => self.sum(&list.items)?,
            NodeEnum::CoalesceExpr(expr) => self.any(&expr.args)?,
            NodeEnum::MinMaxExpr(expr) => self.any(&expr.args)?,
            NodeEnum::CaseExpr(case) => {
                let mut conditions = self.each([&case.arg])?;
                let mut results = self.each([&case.defresult])?;
                for when in &case.args {
                    if let Some(NodeEnum::CaseWhen(when)) = &when.node {
                        conditions.extend(self.optional(when.expr.as_deref())?);
                        results.extend(self.optional(when.result.as_deref())?);
                    }
                }
                let conditions = Value::sum(&conditions).small();
                let result = Value::any(&results);
                Value { parts: result.parts + conditions.parts, ..result }
            }
            NodeEnum::BoolExpr(expr) => self.sum(&expr.args)?.small(),
            NodeEnum::NullTest(test) => small(&self.each([&test.arg])?),
            NodeEnum::BooleanTest(test) => small(&self.each([&test.arg])?),
            NodeEnum::CollateClause(clause) => {
                self.optional(clause.arg.as_deref())?.unwrap_or(Value::ONE)
            }
            NodeEnum::NamedArgExpr(arg) => self.optional(arg.arg.as_deref())?.unwrap_or(Value::ONE),
            NodeEnum::SortBy(sort) => self.optional(sort.node.as_deref())?.unwrap_or(Value::ONE),
            NodeEnum::GroupingSet(set) => self.sum(&set.content)?,
            NodeEnum::WindowDef(window) => self.window(window)?,
            other => return self.json(other),
        })
    }

    pub(super) fn window(&mut self, window: &WindowDef) -> Result<Value, SqlFault> {
        let mut sizes = self.all(&[&window.partition_clause, &window.order_clause])?;
        sizes.extend(self.each([&window.start_offset, &window.end_offset])?);
        Ok(Value::sum(&sizes))
    }

    /// Whether a relation is known to have a column of a name.
    fn has_column(&self, relation: &Node, name: &Node) -> bool {
        match (sval(relation).and_then(|relation| self.names.columns_of(relation)), sval(name)) {
            (Some(Columns::Named(columns, _)), Some(name)) => {
                columns.iter().any(|(column, _)| column == name)
            }
            _ => false,
        }
    }

    fn column(&self, column: &ColumnRef) -> Value {
        match column.fields.as_slice() {
            [only] => sval(only).map_or(Value::ONE, |name| self.names.column(name)),
            [.., relation, name] => {
                let relation = sval(relation).unwrap_or_default();
                match sval(name) {
                    Some(name) => self
                        .names
                        .qualified(relation, name)
                        .unwrap_or_else(|| self.names.column(relation)),
                    None => self.names.columns_of(relation).map_or(Value::ONE, Columns::row),
                }
            }
            [] => Value::ONE,
        }
    }

    fn operation(&mut self, expr: &AExpr) -> Result<Value, SqlFault> {
        use AExprKind::{
            AexprBetween, AexprBetweenSym, AexprDistinct, AexprIn, AexprNotBetween,
            AexprNotBetweenSym, AexprNotDistinct, AexprNullif,
        };
        let left = self.optional(expr.lexpr.as_deref())?;
        let right = self.optional(expr.rexpr.as_deref())?;
        let sides: Vec<Value> = left.into_iter().chain(right).collect();
        let name = builtin_name(&expr.name).unwrap_or_default();
        match expr.kind() {
            AexprNullif => {
                let left = left.unwrap_or(Value::ONE);
                return Ok(Value { parts: Value::sum(&sides).parts, ..left });
            }
            AexprIn | AexprDistinct | AexprNotDistinct | AexprBetween | AexprNotBetween
            | AexprBetweenSym | AexprNotBetweenSym => return Ok(small(&sides)),
            _ => {}
        }
        self.check_operator(name, &sides, expr.location)?;
        if matches!(name, "*" | "/" | "%" | "|/" | "||/") {
            self.count_digits(&sides, expr.location)?;
        }
        if matches!(name, "~" | "~*" | "!~" | "!~*")
            && right.is_some_and(|right| right.is_repeated())
        {
            return Err(nested(expr.location));
        }
        if let (Some(left), Some(right)) = (left, expr.rexpr.as_deref())
            && (name == "@?" || name == "@@" && path_constant(right).is_some())
        {
            check_path(name, left, right, expr.location)?;
        }
        Ok(match name {
            "->" | "->>" | "#>" | "#>>" | "#-" => {
                let left = left.unwrap_or(Value::ONE);
                Value {
                    parts: Value::sum(&sides).parts,
                    is_computed: true,
                    ..left.sized(left.size)
                }
            }
            name if RULES.small_operators.contains(name) => small(&sides),
            "^" => {
                let power = expr.rexpr.as_deref();
                let base = left.map_or(1.0, |base| base.digits);
                self.count_power(base, power, expr.location)?;
                let power = power.and_then(|power| self.number(power));
                Value { is_made: false, is_computed: true, digits: base, ..Value::any(&sides) }
                    .raised(power)
            }
            // Paths are joined, and numbers and days are not; one side of those is often a constant.
            "+" if !sides_are_plain(expr) => {
                Value { is_made: false, is_computed: true, ..Value::sum(&sides) }
            }
            "*" if !sides_are_plain(expr) => {
                let digits = Value::sum(&sides).digits;
                Value { is_made: false, is_computed: true, digits, ..Value::any(&sides) }
            }
            "+" | "-" | "*" | "/" | "%" | "&" | "|" | "#" | "<<" | ">>" | "|/" | "||/" | "@"
            | "~" | "##" => Value { is_made: false, is_computed: true, ..Value::any(&sides) },
            "||" => {
                let joined = zones::joined(&sides, expr.rexpr.as_deref()).made();
                self.count_joined(joined, expr.location)?;
                joined
            }
            _ => Value::sum(&sides).made(),
        })
    }

    /// Checks an operator over values of these sizes.
    pub(super) fn check_operator(
        &mut self,
        name: &str,
        sides: &[Value],
        location: i32,
    ) -> Result<(), SqlFault> {
        let Some(reason) = RULES.super_linear_operators.get(name) else { return Ok(()) };
        let is_of_list = |right: &Value| right.is_array() || right.is_made;
        let is_of_numbers = name == "-" && !sides.get(1).is_some_and(is_of_list);
        if is_of_numbers || sides.iter().any(|side| side.is_ranges) {
            return Ok(());
        }
        if are_unending(sides) {
            return Err(unending(&format!("the operator {name} stands between"), reason, location));
        }
        let work: f64 =
            sides.iter().map(|side| side.size).filter(|size| size.is_finite()).product();
        self.add_work(work, location)
    }

    /// Counts work that is done for one row, in products of sizes.
    pub(super) fn add_work(&mut self, work: f64, location: i32) -> Result<(), SqlFault> {
        self.work += work;
        if self.work <= MAX_WORK {
            return Ok(());
        }
        let message = "this query compares long texts or computes large powers so often for one row that no time limit \
                       ends it in time";
        Err(SqlFault::new(location, message)
            .hint("use shorter constants, or split it into several metrics"))
    }

    /// Counts the size of a text that is joined: each step of a chain has all before it once more.
    fn count_joined(&mut self, value: Value, location: i32) -> Result<(), SqlFault> {
        if value.size.is_finite() {
            self.joined += value.size;
        }
        if self.joined <= MAX_JOINED {
            return Ok(());
        }
        let message = "this query joins so many long texts that a row of it takes too much memory";
        Err(SqlFault::new(location, message).hint("write concat(…), or join fewer"))
    }

    fn cast(&mut self, cast: &TypeCast) -> Result<Value, SqlFault> {
        let arg = self.optional(cast.arg.as_deref())?.unwrap_or(Value::ONE);
        let Some(ty) = &cast.type_name else { return Ok(arg) };
        let arg = Value { is_ranges: false, ..arg };
        let length = ty.typmods.first().and_then(|length| self.number(length));
        let text = cast.arg.as_deref().and_then(string_constant);
        // An array of times, too.
        zones::check_type(arg, Some(ty), cast.location)?;
        match type_called(ty) {
            Some("jsonpath") if arg.is_made => {
                let message = "a path of JSON is made by this query";
                return Err(SqlFault::new(cast.location, message).hint("write it as a constant"));
            }
            Some("jsonpath") => {
                if let Some((path, location)) = text {
                    jsonpath::check(path, location)?;
                }
            }
            Some("jsonb" | "json") if arg.is_repeated() && text.is_none() => {
                return Err(nested(cast.location));
            }
            // `1e9` as a number has all its digits.
            Some("numeric" | "jsonb" | "json") => {
                if let Some((number, _)) = text {
                    return Ok(Value { is_deep: arg.is_deep, ..Value::constant(digits(number)) });
                }
            }
            _ => {}
        }
        Ok(match type_called(ty) {
            Some(name) if RULES.small_types.contains(name) => arg.small(),
            Some("bpchar" | "char" | "bit") if length.is_some() => {
                arg.sized(length.unwrap_or(f64::INFINITY))
            }
            Some("varchar" | "varbit") if length.is_some() => {
                arg.sized(shortened(arg.size, length))
            }
            Some("numeric") => {
                let digits = arg.as_text().size * CONSTANT_CHARACTERS;
                Value { is_made: false, is_computed: true, ..arg.small() }
                    .number_of(length.map_or(digits, |length| length.max(digits)))
            }
            // Its text has two digits for each byte.
            Some("bytea") => arg.as_text().times(2.0),
            Some("text" | "varchar" | "bpchar" | "name") if text.is_none() => {
                Value { is_made: arg.is_made || arg.is_computed, ..arg.as_text().quoted() }
            }
            Some("text" | "varchar" | "bpchar" | "name" | "json" | "jsonb") => {
                Value { is_made: arg.is_made || arg.is_computed, ..arg.as_text() }
            }
            _ => arg,
        })
    }

    fn sublink(&mut self, sublink: &SubLink) -> Result<Value, SqlFault> {
        let test = self.optional(sublink.testexpr.as_deref())?;
        let Some(query) = sublink.subselect.as_deref() else { return Ok(Value::ONE) };
        let output = self.statement(query)?;
        self.count_relations(output.relations, sublink.location)?;
        let row = output.scalar().fenced();
        Ok(match sublink.sub_link_type() {
            SubLinkType::ExprSublink => row,
            SubLinkType::ArraySublink => row.array_of_rows(),
            _ => {
                let sides: Vec<_> = test.into_iter().chain([row]).collect();
                let name = builtin_name(&sublink.oper_name).unwrap_or_default();
                self.check_operator(name, &sides, sublink.location)?;
                small(&sides)
            }
        })
    }

    fn selection(&mut self, selection: &AIndirection) -> Result<Value, SqlFault> {
        let mut value = self.optional(selection.arg.as_deref())?.unwrap_or(Value::ONE);
        for step in &selection.indirection {
            if let Some(NodeEnum::AIndices(indices)) = &step.node {
                self.each([&indices.lidx, &indices.uidx])?;
                if indices.is_slice {
                    // Without a lower bound it is the array's own, which can be anything.
                    let first = indices.lidx.as_deref().and_then(|low| self.number(low));
                    let last = indices.uidx.as_deref().and_then(|high| self.number(high));
                    if let (Some(first), Some(last)) = (first, last) {
                        let count = (last - first + 1.0).max(1.0);
                        value.size = value.size.min(count * value.element);
                    }
                } else {
                    value = value.of_element();
                }
            } else {
                let location = selection.arg.as_deref().map_or(-1, first_location);
                check_dot(value, step, location)?;
            }
        }
        Ok(value)
    }
}

/// Whether a call that takes time as the product of its operands has no end: two have no bound, or one has none and
/// another is longer than a word that is looked for.
pub(super) fn are_unending(operands: &[Value]) -> bool {
    let mut unbounded = operands.iter().filter(|value| value.is_unbounded());
    match (unbounded.next(), unbounded.next()) {
        (Some(_), Some(_)) => true,
        (Some(_), None) => {
            operands.iter().any(|value| !value.is_unbounded() && value.size > LONG_WORD)
        }
        _ => false,
    }
}

/// Whether a side of an operation is a constant, a placeholder or a cast, and so neither a path nor a long number.
fn sides_are_plain(expr: &AExpr) -> bool {
    let is_plain =
        |side: &Option<Box<Node>>| match side.as_deref().and_then(|side| side.node.as_ref()) {
            None | Some(NodeEnum::AConst(_) | NodeEnum::ParamRef(_)) => true,
            Some(NodeEnum::TypeCast(cast)) => {
                let ty = cast.type_name.as_ref().and_then(type_called);
                !matches!(ty, Some("path" | "numeric"))
            }
            _ => false,
        };
    is_plain(&expr.lexpr) || is_plain(&expr.rexpr)
}

/// Checks `x.name`, which is a call where there is no such column.
fn check_dot(value: Value, name: &Node, location: i32) -> Result<(), SqlFault> {
    let name = sval(name).unwrap_or_default();
    if zones::is_time(name) {
        zones::check_time(value, location)?;
    }
    match RULES.super_linear_alone.get(name) {
        Some(reason) if value.is_unbounded() => {
            Err(unending(&format!(".{name} can call {name}() on"), reason, location))
        }
        _ => Ok(()),
    }
}

/// The size of a text that is cut after so many characters.
pub(super) fn shortened(size: f64, length: Option<f64>) -> f64 {
    match length {
        Some(length) if length >= 0.0 => size.min(length / 10.0),
        _ => size,
    }
}

pub(super) fn small(values: &[Value]) -> Value {
    Value::sum(values).small()
}

/// The fault of a step that nothing ends. `reason` is that of the rules.
pub(super) fn unending(what: &str, reason: &str, location: i32) -> SqlFault {
    let message = format!(
        "{what} values that this query makes as large as it likes, which can take hours that no time limit ends: {reason}"
    );
    SqlFault::new(location, message).hint(
        "compare with a column, a constant or a placeholder, or cut a text with left(…, 1000), an array with (…)[1:1000]",
    )
}

/// The most levels of brackets in a constant.
const MAX_NESTING: usize = 1_000;

/// The most levels of brackets that a document has in practice.
const FEW_LEVELS: usize = 10;

/// The most brackets that are open at once in a text.
fn nesting(text: &str) -> usize {
    let (mut open, mut most) = (0_usize, 0);
    for letter in text.bytes() {
        match letter {
            b'[' | b'{' | b'(' => open += 1,
            b']' | b'}' | b')' => open = open.saturating_sub(1),
            _ => {}
        }
        most = most.max(open);
    }
    most
}

/// The fault of a text that is read level by level, and has too many, or may have.
pub(super) fn nested(location: i32) -> SqlFault {
    let message = "this text may be nested too deep where it is read level by level";
    SqlFault::new(location, message).hint("write it out with fewer levels, or repeat less")
}

fn path_constant(path: &Node) -> Option<(&str, i32)> {
    match &path.node {
        Some(NodeEnum::NamedArgExpr(arg)) => path_constant(arg.arg.as_deref()?),
        Some(NodeEnum::TypeCast(cast)) => cast.arg.as_deref().and_then(string_constant),
        _ => string_constant(path),
    }
}

/// Checks a path over a value: two wildcards can pair each element with each other.
pub(super) fn check_path(
    name: &str,
    target: Value,
    path: &Node,
    location: i32,
) -> Result<(), SqlFault> {
    let text = path_constant(path);
    if let Some((path, at)) = text {
        jsonpath::check(path, at)?;
    }
    let pairs = text.is_none_or(|(path, _)| jsonpath::pairs(path));
    if target.is_unbounded() && pairs {
        let what = format!("a path of {name} that compares several wildcards goes over");
        return Err(unending(&what, "it can pair each element with each other", location));
    }
    Ok(())
}

fn of_constant(constant: &AConst) -> Value {
    match &constant.val {
        Some(Val::Sval(text)) => {
            let is_deep = nesting(&text.sval) > FEW_LEVELS;
            let has_word = zones::has_word(&text.sval);
            Value { has_word, is_deep, ..Value::constant(text.sval.len()) }
        }
        Some(Val::Fval(number)) => Value::constant(digits(&number.fval)),
        Some(Val::Bsval(bits)) => Value::constant(bits.bsval.len()),
        _ => Value::ONE,
    }
}

/// The digits that the numbers of a text are written with in full: `1e9` has ten.
fn digits(text: &str) -> usize {
    let power = |rest: &str| {
        let rest = rest.trim_start_matches(['+', '-']);
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest.get(..end).and_then(|power| power.parse::<usize>().ok()).unwrap_or_default()
    };
    let powers = text.split(['e', 'E']).skip(1).map(power);
    powers.fold(text.len(), usize::saturating_add)
}

//! Finds the special date literals without a type, which PostgreSQL may read as the present:
//! `d >= 'today'`.
//!
//! Only where `$n` in their place gets the type that the string would get, so that PREPARE infers
//! it and never fails over it. A string elsewhere (in an array's text, a range's, a column of VALUES
//! or UNION) stays, whatever it says, and PostgreSQL's own clock may decide it.

use pg_query::{
    Node, NodeEnum,
    protobuf::{AExpr, AExprKind},
};

use super::{
    clock::{self, Moment},
    error::SqlFault,
    grammar::without_locations,
    parameter::{Parameter, ParameterSource, ParameterType},
    placeholders::{LiteralKind, Placeholders},
    tree::{builtin_name, cast, param, string_constant, sval},
    walk::{SqlNode, Visitor, walk},
};

/// A string such as `'today'`: a special date if its type is a date's.
#[derive(Debug, Clone)]
pub(super) struct SpecialDateLiteral {
    pub(super) number: i32,
    pub(super) text: String,
    location: i32,
}

impl SpecialDateLiteral {
    /// Returns the expression that replaces it when PREPARE infers this type; `None` if it is not a
    /// date or timestamp.
    pub(super) fn typed(
        &self,
        found: Option<ParameterType>,
        placeholders: &mut Placeholders,
    ) -> Result<Option<Node>, SqlFault> {
        let ty = match found {
            Some(ParameterType::Date) => "date",
            Some(ParameterType::Timestamp) => "timestamp",
            Some(ParameterType::TimestampTz) => "timestamptz",
            Some(ParameterType::Text | ParameterType::Int) | None => return Ok(None),
        };
        let Some(moment) = clock::spelled(&self.text, ty, self.location)? else {
            return Ok(None);
        };
        let value = clock::value(placeholders, moment, self.location);
        Ok(Some(match (moment, ty) {
            (Moment::Now, "timestamptz") | (Moment::Day(_), "date") => value,
            _ => cast(value, ty, Vec::new()),
        }))
    }
}

/// Replaces the strings that may be special dates by placeholders.
pub(super) fn find(
    tree: &mut Node,
    placeholders: &mut Placeholders,
) -> Result<Vec<SpecialDateLiteral>, SqlFault> {
    let mut finder = Finder {
        placeholders,
        found: Vec::new(),
        selects: 0,
        inside: Vec::new(),
        known: Vec::new(),
    };
    walk(tree, &mut finder)?;
    Ok(finder.found)
}

struct Finder<'a> {
    placeholders: &'a mut Placeholders,
    found: Vec<SpecialDateLiteral>,
    selects: usize,
    /// The SELECTs being visited, by number, outermost first.
    inside: Vec<usize>,
    known: Vec<KnownExpression>,
}

/// An expression with placeholders. The same expression of the same SELECT has the same placeholders:
/// PostgreSQL would not see otherwise that a GROUP BY repeats it.
struct KnownExpression {
    select: Option<usize>,
    expression: Node,
    placeholders: Vec<i32>,
}

impl Visitor for Finder<'_> {
    fn enter(&mut self, node: &mut SqlNode<'_>) -> Result<(), SqlFault> {
        if matches!(node, SqlNode::SelectStmt(_)) {
            self.inside.push(self.selects);
            self.selects += 1;
        }
        Ok(())
    }

    fn leave(&mut self, node: &mut SqlNode<'_>) -> Result<(), SqlFault> {
        if matches!(node, SqlNode::SelectStmt(_)) {
            self.inside.pop();
        }
        Ok(())
    }

    fn replace(&mut self, node: &mut Node) -> Result<(), SqlFault> {
        if typed_literals(node).is_empty() {
            return Ok(());
        }
        let select = self.inside.last().copied();
        let expression = without_locations(node)?;
        let same =
            |known: &&KnownExpression| known.select == select && known.expression == expression;
        if let Some(known) = self.known.iter().find(same) {
            for (literal, number) in typed_literals(node).into_iter().zip(&known.placeholders) {
                let location = string_constant(literal).map_or(-1, |(_, location)| location);
                *literal = param(*number, location);
            }
            return Ok(());
        }
        let placeholders =
            typed_literals(node).into_iter().filter_map(|literal| self.number(literal)).collect();
        self.known.push(KnownExpression { select, expression, placeholders });
        Ok(())
    }
}

impl Finder<'_> {
    fn number(&mut self, literal: &mut Node) -> Option<i32> {
        let (text, location) = string_constant(literal)?;
        let text = text.to_owned();
        // A text until PREPARE says otherwise.
        let parameter = Parameter { source: ParameterSource::Now, ty: ParameterType::Text };
        let number = self.placeholders.literal(literal, location, LiteralKind::Value(parameter));
        self.found.push(SpecialDateLiteral { number, text, location });
        Some(number)
    }
}

/// Functions of dates and times, none of which takes an argument of any type.
const FUNCTIONS: [&str; 7] =
    ["age", "date_bin", "date_part", "date_trunc", "extract", "generate_series", "timezone"];

/// Returns the special dates in an expression whose type follows from its other operands.
fn typed_literals(node: &mut Node) -> Vec<&mut Node> {
    match &mut node.node {
        Some(NodeEnum::AExpr(expr)) => compared(expr),
        Some(NodeEnum::CoalesceExpr(expr)) => among(expr.args.iter_mut()),
        Some(NodeEnum::MinMaxExpr(expr)) => among(expr.args.iter_mut()),
        Some(NodeEnum::CaseExpr(case)) => {
            let arg = case.arg.as_deref();
            let mut literals = Vec::new();
            let mut results = Vec::new();
            for when in &mut case.args {
                let Some(NodeEnum::CaseWhen(when)) = &mut when.node else {
                    continue;
                };
                if let (Some(arg), Some(expr)) = (arg, when.expr.as_deref_mut()) {
                    literals.extend(against(arg, expr));
                }
                results.extend(when.result.as_deref_mut());
            }
            literals.extend(among(results.into_iter().chain(case.defresult.as_deref_mut())));
            literals
        }
        // A subquery's column always has a type.
        Some(NodeEnum::SubLink(sublink)) => match sublink.testexpr.as_deref_mut() {
            Some(Node { node: Some(NodeEnum::RowExpr(row)) }) => literals(row.args.iter_mut()),
            test => literals(test.into_iter()),
        },
        Some(NodeEnum::FuncCall(call))
            if builtin_name(&call.funcname).is_some_and(|name| FUNCTIONS.contains(&name)) =>
        {
            literals(call.args.iter_mut())
        }
        _ => Vec::new(),
    }
}

fn compared(expr: &mut AExpr) -> Vec<&mut Node> {
    let kind = expr.kind();
    let operator = expr.name.last().and_then(sval).unwrap_or_default();
    let compares = ["=", "<>", "<", "<=", ">", ">=", "-"].contains(&operator);
    let (Some(left), Some(right)) = (expr.lexpr.as_deref_mut(), expr.rexpr.as_deref_mut()) else {
        return Vec::new();
    };
    match kind {
        AExprKind::AexprOp | AExprKind::AexprOpAny | AExprKind::AexprOpAll if !compares => {
            Vec::new()
        }
        AExprKind::AexprOp
        | AExprKind::AexprOpAny
        | AExprKind::AexprOpAll
        | AExprKind::AexprDistinct
        | AExprKind::AexprNotDistinct
        | AExprKind::AexprNullif => pair(left, right),
        AExprKind::AexprIn
        | AExprKind::AexprBetween
        | AExprKind::AexprNotBetween
        | AExprKind::AexprBetweenSym
        | AExprKind::AexprNotBetweenSym => {
            let Some(NodeEnum::List(list)) = &mut right.node else {
                return Vec::new();
            };
            // On the left of IN, it might be asked to have several types at once.
            let is_between = kind != AExprKind::AexprIn;
            if is_between && is_special(left) && !list.items.iter().any(is_untyped) {
                return vec![left];
            }
            list.items.iter_mut().flat_map(|item| against(left, item)).collect()
        }
        _ => Vec::new(),
    }
}

/// Returns the special dates on one side that get a type from the other, of two values or rows.
fn pair<'a>(left: &'a mut Node, right: &'a mut Node) -> Vec<&'a mut Node> {
    if is_row(left) && is_row(right) {
        let values = row(left).iter_mut().zip(row(right));
        return values.flat_map(|(left, right)| pair(left, right)).collect();
    }
    among([left, right].into_iter())
}

/// Returns the special dates of `right` that get a type from `left`.
fn against<'a>(left: &Node, right: &'a mut Node) -> Vec<&'a mut Node> {
    if let Some(NodeEnum::RowExpr(left)) = &left.node {
        let values = left.args.iter().zip(row(right));
        return values.flat_map(|(left, right)| against(left, right)).collect();
    }
    if !is_untyped(left) && is_special(right) { vec![right] } else { Vec::new() }
}

/// Returns the special dates among values of one type, if another of them has it.
fn among<'a>(values: impl Iterator<Item = &'a mut Node>) -> Vec<&'a mut Node> {
    let values: Vec<_> = values.collect();
    if values.iter().all(|value| is_untyped(value)) {
        return Vec::new();
    }
    literals(values.into_iter())
}

fn literals<'a>(values: impl Iterator<Item = &'a mut Node>) -> Vec<&'a mut Node> {
    values.filter(|value| is_special(value)).collect()
}

fn is_special(node: &Node) -> bool {
    string_constant(node).is_some_and(|(text, _)| clock::is_of_the_clock(text))
}

/// Whether a value gets its type from its context.
fn is_untyped(node: &Node) -> bool {
    matches!(&node.node, Some(NodeEnum::AConst(_) | NodeEnum::ParamRef(_)))
}

/// The values of a row.
fn row(node: &mut Node) -> &mut [Node] {
    match &mut node.node {
        Some(NodeEnum::RowExpr(row)) => &mut row.args,
        _ => &mut [],
    }
}

fn is_row(node: &Node) -> bool {
    matches!(&node.node, Some(NodeEnum::RowExpr(_)))
}

#[cfg(test)]
mod tests {
    use crate::sql::{Draft, Gate, ParameterSource, ParameterType, Template};

    /// What PREPARE would say: each `$n` has the type `ty`.
    fn with_type(sql: &str, ty: Option<ParameterType>) -> Template {
        let draft = Draft::parse(sql, &Gate::default()).unwrap();
        let count = (1..99).take_while(|n| draft.sql().contains(&format!("${n}"))).count();
        draft.finish(&vec![ty; count]).unwrap()
    }

    #[test]
    fn a_special_date_is_the_clock_where_it_is_compared_with_a_date() {
        let cases = [
            ("d >= 'today'", "d >= $1::date"),
            ("d < ' Tomorrow '", "d < ($1::date + 1)"),
            ("d = 'NOW'", "d = $1::date"),
            ("'yesterday' <> d", "($1::date - 1) <> d"),
            ("d BETWEEN 'yesterday' AND 'today'", "d BETWEEN ($1::date - 1) AND $1::date"),
            ("d NOT BETWEEN 'today' AND e", "d NOT BETWEEN $1::date AND e"),
            ("'today' BETWEEN d AND e", "$1::date BETWEEN d AND e"),
            (
                "d IN ('today', '2025-06-01', 'yesterday')",
                "d IN ($1::date, '2025-06-01', ($1::date - 1))",
            ),
            ("d NOT IN ('today')", "d NOT IN ($1::date)"),
            ("d IS DISTINCT FROM 'today'", "d IS DISTINCT FROM $1::date"),
            ("(d, n) >= ('today', 3)", "(d, n) >= ($1::date, 3)"),
            ("(d, n) IN (('today', 3), (e, 4))", "(d, n) IN (($1::date, 3), (e, 4))"),
            ("'today' IN (SELECT d FROM u)", "$1::date IN (SELECT d FROM u)"),
            ("'today' = ANY (days)", "$1::date = ANY(days)"),
            ("d - 'today' > 3", "(d - $1::date) > 3"),
            ("coalesce(d, 'today') > e", "COALESCE(d, $1::date) > e"),
            ("least(d, 'tomorrow') > e", "LEAST(d, $1::date + 1) > e"),
            ("nullif(d, 'today') > e", "NULLIF(d, $1::date) > e"),
            ("CASE d WHEN 'today' THEN a ELSE b END", "CASE d WHEN $1::date THEN a ELSE b END"),
            ("CASE WHEN a THEN d ELSE 'today' END > e", "CASE WHEN a THEN d ELSE $1::date END > e"),
            (
                "d IN (SELECT generate_series(date '2025-01-01', 'today', '1 day'))",
                "d IN (SELECT generate_series('2025-01-01'::date, $1::date, '1 day'))",
            ),
            ("NOT (a OR d >= 'today')", "NOT (a OR d >= $1::date)"),
        ];
        for (condition, expected) in cases {
            let sql = format!("SELECT 1 FROM t WHERE {condition}");
            let template = with_type(&sql, Some(ParameterType::Date));
            let plain = |text: &str| text.replace(['(', ')'], "");
            let expected = format!("SELECT 1 FROM t WHERE {expected}");
            assert_eq!(plain(&template.sql), plain(&expected), "{condition}");
            assert!(template.slots.clock, "{condition}");
            let sources: Vec<_> = template.parameters.iter().map(|p| p.source.clone()).collect();
            assert_eq!(sources, [ParameterSource::Today], "{condition}");
        }
    }

    #[test]
    fn a_special_date_has_the_type_that_prepare_infers() {
        use ParameterType::{Timestamp, TimestampTz};
        let cases = [
            ("today", Timestamp, "$1::date::timestamp"),
            ("yesterday", Timestamp, "($1::date - 1)::timestamp"),
            ("now", Timestamp, "$1::timestamptz::timestamp"),
            ("today", TimestampTz, "$1::date::timestamptz"),
            ("tomorrow", TimestampTz, "($1::date + 1)::timestamptz"),
            ("\tNow ", TimestampTz, "$1::timestamptz"),
        ];
        for (literal, ty, expected) in cases {
            let template = with_type(&format!("SELECT 1 FROM t WHERE d >= '{literal}'"), Some(ty));
            assert_eq!(template.sql, format!("SELECT 1 FROM t WHERE d >= {expected}"));
            assert!(template.slots.clock);
        }
    }

    #[test]
    fn as_anything_else_a_special_date_stays() {
        let conditions =
            ["kind = 'today'", "kind IN ('now', 'Today 10:00')", "kind >= 'all of today'"];
        for condition in conditions {
            let sql = format!("SELECT 1 FROM t WHERE {condition}");
            for ty in [Some(ParameterType::Text), Some(ParameterType::Int), None] {
                let template = with_type(&sql, ty);
                assert_eq!(template.sql, sql);
                assert!(template.parameters.is_empty() && !template.slots.clock);
            }
            let assumed = Draft::parse(&sql, &Gate::default()).unwrap().assume().unwrap();
            assert_eq!(assumed.sql, sql);
            assert!(assumed.parameters.is_empty() && !assumed.slots.clock);
        }
    }

    #[test]
    fn each_special_date_has_its_own_type() {
        let sql = "SELECT 1 FROM t WHERE kind = 'today' AND d >= 'today' AND e < CURRENT_DATE";
        let draft = Draft::parse(sql, &Gate::default()).unwrap();
        assert_eq!(draft.sql(), "SELECT 1 FROM t WHERE kind = $1 AND d >= $2 AND e < $3::date");
        let date = Some(ParameterType::Date);
        let template = draft.finish(&[Some(ParameterType::Text), date, date]).unwrap();
        assert_eq!(
            template.sql,
            "SELECT 1 FROM t WHERE kind = 'today' AND d >= $1::date AND e < $1::date"
        );
        assert_eq!(template.parameters.len(), 1);
    }

    #[test]
    fn no_type_is_asked_for_where_there_may_be_none() {
        for sql in [
            "SELECT 'today'",
            "SELECT 'today' AS day, lower('now'), concat('today', d) FROM t",
            "SELECT CASE WHEN a THEN 'today' ELSE 'older' END FROM t",
            "SELECT CASE 'today' WHEN 'x' THEN 1 END",
            "SELECT 1 WHERE 'today' = 'today' AND 'now' > NULL",
            "SELECT 1 FROM t WHERE 'now' BETWEEN 'yesterday' AND d",
            "SELECT 1 FROM t WHERE 'now' IN (d, 'today')",
            "SELECT 1 FROM t WHERE d >= 'infinity' AND e > 'epoch' AND f < 'nowhere'",
            "SELECT COALESCE(NULL, 'today')",
            "VALUES ('today')",
            "SELECT 'today' UNION SELECT 'now'",
        ] {
            let draft = Draft::parse(sql, &Gate::default()).unwrap();
            assert_eq!(draft.sql(), sql);
            assert!(!draft.assume().unwrap().slots.clock);
        }
    }

    #[test]
    fn a_repeated_expression_stays_the_same() {
        // PostgreSQL would not see otherwise that GROUP BY repeats it.
        let sql = "SELECT d >= 'today' AS a FROM t GROUP BY d >= 'today' HAVING d >= 'tomorrow'";
        let draft = Draft::parse(sql, &Gate::default()).unwrap();
        let expected = "SELECT d >= $1 AS a FROM t GROUP BY d >= $1 HAVING d >= $2";
        assert_eq!(draft.sql(), expected);
        // In another SELECT, the same expression may mean another column.
        let sql = "SELECT d >= 'today' AS a FROM t UNION SELECT d >= 'today' FROM u";
        let draft = Draft::parse(sql, &Gate::default()).unwrap();
        assert_eq!(draft.sql(), "SELECT d >= $1 AS a FROM t UNION SELECT d >= $2 FROM u");
    }

    #[test]
    fn a_special_date_with_more_to_it_is_refused_as_a_date() {
        for ty in [ParameterType::Date, ParameterType::Timestamp, ParameterType::TimestampTz] {
            let draft = Draft::parse("SELECT 1 FROM t\nWHERE d >= 'today 10:00'", &Gate::default())
                .unwrap();
            let error = draft.finish(&[Some(ty)]).unwrap_err().to_string();
            assert!(error.starts_with("line 2, column 12: 'today 10:00' is not"), "{error}");
            assert!(error.contains("CURRENT_DATE"), "{error}");
        }
    }
}

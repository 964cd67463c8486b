//! Writes a plan as SQL.
//!
//! Must never copy a word of the sentence except into the leading comment, or as a quoted text or a
//! parsed number into a condition: names come from the schema, quoted where needed.

use std::fmt::Write as _;

use metricd_core::{schema::ColumnKind, sql::quoted_text};

use crate::{
    identifiers::identifier,
    lexicon::{Aggregate, Bucket, Direction},
    periods::Period,
    plan::{Condition, Dimension, Measure, Plan},
    tokens::words_of,
};

/// The limit on the characters of the sentence in the leading comment.
const TITLE_CHARS: usize = 120;

/// The default row limit of a list.
pub(crate) const LIST_ROWS: u32 = 100;

/// Writes the query of a plan.
pub(crate) fn write(plan: &Plan<'_>, prompt: &str) -> String {
    let title: String = prompt.chars().filter(|c| !c.is_control()).take(TITLE_CHARS).collect();
    let (outputs, tail) = if plan.is_list { list(plan) } else { aggregate(plan) };
    let mut conditions: Vec<String> =
        plan.conditions.iter().map(|condition| predicate(plan, condition)).collect();
    conditions.extend(window(plan));
    let name = &plan.table.name;
    let from = match &name.schema {
        Some(schema) => format!("{}.{}", identifier(schema), identifier(&name.name)),
        None => identifier(&name.name),
    };
    let mut sql = format!("-- {}\nSELECT {}\nFROM {from}", title.trim(), outputs.join(",\n    "));
    if !conditions.is_empty() {
        sql.push_str("\nWHERE ");
        sql.push_str(&conditions.join("\n  AND "));
    }
    sql + &tail
}

/// Returns the columns and the tail of a list: ranked by the measure, else the newest first.
fn list(plan: &Plan<'_>) -> (Vec<String>, String) {
    let columns = &plan.table.columns;
    let outputs = columns.iter().map(|column| identifier(&column.name)).collect();
    let mut order = Vec::new();
    if let (Some(rank), Some(Measure::Of(_, column))) = (plan.ranking, plan.measures.first()) {
        order.push(ranked(&identifier(plan.column(*column)), rank.direction));
    } else if let Some(date) = plan.date {
        order.push(ranked(&identifier(plan.column(date)), Direction::Highest));
    }
    order.push("1".to_owned());
    let limit = plan.ranking.map_or(LIST_ROWS, |rank| rank.limit);
    (outputs, format!("\nORDER BY {}\nLIMIT {limit}", order.join(", ")))
}

/// Returns the columns and the tail of an aggregation.
fn aggregate(plan: &Plan<'_>) -> (Vec<String>, String) {
    let mut outputs = Vec::new();
    let mut names = Names::default();
    for group in &plan.dimensions {
        let (expression, name) = match group {
            Dimension::Time(bucket) => (time(plan, *bucket), names.distinct(bucket.as_str())),
            Dimension::Column(column) => {
                let name = plan.column(*column);
                (identifier(name), names.distinct(name))
            }
        };
        outputs.push(named(&expression, &name));
    }
    let groups = outputs.len();
    for measure in &plan.measures {
        let (expression, name) = match &plan.share {
            Some(of) => (share(plan, *measure, of), "percent".to_owned()),
            None => (measured(plan, *measure, ""), measure_name(plan, *measure)),
        };
        outputs.push(named(&expression, &names.distinct(&name)));
    }
    let mut tail = String::new();
    if groups == 0 {
        return (outputs, tail);
    }
    let ordinals: Vec<String> = (1..=groups).map(|number| number.to_string()).collect();
    tail.push_str("\nGROUP BY ");
    tail.push_str(&ordinals.join(", "));
    if let Some((comparison, number)) = &plan.having {
        // Writing to a String cannot fail.
        let _ = write!(tail, "\nHAVING count(*) {} {number}", comparison.operator());
    }
    let is_time = |group: &Dimension| matches!(group, Dimension::Time(_));
    let mut order = ordinals.clone();
    if let Some(rank) = plan.ranking {
        order.insert(0, ranked(&(groups + 1).to_string(), rank.direction));
    } else if let Some(at) = plan.dimensions.iter().position(is_time) {
        let time = order.remove(at);
        order.insert(0, time);
    } else {
        order.insert(0, ranked(&(groups + 1).to_string(), Direction::Highest));
    }
    let _ = write!(tail, "\nORDER BY {}", order.join(", "));
    if let Some(rank) = plan.ranking {
        let _ = write!(tail, "\nLIMIT {}", rank.limit);
    }
    (outputs, tail)
}

fn ranked(expression: &str, direction: Direction) -> String {
    let order = match direction {
        Direction::Highest => "DESC",
        Direction::Lowest => "ASC",
    };
    format!("{expression} {order} NULLS LAST")
}

fn named(expression: &str, name: &str) -> String {
    let name = identifier(name);
    if expression == name { name } else { format!("{expression} AS {name}") }
}

/// Writes a measure, with an optional `FILTER` clause.
fn measured(plan: &Plan<'_>, measure: Measure, filter: &str) -> String {
    let call = match measure {
        Measure::Rows => "count(*)".to_owned(),
        Measure::Distinct(column) => {
            format!("count(DISTINCT {})", identifier(plan.column(column)))
        }
        Measure::Of(aggregate, column) => {
            let function = match aggregate {
                Aggregate::Sum => "sum",
                Aggregate::Average => "avg",
                Aggregate::Minimum => "min",
                Aggregate::Maximum => "max",
            };
            format!("{function}({})", identifier(plan.column(column)))
        }
    };
    format!("{call}{filter}")
}

fn measure_name(plan: &Plan<'_>, measure: Measure) -> String {
    let word = |column: usize| words_of(plan.column(column)).join("_");
    match measure {
        Measure::Rows => "count".to_owned(),
        Measure::Distinct(column) => format!("distinct_{}", word(column)),
        Measure::Of(Aggregate::Sum, column) => format!("total_{}", word(column)),
        Measure::Of(Aggregate::Average, column) => format!("average_{}", word(column)),
        Measure::Of(Aggregate::Minimum, column) => format!("lowest_{}", word(column)),
        Measure::Of(Aggregate::Maximum, column) => format!("highest_{}", word(column)),
    }
}

/// Writes a share in percent: of the rows that match `of`, or, if that is empty, of each group in the
/// total.
fn share(plan: &Plan<'_>, measure: Measure, of: &[Condition]) -> String {
    let whole = measured(plan, measure, "");
    let (part, whole) = if of.is_empty() {
        (whole.clone(), format!("sum({whole}) OVER ()"))
    } else {
        let conditions: Vec<String> =
            of.iter().map(|condition| predicate(plan, condition)).collect();
        let filter = format!(" FILTER (WHERE {})", conditions.join(" AND "));
        (format!("coalesce({}, 0)", measured(plan, measure, &filter)), whole)
    };
    format!("round(CAST(100.0 * {part} / nullif({whole}, 0) AS numeric), 2)")
}

/// Writes the first day of a row's time bucket.
fn time(plan: &Plan<'_>, bucket: Bucket) -> String {
    let Some(date) = plan.date else {
        return "NULL".to_owned();
    };
    let column = identifier(plan.column(date));
    let is_day = plan.table.columns[date].kind == ColumnKind::Date;
    match bucket {
        Bucket::Day if is_day => column,
        Bucket::Day => format!("CAST({column} AS date)"),
        bucket => format!("CAST(date_trunc('{}', {column}) AS date)", bucket.as_str()),
    }
}

fn predicate(plan: &Plan<'_>, condition: &Condition) -> String {
    let name = |column: &usize| identifier(plan.column(*column));
    match condition {
        Condition::Values { column, values, negated } => {
            let column = name(column);
            let list: Vec<String> = values.iter().map(|value| quoted_text(value)).collect();
            match (list.as_slice(), negated) {
                ([value], false) => format!("{column} = {value}"),
                // A null is none of the excluded values.
                ([value], true) => format!("{column} IS DISTINCT FROM {value}"),
                (list, false) => format!("{column} IN ({})", list.join(", ")),
                (list, true) => {
                    format!("({column} NOT IN ({}) OR {column} IS NULL)", list.join(", "))
                }
            }
        }
        Condition::Flag { column, negated: false } => format!("{} IS TRUE", name(column)),
        Condition::Flag { column, negated: true } => format!("{} IS NOT TRUE", name(column)),
        Condition::Number { column, comparison, number } => {
            format!("{} {} {number}", name(column), comparison.operator())
        }
        Condition::Range { column, low, high } => {
            format!("{} BETWEEN {low} AND {high}", name(column))
        }
        Condition::Missing { column, negated: false } => format!("{} IS NULL", name(column)),
        Condition::Missing { column, negated: true } => format!("{} IS NOT NULL", name(column)),
        Condition::Alert(columns) => {
            let present: Vec<String> =
                columns.iter().map(|column| format!("{} IS NOT NULL", name(column))).collect();
            format!("({})", present.join(" OR "))
        }
    }
}

/// Writes the conditions on the date column. Callers can override either end, or the number of days.
fn window(plan: &Plan<'_>) -> Vec<String> {
    let Some(date) = plan.date else {
        return Vec::new();
    };
    let column = identifier(plan.column(date));
    let day = |day: chrono::NaiveDate| quoted_text(&day.to_string());
    let from = |default: String| format!("{column} >= coalesce(:start_date, {default})");
    let through = |default: String| format!("{column} < coalesce(:end_date, {default}) + 1");
    let from_usual = || format!("{column} >= :start_date");
    let through_today = || format!("{column} < :end_date + 1");
    let moved = |of: &str, moved: String| format!("CAST({of}{moved} AS date)");
    let start_of = |unit: Bucket| format!("date_trunc('{}', CURRENT_DATE)", unit.as_str());
    match plan.period {
        None => vec![from_usual(), through_today()],
        Some(Period::Fixed(first, last)) => {
            let next = last.succ_opt().unwrap_or(last);
            vec![format!("{column} >= {}", day(first)), format!("{column} < {}", day(next))]
        }
        Some(Period::LastDays(days)) => {
            vec![
                format!("{column} >= CURRENT_DATE - {days}"),
                format!("{column} < CURRENT_DATE + 1"),
            ]
        }
        Some(Period::LastMonths(months)) => {
            vec![
                from(moved("CURRENT_DATE", format!(" - {}", interval(months, "month")))),
                through_today(),
            ]
        }
        Some(Period::Whole { unit: Bucket::Day, back }) => {
            let day = if back == 0 {
                "CURRENT_DATE".to_owned()
            } else {
                format!("CURRENT_DATE - {back}")
            };
            vec![from(day.clone()), through(day)]
        }
        Some(Period::Whole { unit, back }) => {
            let (count, word) = match unit {
                Bucket::Quarter => (3, "month"),
                Bucket::Day | Bucket::Week => (1, "week"),
                Bucket::Month => (1, "month"),
                Bucket::Year => (1, "year"),
            };
            let by = |units: u32, sign: &str| match units {
                0 => String::new(),
                units => format!(" {sign} {}", interval(units * count, word)),
            };
            let next = if back == 0 { by(1, "+") } else { by(back - 1, "-") };
            let last = format!("{} - 1", moved(&start_of(unit), next));
            vec![from(moved(&start_of(unit), by(back, "-"))), through(last)]
        }
        Some(Period::ToDate(unit)) => {
            vec![from(moved(&start_of(unit), String::new())), through_today()]
        }
        Some(Period::Since(first)) => vec![from(day(first)), through_today()],
        Some(Period::Until(last)) => vec![through(day(last))],
        Some(Period::AllTime) => Vec::new(),
    }
}

fn interval(count: u32, unit: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("INTERVAL '{count} {unit}{plural}'")
}

/// The names of the output columns, kept distinct.
#[derive(Default)]
struct Names(Vec<String>);

impl Names {
    fn distinct(&mut self, name: &str) -> String {
        // PostgreSQL truncates names to 63 bytes: the number must fit within.
        let name = &name[..name.floor_char_boundary(56)];
        let mut candidate = name.to_owned();
        let mut number = 2;
        while self.0.contains(&candidate) {
            candidate = format!("{name}_{number}");
            number += 1;
        }
        self.0.push(candidate.clone());
        candidate
    }
}

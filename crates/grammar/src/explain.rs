//! Explains to the caller what was understood of a sentence, or what was not.

use std::fmt::Write as _;

use metricd_core::schema::Schema;

use crate::{
    faults::Misfit,
    lexicon::{Aggregate, Bucket, Comparison, Direction},
    periods::Period,
    plan::{Condition, Dimension, Measure, Plan},
};

/// The limit on the tables, and on the words, that an explanation lists.
const MOST_NAMED: usize = 8;

/// Explains a plan.
pub(crate) fn understood(plan: &Plan<'_>) -> String {
    let mut text = if plan.is_list {
        "Lists rows".to_owned()
    } else {
        let measures: Vec<String> =
            plan.measures.iter().map(|measure| measured(plan, *measure)).collect();
        match (&plan.share, measures.join(" and ")) {
            (Some(of), measures) if of.is_empty() => {
                format!("The share in percent that each group has in the {measures}")
            }
            (Some(of), measures) => {
                format!("The share in percent of the {measures} where {}", all(plan, of))
            }
            (None, measures) => format!("The {measures}"),
        }
    };
    // Writing to a String cannot fail.
    let _ = write!(text, " of {}", plan.table.name);
    if !plan.conditions.is_empty() {
        let _ = write!(text, " where {}", all(plan, &plan.conditions));
    }
    if !plan.dimensions.is_empty() {
        let groups: Vec<&str> = plan
            .dimensions
            .iter()
            .map(|group| match group {
                Dimension::Time(bucket) => bucket.as_str(),
                Dimension::Column(column) => plan.column(*column),
            })
            .collect();
        let _ = write!(text, ", for each {}", groups.join(" and "));
    }
    if let Some((comparison, number)) = &plan.having {
        let _ = write!(text, " with {} {number} rows", comparison_words(*comparison));
    }
    if let Some(rank) = plan.ranking {
        let which = match rank.direction {
            Direction::Highest if plan.is_list && plan.measures.is_empty() => "newest",
            Direction::Highest => "highest",
            Direction::Lowest => "lowest",
        };
        let by = match plan.measures.first() {
            Some(Measure::Of(_, column)) if plan.is_list => {
                format!(" by {}", plan.column(*column))
            }
            _ => String::new(),
        };
        let _ = write!(text, ", the {} {which}{by}", rank.limit);
    }
    if let Some(date) = plan.date {
        let _ = write!(text, ", {} by {}", period(plan.period), plan.column(date));
    }
    text.push('.');
    text
}

/// Explains why a sentence was not understood.
pub(crate) fn not_understood(misfit: &Misfit, schema: &Schema) -> String {
    let names: Vec<String> =
        schema.tables.iter().take(MOST_NAMED).map(|table| table.name.to_string()).collect();
    let more = if schema.tables.len() > MOST_NAMED { " and others" } else { "" };
    let tables = if names.is_empty() {
        "there is no table that may be read".to_owned()
    } else {
        format!("the tables are {}{more}", names.join(", "))
    };
    let reason = misfit.reason.as_deref();
    let words: Vec<String> = misfit
        .words
        .iter()
        .take(MOST_NAMED)
        .map(|word| {
            format!("“{}”", word.chars().filter(|c| !c.is_control()).take(40).collect::<String>())
        })
        .collect();
    match (words.is_empty(), reason) {
        (_, Some(reason)) => format!("The sentence was not understood: {reason}; {tables}."),
        (false, None) => {
            format!(
                "The sentence was not understood: no meaning was found for {}; {tables}.",
                words.join(", ")
            )
        }
        (true, None) => format!("The sentence was not understood; {tables}."),
    }
}

fn measured(plan: &Plan<'_>, measure: Measure) -> String {
    match measure {
        Measure::Rows => "number of rows".to_owned(),
        Measure::Distinct(column) => format!("number of different {}", plan.column(column)),
        Measure::Of(aggregate, column) => {
            let aggregate = match aggregate {
                Aggregate::Sum => "sum",
                Aggregate::Average => "average",
                Aggregate::Minimum => "minimum",
                Aggregate::Maximum => "maximum",
            };
            format!("{aggregate} of {}", plan.column(column))
        }
    }
}

fn all(plan: &Plan<'_>, conditions: &[Condition]) -> String {
    conditions.iter().map(|condition| worded(plan, condition)).collect::<Vec<_>>().join(" and ")
}

fn worded(plan: &Plan<'_>, condition: &Condition) -> String {
    let name = |column: &usize| plan.column(*column);
    match condition {
        Condition::Values { column, values, negated } => {
            let is = if *negated { "is not" } else { "is" };
            let values: Vec<String> = values.iter().map(|value| format!("“{value}”")).collect();
            format!("{} {is} {}", name(column), values.join(" or "))
        }
        Condition::Flag { column, negated: false } => format!("{} is true", name(column)),
        Condition::Flag { column, negated: true } => format!("{} is not true", name(column)),
        Condition::Number { column, comparison, number } => {
            format!("{} is {} {number}", name(column), comparison_words(*comparison))
        }
        Condition::Range { column, low, high } => {
            format!("{} is between {low} and {high}", name(column))
        }
        Condition::Missing { column, negated: false } => format!("{} is missing", name(column)),
        Condition::Missing { column, negated: true } => format!("{} is there", name(column)),
        Condition::Alert(columns) => {
            let names: Vec<&str> = columns.iter().map(name).collect();
            format!("{} is there", names.join(" or "))
        }
    }
}

fn comparison_words(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Above => "more than",
        Comparison::AtLeast => "at least",
        Comparison::Below => "less than",
        Comparison::AtMost => "at most",
        Comparison::Equal => "exactly",
    }
}

fn period(period: Option<Period>) -> String {
    let whole = |unit: Bucket, back: u32| match back {
        0 if unit == Bucket::Day => "today".to_owned(),
        1 if unit == Bucket::Day => "yesterday".to_owned(),
        0 => format!("this {}", unit.as_str()),
        _ => format!("the whole {} before this one", unit.as_str()),
    };
    match period {
        None => {
            "from 30 days ago until today unless start_date and end_date say otherwise,".to_owned()
        }
        Some(Period::Fixed(first, last)) => format!("from {first} to {last}"),
        Some(Period::LastDays(days)) => format!("from {days} days ago until today"),
        Some(Period::LastMonths(months)) => format!("from {months} months ago until today"),
        Some(Period::Whole { unit, back }) => whole(unit, back),
        Some(Period::ToDate(unit)) => format!("this {} until today", unit.as_str()),
        Some(Period::Since(first)) => format!("from {first} until today"),
        Some(Period::Until(last)) => format!("until {last}"),
        Some(Period::AllTime) => "all days".to_owned(),
    }
}

//! Explains to the caller what was understood of a sentence, or what was not.

use std::fmt::Write as _;

use metricd_core::schema::Schema;

use crate::{
    faults::Misfit,
    lexicon::{Aggregate, Bucket, Comparison, Direction},
    periods::Period,
    plan::{Condition, Dimension, Form, Measure, Part, Plan},
};

/// The limit on the tables, and on the words, that an explanation lists.
const MOST_NAMED: usize = 8;

/// Explains a plan.
pub(crate) fn understood(plan: &Plan<'_, '_>) -> String {
    let mut text = subject(plan);
    // Writing to a String cannot fail.
    let _ = write!(text, " of {}", plan.scope.base().table.name);
    let joined: Vec<String> = plan
        .joined()
        .into_iter()
        .map(|table| plan.scope.tables[table].vocabulary.table.name.to_string())
        .collect();
    if !joined.is_empty() {
        let _ = write!(text, " with its {}", joined.join(" and "));
    }
    if !plan.conditions.is_empty() {
        let _ = write!(text, " where {}", all(plan, &plan.conditions));
    }
    if !plan.dimensions.is_empty() {
        let groups: Vec<String> = plan
            .dimensions
            .iter()
            .map(|group| match group {
                Dimension::Time(bucket) => bucket.as_str().to_owned(),
                Dimension::Column(column) => name(plan, *column),
            })
            .collect();
        let _ = write!(text, ", for each {}", groups.join(" and "));
    }
    if let Some((comparison, number)) = &plan.having {
        let of = match plan.measures.as_slice() {
            [Measure::Of(..)] => "",
            _ => " rows",
        };
        let _ = write!(text, " with {} {number}{of}", comparison_words(*comparison));
    }
    order(plan, &mut text);
    if let Some(date) = plan.date {
        let _ = write!(text, ", {} by {}", period(plan.period), name(plan, date));
    }
    text.push('.');
    text
}

/// Explains what is counted, computed or listed.
fn subject(plan: &Plan<'_, '_>) -> String {
    let measures: Vec<String> =
        plan.measures.iter().map(|measure| measured(plan, *measure)).collect();
    let measures = measures.join(" and ");
    match (&plan.form, &plan.part) {
        (Form::List { columns, .. }, _) if columns.is_empty() => "Lists rows".to_owned(),
        (Form::List { columns, is_distinct }, _) => {
            let columns: Vec<String> = columns.iter().map(|column| name(plan, *column)).collect();
            let different = if *is_distinct { "different " } else { "" };
            format!("Lists {different}{}", columns.join(", "))
        }
        (Form::GroupCount, _) => format!("The number of groups by the {measures}"),
        (_, Some(Part::Percent(of))) if of.is_empty() => {
            format!("The share in percent that each group has in the {measures}")
        }
        (_, Some(Part::Percent(of))) => {
            format!("The share in percent of the {measures} where {}", all(plan, of))
        }
        (_, Some(Part::Ratio(part, of))) => {
            let side = |conditions: &[Condition]| match conditions {
                [] => "all".to_owned(),
                conditions => format!("that where {}", all(plan, conditions)),
            };
            format!("The ratio of the {measures}, {} to {},", side(part), side(of))
        }
        (_, None) => format!("The {measures}"),
    }
}

fn order(plan: &Plan<'_, '_>, text: &mut String) {
    let Some(rank) = plan.ranking else {
        return;
    };
    let is_newest = rank.column.is_some() && rank.column == plan.date;
    let which = match rank.direction {
        Direction::Highest if plan.is_list() && is_newest => "newest",
        Direction::Highest => "highest",
        Direction::Lowest => "lowest",
    };
    let by = match rank.column {
        Some(column) if !is_newest => format!(" by {}", name(plan, column)),
        _ => String::new(),
    };
    match rank.limit {
        Some(limit) if !plan.is_list() || rank.column.is_some() => {
            let _ = write!(text, ", the {limit} {which}{by}");
        }
        _ => {}
    }
}

/// Returns the name of a column, with its table unless that is the first.
fn name(plan: &Plan<'_, '_>, column: usize) -> String {
    let own = &plan.scope.column(column).name;
    match plan.scope.table_of(column) {
        0 => own.clone(),
        table => format!("{}.{own}", plan.scope.tables[table].vocabulary.table.name),
    }
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
        (false, None) if !misfit.is_unknown => {
            format!(
                "The sentence was not understood: in a question about {}, {} has no place where it stands; {tables}.",
                misfit.table,
                words.join(" ")
            )
        }
        (false, None) => {
            format!(
                "The sentence was not understood: no meaning was found for {}; {tables}.",
                words.join(", ")
            )
        }
        (true, None) => format!("The sentence was not understood; {tables}."),
    }
}

fn measured(plan: &Plan<'_, '_>, measure: Measure) -> String {
    match measure {
        Measure::Rows => "number of rows".to_owned(),
        Measure::Distinct(column) => format!("number of different {}", name(plan, column)),
        Measure::Of(aggregate, column) => {
            let aggregate = match aggregate {
                Aggregate::Sum => "sum",
                Aggregate::Average => "average",
                Aggregate::Median => "median",
                Aggregate::Minimum => "minimum",
                Aggregate::Maximum => "maximum",
            };
            format!("{aggregate} of {}", name(plan, column))
        }
    }
}

fn all(plan: &Plan<'_, '_>, conditions: &[Condition]) -> String {
    conditions.iter().map(|condition| worded(plan, condition)).collect::<Vec<_>>().join(" and ")
}

fn worded(plan: &Plan<'_, '_>, condition: &Condition) -> String {
    let name = |column: &usize| name(plan, *column);
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
        Condition::AgainstAverage { column, comparison } => {
            format!("{} is {} the average", name(column), comparison_words(*comparison))
        }
        Condition::Missing { column, negated: false } => format!("{} is missing", name(column)),
        Condition::Missing { column, negated: true } => format!("{} is there", name(column)),
        Condition::Filled { column, negated: false } => format!("{} is not zero", name(column)),
        Condition::Filled { column, negated: true } => {
            format!("{} is zero or missing", name(column))
        }
        Condition::Weekend(column) => format!("{} is on a weekend", name(column)),
        Condition::Referred { child, negated, window } => {
            let child = &plan.scope.children[*child].vocabulary.table;
            let has = if *negated { "no row" } else { "a row" };
            let within = window.map_or(String::new(), |(date, within)| {
                format!(" {} by {}", period(Some(within)), child.columns[date].name)
            });
            format!("{has} of {}{within} refers to it", child.name)
        }
        Condition::Alert(columns) => {
            let names: Vec<String> = columns.iter().map(name).collect();
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
        Some(Period::UntilToday) => "until today".to_owned(),
        Some(Period::AllTime) => "all days".to_owned(),
    }
}

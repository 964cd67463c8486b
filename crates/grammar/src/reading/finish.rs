//! Makes a plan of a question that was read, or says why it has no answer.

use super::{
    question::{Question, Share},
    window::{date, impossible_window, names_rows, take_year},
};
use crate::{
    lexicon::{Aggregate, Bucket, Comparison, Direction},
    periods::Period,
    plan::{Condition, Dimension, Form, Measure, Part, Plan, Ranking},
    scope::TableScope,
    tokens::words_of,
    vocabulary::Vocabulary,
};

/// The highest row limit of a list.
const LIST_ROWS: u32 = 1_000;

/// Makes the plan of a question.
pub(super) fn plan<'p, 'a>(
    scope: &'p TableScope<'a>,
    question: &mut Question,
) -> Result<Plan<'p, 'a>, String> {
    take_year(scope, question);
    if question.named == 0 && question.grounds == 0 {
        return Err("it names no table, column or value".to_owned());
    }
    // Customers who are counted by their orders: the orders must be said.
    let is_of_parent = |measure: &Measure| {
        matches!(measure, Measure::Distinct(column)
            if scope.table_of(*column) > 0 || scope.parent_of(*column).is_some())
    };
    let is_act = question.date.is_some_and(|date| names_rows(scope, date));
    if question.named == 0 && !is_act && question.measures.iter().any(is_of_parent) {
        return Err(format!("it does not say how they are related to {}", scope.base().table.name));
    }
    if question.needs_group && question.measures.len() > 1 {
        return Err("it asks for a list and for a number".to_owned());
    }
    let is_list = matches!(question.form, Form::List { .. });
    if question.measures.is_empty() && !is_list {
        question.measures.push(Measure::Rows);
    }
    let reason = contradiction(question, is_list)
        .or_else(|| some_of_groups(question))
        .or_else(|| lost_rows(scope, question));
    if let Some(reason) = reason {
        return Err(reason.to_owned());
    }
    let part = part(question)?;
    // "The 10 latest orders" are the newest until today.
    if question.rank.is_some_and(|rank| rank.is_newest) && !scope.base().is_thing() {
        question.period.get_or_insert(Period::UntilToday);
    }
    // The oldest is that of all.
    if question.rank.and_then(|rank| rank.column).is_some_and(|column| scope.is_date(column))
        && !scope.base().is_thing()
    {
        question.period.get_or_insert(Period::AllTime);
    }
    let date = date(scope, question)?;
    if let Some(reason) = impossible_window(scope, question, date) {
        return Err(reason.to_owned());
    }
    if date.is_some() && scope.base().is_thing() && !question.is_new {
        question.period.get_or_insert(Period::AllTime);
        let is_timed = |dimension: &Dimension| matches!(dimension, Dimension::Time(_));
        if question.period == Some(Period::AllTime)
            && question.dimensions.iter().any(is_timed)
            && let Some(column) = date
        {
            question.conditions.push((Condition::Missing { column, negated: true }, false));
        }
    }
    let is_bare = !question.is_explicit && question.dimensions.is_empty() && !is_list;
    if is_bare && date.is_some() && (!scope.base().is_thing() || question.is_new) {
        question.dimensions.push(Dimension::Time(Bucket::Day));
    }
    let ranking = ranking(question, date, is_list)?;
    let conditions = conditions(scope, question, ranking.is_some() && !is_list);
    Ok(Plan {
        scope,
        form: question.form.clone(),
        measures: std::mem::take(&mut question.measures),
        dimensions: std::mem::take(&mut question.dimensions),
        keys: std::mem::take(&mut question.keys),
        conditions,
        part,
        having: question.having.take(),
        ranking,
        date,
        period: question.period,
    })
}

/// Returns why values that rows share cannot be told by single rows: "employees without a no-show" have none in any
/// row.
fn some_of_groups(question: &Question) -> Option<&'static str> {
    let is_of_groups = matches!(question.form, Form::List { is_distinct: true, .. })
        || question.measures.iter().any(|measure| matches!(measure, Measure::Distinct(_)));
    let is_negated = question.conditions.iter().any(|(condition, _)| condition.is_without());
    (is_of_groups && is_negated).then_some("it may be about some rows of each of them or about all")
}

/// Returns the first contradiction between the parts of a question.
fn contradiction(question: &Question, is_list: bool) -> Option<&'static str> {
    let is_timed =
        question.dimensions.iter().any(|dimension| matches!(dimension, Dimension::Time(_)));
    let is_grouped = !question.dimensions.is_empty();
    let ranks = question.rank.is_some_and(|rank| !rank.is_newest);
    let checks = [
        (
            question.is_of_flow && is_grouped && question.named == 0,
            "it may be about each row or about what they add up to; name the rows, or ask for the sum",
        ),
        (is_list && is_grouped, "a list of rows has no groups"),
        (is_list && !question.measures.is_empty(), "a list of rows has no measure"),
        (ranks && !is_list && !is_grouped, "it does not say what is to be ranked"),
        (
            ranks
                && !is_list
                && question.dimensions.len() > 1
                && (question.is_per || is_timed)
                && question.keys.is_empty(),
            "no ranks within each group are known",
        ),
        (
            question.having.is_some() && question.measures.len() != 1,
            "it does not say whose number is compared",
        ),
        (is_list && question.share != Share::None, "a list of rows has no share"),
    ];
    checks.into_iter().find_map(|(is_wrong, reason)| is_wrong.then_some(reason))
}

/// Returns which rows an inner join would leave out of the answer.
fn lost_rows(scope: &TableScope<'_>, question: &Question) -> Option<&'static str> {
    let parent_of = |measure: &Measure| match measure {
        Measure::Distinct(column) => scope.parent_of(*column),
        _ => None,
    };
    let is_of_other = |dimension: &Dimension| {
        matches!(dimension, Dimension::Column(column)
            if scope.table_of(*column) > 0 || scope.is_key(*column))
    };
    let is_grouped_elsewhere = question.dimensions.iter().any(is_of_other);
    let parents = question.measures.iter().filter_map(parent_of);
    // Orders have customers, and a day has those who ordered; but pets say nothing of owners without any.
    let mut parents = parents.filter(|parent| {
        let is_thing = scope.tables[*parent].vocabulary.is_thing();
        scope.base().is_thing() || !is_thing || is_grouped_elsewhere
    });
    if question.measures.len() > 1 && parents.next().is_some() {
        return Some("it asks for the numbers of two tables");
    }
    let meets_none = |(comparison, number): &(Comparison, String)| match comparison {
        Comparison::Below => number != "0",
        Comparison::AtMost => true,
        Comparison::Equal => number == "0",
        Comparison::Above | Comparison::AtLeast => false,
    };
    let counts = question.measures.iter().all(|measure| *measure == Measure::Rows);
    let adds_up = question
        .measures
        .first()
        .is_some_and(|measure| matches!(measure, Measure::Rows | Measure::Of(Aggregate::Sum, _)));
    let is_fewest = question.rank.is_some_and(|rank| rank.direction == Direction::Lowest);
    let leaves_out =
        (counts && question.having.as_ref().is_some_and(meets_none)) || (adds_up && is_fewest);
    // A day without orders has no row, nor has a kind of which none came in June.
    let is_part = !question.conditions.is_empty()
        || (question.rank.is_none_or(|rank| rank.limit == Some(1))
            && question.period.is_some_and(|period| period != Period::AllTime))
        || question.dimensions.iter().any(|dimension| matches!(dimension, Dimension::Time(_)));
    ((is_grouped_elsewhere || is_part) && leaves_out)
        .then_some("those without any would be missing")
}

/// Takes the conditions of a share, or of both sides of a ratio, from the others.
fn part(question: &mut Question) -> Result<Option<Part>, String> {
    match std::mem::replace(&mut question.share, Share::None) {
        Share::None => Ok(None),
        Share::Ratio(part, of) => Ok(Some(Part::Ratio(part, of))),
        Share::Percent => {
            let adds_up = |measure: &Measure| {
                matches!(measure, Measure::Rows | Measure::Of(Aggregate::Sum, _))
            };
            if question.measures.len() != 1 || !question.measures.iter().all(adds_up) {
                return Err("a share is of one count or sum".to_owned());
            }
            let all = std::mem::take(&mut question.conditions);
            let is_split = all.iter().any(|(_, in_clause)| *in_clause);
            // "Percentage of pets that are neutered cats"
            let first = all.iter().position(|(_, in_clause)| *in_clause).unwrap_or(all.len());
            if all[first..].iter().any(|(_, in_clause)| !in_clause) {
                return Err("it does not say of which rows the share is".to_owned());
            }
            let (of, population): (Vec<_>, Vec<_>) =
                all.into_iter().partition(|(_, in_clause)| !is_split || *in_clause);
            if of.is_empty() && question.dimensions.is_empty() {
                return Err("it does not say what the share is of".to_owned());
            }
            if of.len() > 1 && !is_split {
                return Err("it does not say of which rows the share is".to_owned());
            }
            question.conditions = population;
            Ok(Some(Part::Percent(of.into_iter().map(|(condition, _)| condition).collect())))
        }
    }
}

fn ranking(
    question: &Question,
    date: Option<usize>,
    is_list: bool,
) -> Result<Option<Ranking>, String> {
    let Some(rank) = question.rank else {
        let newest =
            Ranking { direction: Direction::Highest, column: date, limit: Some(LIST_ROWS) };
        return Ok(is_list.then_some(newest));
    };
    if rank.is_newest {
        let column = date.ok_or_else(|| "it does not say which rows are the newest".to_owned())?;
        return Ok(Some(Ranking {
            direction: rank.direction,
            column: Some(column),
            limit: rank.limit,
        }));
    }
    let limit = rank.limit.or(is_list.then_some(LIST_ROWS));
    Ok(Some(Ranking { direction: rank.direction, column: rank.column, limit }))
}

/// Returns all conditions, including the implied ones.
fn conditions(
    scope: &TableScope<'_>,
    question: &mut Question,
    ranks_groups: bool,
) -> Vec<Condition> {
    let all = std::mem::take(&mut question.conditions).into_iter();
    let mut all: Vec<Condition> = all.map(|(condition, _)| condition).collect();
    if question.is_alert {
        all.extend(alert(scope.base(), &all));
    }
    if ranks_groups || question.having.is_some() {
        // The first contact may have no title.
        let is_shown = question.form == Form::GroupNames && !question.keys.is_empty();
        let grouped: Vec<usize> = if is_shown {
            question.keys.clone()
        } else {
            let columns = question.dimensions.iter().filter_map(|dimension| match dimension {
                Dimension::Column(column) => Some(*column),
                Dimension::Time(_) => None,
            });
            columns.collect()
        };
        all.extend(grouped.into_iter().map(|column| Condition::Missing { column, negated: true }));
    }
    all
}

/// Returns the condition that a record has an alert, unless another one implies it.
fn alert(vocabulary: &Vocabulary<'_>, conditions: &[Condition]) -> Option<Condition> {
    let is_alert = |column: &usize| {
        let words = words_of(&vocabulary.table.columns[*column].name);
        words.first().is_some_and(|word| word == "alert")
    };
    let columns: Vec<usize> = (0..vocabulary.table.columns.len()).filter(is_alert).collect();
    let says_so = conditions.iter().any(|condition| {
        matches!(condition, Condition::Values { column, negated: false, .. } if columns.contains(column))
    });
    (!says_so && !columns.is_empty()).then_some(Condition::Alert(columns))
}

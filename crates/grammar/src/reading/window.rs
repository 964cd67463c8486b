//! The window of a question: the column of dates that it applies to, and why it has none.

use chrono::Datelike;

use super::question::Question;
use crate::{
    lexicon::{BIRTH, Comparison},
    periods::Period,
    plan::{Condition, Dimension},
    scope::TableScope,
    tokens::{stem, words_of},
    vocabulary::Vocabulary,
};

/// Whether a date is that of the rows themselves: customers who "ordered" have orders, but companies that were
/// "closed" no tickets.
pub(super) fn names_rows(scope: &TableScope<'_>, date: usize) -> bool {
    let rows = stem(&scope.base().head());
    words_of(&scope.column(date).name).iter().any(|word| stem(word) == rows)
}

/// Returns why the window of the question would miss what is asked for.
pub(super) fn impossible_window(
    scope: &TableScope<'_>,
    question: &Question,
    date: Option<usize>,
) -> Option<&'static str> {
    const AHEAD: [&str; 11] = [
        "due",
        "deadline",
        "expiry",
        "expires",
        "expiration",
        "renewal",
        "renews",
        "promised",
        "planned",
        "scheduled",
        "expected",
    ];
    const TO_COME: [&str; 4] = ["scheduled", "planned", "upcoming", "future"];
    let date = date?;
    let conditions = || question.conditions.iter().map(|(condition, _)| condition);
    // "Matches not played" have no day, so none in the last 30 days either.
    let lacks = |condition: &Condition| matches!(condition, Condition::Missing { column, negated: false } if *column == date);
    let is_all = question.period == Some(Period::AllTime);
    if !is_all && conditions().any(lacks) {
        return Some("it does not say when, of rows without a day");
    }
    let is_to_come = |condition: &Condition| match condition {
        Condition::Values { values, negated: false, .. } => {
            values.iter().any(|value| TO_COME.contains(&value.to_lowercase().as_str()))
        }
        _ => false,
    };
    if !is_all && !scope.base().is_thing() && conditions().any(is_to_come) {
        return Some("its window is of the past, and the rows may be of days to come");
    }
    if matches!(question.period, Some(Period::Since(_))) && scope.has_word(date, &AHEAD) {
        return Some("its window would end today, and the days of the column may be to come");
    }
    (scope.has_word(date, &BIRTH) && question.is_bare_month)
        .then_some("it does not say of which year")
}

/// Makes a condition of a year, where a table has years in place of dates.
pub(super) fn take_year(scope: &TableScope<'_>, question: &mut Question) {
    let base = scope.base();
    let Some(Period::Fixed(first, last)) = question.period else {
        return;
    };
    let is_year = first.year() == last.year()
        && first.ordinal() == 1
        && last.month() == 12
        && last.day() == 31;
    let year = base.index_of("year").or_else(|| base.index_of("Year"));
    if let Some(column) = year.filter(|column| is_year && scope.is_number(*column))
        && base.usual_date().is_none()
    {
        let number = first.year().to_string();
        let comparison = Comparison::Equal;
        question.conditions.push((Condition::Number { column, comparison, number }, true));
        question.period = None;
    }
}

/// Returns the column that the window of the question applies to.
pub(super) fn date(
    scope: &TableScope<'_>,
    question: &mut Question,
) -> Result<Option<usize>, String> {
    let base = scope.base();
    let is_timed =
        question.dimensions.iter().any(|dimension| matches!(dimension, Dimension::Time(_)));
    let is_newest = question.rank.is_some_and(|rank| rank.is_newest);
    let has_period = !matches!(question.period, None | Some(Period::AllTime));
    let asks = has_period || is_timed || is_newest;
    if let Some(date) = question.date {
        // Things that have left, whenever that was.
        if base.is_thing() && !asks && question.period.is_none() {
            let condition = Condition::Missing { column: date, negated: true };
            question.conditions.push((condition, false));
            return Ok(None);
        }
        return Ok(Some(date));
    }
    if base.is_thing() {
        if let Some(rank) = question.rank.as_mut().filter(|rank| rank.is_newest)
            && question.period.is_none()
        {
            rank.is_newest = false;
            rank.column = Some(base.creation().ok_or_else(|| no_dates(base))?);
            return Ok(None);
        }
        if question.is_new || is_newest {
            return base.creation().map(Some).ok_or_else(|| no_dates(base));
        }
        if has_period && !is_timed && date_of_child(scope, question) {
            return Ok(None);
        }
        if asks {
            return Err(no_dates(base));
        }
        return Ok(None);
    }
    let usual = base.usual_date().or_else(|| {
        // The lines of an order have the day of the order.
        asks.then(|| {
            let parents =
                (1..scope.tables.len()).filter(|table| !scope.tables[*table].vocabulary.is_thing());
            let mut dates = parents.filter_map(|table| {
                let date = scope.tables[table].vocabulary.usual_date()?;
                Some(scope.numbered(table, date))
            });
            dates.next().filter(|_| dates.next().is_none())
        })
        .flatten()
    });
    if usual.is_none() && asks {
        return Err(no_dates(base));
    }
    if usual.is_some() && !asks && question.period.is_none() && base.is_unclear() {
        return Err(format!(
            "it may be about all {} or about those of the last 30 days; name a period, or say \"of all time\"",
            base.table.name
        ));
    }
    Ok(usual)
}

/// Applies the period to the rows that refer to the things: `patients without appointments in 2026`.
fn date_of_child(scope: &TableScope<'_>, question: &mut Question) -> bool {
    let Some(period) = question.period else {
        return false;
    };
    let mut referred =
        question.conditions.iter_mut().filter_map(|(condition, _)| match condition {
            Condition::Referred { child, window, .. } => Some((*child, window)),
            _ => None,
        });
    let (Some((child, window)), None) = (referred.next(), referred.next()) else {
        return false;
    };
    let vocabulary = scope.children[child].vocabulary;
    let date = vocabulary.usual_date().filter(|_| !vocabulary.is_thing());
    *window = date.map(|date| (date, period));
    if date.is_some() {
        question.period = None;
    }
    date.is_some()
}

fn no_dates(base: &Vocabulary<'_>) -> String {
    if (0..base.table.columns.len()).any(|column| base.is_date(column)) {
        return format!("it does not say which date of {} is meant", base.table.name);
    }
    format!("{} has no column of dates", base.table.name)
}

//! The pass that finds the period of a sentence, and the column of dates that it applies to.

use crate::{
    faults::Faults,
    periods::Period,
    roles::{PhraseRole, Placed},
    sentence::Sentence,
    tokens::{stem, words_of},
};

/// What the pass finds.
#[derive(Default)]
pub(crate) struct Days {
    pub(crate) period: Option<Period>,
    /// The column of dates that is named, else the default.
    pub(crate) column: Option<usize>,
}

/// Finds the period and its column.
pub(crate) fn days(sentence: &Sentence<'_, '_>, placed: &[Placed], faults: &mut Faults) -> Days {
    let mut found = Days::default();
    for (at, role) in placed {
        match role {
            PhraseRole::Period(period) if found.period.is_none() => found.period = Some(*period),
            PhraseRole::Period(_) => faults.contradiction(*at, "the sentence names two periods"),
            PhraseRole::Dimension(_, Some(column)) => found.column = Some(*column),
            PhraseRole::DateColumn(column) if found.column.is_none_or(|other| other == *column) => {
                found.column = Some(*column);
            }
            PhraseRole::DateColumn(_) => {
                faults.contradiction(*at, "the sentence is about the days of two columns");
            }
            _ => {}
        }
    }
    found.column = found.column.or_else(|| usual_column(sentence));
    found
}

/// Returns the default column of dates.
fn usual_column(sentence: &Sentence<'_, '_>) -> Option<usize> {
    const USUAL: [&str; 9] =
        ["date", "day", "timestamp", "time", "ts", "created", "occurred", "happened", "recorded"];
    let table = sentence.vocabulary.table;
    let columns = || (0..table.columns.len()).filter(|column| sentence.is_date(*column));
    let name = words_of(&table.name.name);
    let is_usual = |column: &usize| {
        let words = words_of(&table.columns[*column].name);
        let first = words.first().map_or("", String::as_str);
        USUAL.contains(&first) || name.last().is_some_and(|name| stem(name) == stem(first))
    };
    columns().find(is_usual).or_else(|| columns().next())
}

//! metricd's own grammar of questions: a sentence, the schema and today give a query, or say what was
//! not understood.
//!
//! Does no IO and reads no clock. Must never answer another question than the one that was asked: a
//! word without a place in the question makes the sentence not understood.

#![warn(missing_docs)]

mod dates;
mod explain;
mod lexicon;
mod parts;
mod question;
mod reading;
mod sql;
mod tokens;
mod vocabulary;

use chrono::NaiveDate;
use metricd_core::schema::{Schema, Table};

use reading::{Gap, Reading, read};
use tokens::{MAX_TOKENS, tokens};
use vocabulary::Vocabulary;

/// What the grammar makes of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interpretation {
    /// The sentence is understood.
    Query {
        /// The SQL, with placeholders for the window.
        sql: String,
        /// What was understood, as a sentence for the caller.
        explanation: String,
    },
    /// The sentence cannot be grounded in the schema.
    NotUnderstood {
        /// What was not understood, as a sentence for the caller.
        explanation: String,
    },
}

/// The most tables, columns and values together that a sentence is compared with.
const MAX_NAMES: usize = 100_000;

/// The query for `prompt`, on `today`.
#[must_use]
pub fn interpret(prompt: &str, schema: &Schema, today: NaiveDate) -> Interpretation {
    let tokens = tokens(prompt);
    if tokens.len() > MAX_TOKENS {
        let explanation =
            format!("The sentence was not understood: it has more than {MAX_TOKENS} words.");
        return Interpretation::NotUnderstood { explanation };
    }
    if names(schema) > MAX_NAMES {
        let explanation = format!(
            "The sentence was not understood: there are more than {MAX_NAMES} tables, columns and \
             values that it may be about."
        );
        return Interpretation::NotUnderstood { explanation };
    }
    let vocabularies: Vec<Vocabulary<'_>> = schema.tables.iter().map(Vocabulary::of).collect();
    let mut readings: Vec<(&Vocabulary<'_>, Reading<'_>)> = Vec::new();
    let mut gaps: Vec<Gap> = Vec::new();
    for vocabulary in &vocabularies {
        match read(vocabulary, &tokens, today) {
            Ok(reading) => readings.push((vocabulary, reading)),
            Err(gap) => gaps.push(gap),
        }
    }
    match best(&readings) {
        Ok(Some(reading)) => Interpretation::Query {
            sql: sql::write(&reading.question, prompt),
            explanation: explain::understood(&reading.question),
        },
        Ok(None) => {
            let closest = gaps
                .into_iter()
                .min_by_key(|gap| (gap.words.len(), std::cmp::Reverse((gap.named, gap.grounds))));
            let gap =
                closest.unwrap_or(Gap { words: Vec::new(), reason: None, named: 0, grounds: 0 });
            Interpretation::NotUnderstood { explanation: explain::not_understood(&gap, schema) }
        }
        Err(tables) => {
            let reason =
                format!("it may be about {}; name the table that is meant", tables.join(" or "));
            let gap = Gap { words: Vec::new(), reason: Some(reason), named: 0, grounds: 0 };
            Interpretation::NotUnderstood { explanation: explain::not_understood(&gap, schema) }
        }
    }
}

fn names(schema: &Schema) -> usize {
    let columns =
        |table: &Table| table.columns.iter().map(|column| 1 + column.values.len()).sum::<usize>();
    schema.tables.iter().map(|table| 1 + columns(table)).sum()
}

/// The reading that fits best; the tables' names when several fit as well.
fn best<'r, 'a>(
    readings: &'r [(&Vocabulary<'a>, Reading<'a>)],
) -> Result<Option<&'r Reading<'a>>, Vec<String>> {
    let fit =
        |reading: &Reading<'_>| (reading.named, reading.grounds, std::cmp::Reverse(reading.parts));
    let Some(most) = readings.iter().map(|(_, reading)| fit(reading)).max() else {
        return Ok(None);
    };
    let mut fitting: Vec<_> = readings.iter().filter(|(_, reading)| fit(reading) == most).collect();
    if fitting.len() > 1 {
        // `open_tickets` is a part of `tickets`, where `open` is a state: who says tickets means all.
        let is_part = |vocabulary: &Vocabulary<'_>| {
            let word_of_other = |modifier: &String| {
                readings.iter().any(|(other, _)| {
                    other.table.name != vocabulary.table.name && other.has_value_word(modifier)
                })
            };
            most.0 < vocabulary::WHOLE && vocabulary.modifiers.iter().any(word_of_other)
        };
        let whole: Vec<_> =
            fitting.iter().copied().filter(|(vocabulary, _)| !is_part(vocabulary)).collect();
        if !whole.is_empty() {
            fitting = whole;
        }
    }
    match fitting.as_slice() {
        [(_, reading)] => Ok(Some(reading)),
        several => Err(several.iter().map(|(v, _)| v.table.name.to_string()).collect()),
    }
}

#[cfg(test)]
mod tests;

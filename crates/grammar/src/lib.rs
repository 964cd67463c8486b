//! Rule-based text-to-SQL: interprets an English sentence as a question about a table of a schema and
//! those that it refers to, and returns the query for it or what was not understood.
//!
//! The passes, in order: `tokens` splits the sentence; for each table with its `scope`, `phrases` groups
//! the tokens into names, values and terms, and `reading` reads them as a form of question and makes a
//! `plan` of it. The table that fits best wins; `sql` and `explain` write its plan out.
//!
//! Does no IO, reads no clock, and is deterministic. Must never answer another question than the one
//! that was asked: a word without a place in the plan makes the sentence not understood.

#![warn(missing_docs)]

mod explain;
mod faults;
mod identifiers;
mod lexicon;
mod periods;
mod phrases;
mod plan;
mod reading;
mod scope;
mod spelling;
mod sql;
mod tokens;
mod vocabulary;

use std::cmp::Reverse;

use chrono::NaiveDate;
use metricd_core::schema::SampledSchema;

use faults::Misfit;
use reading::{Candidate, read};
use scope::{AllTables, TableScope};
use tokens::{MAX_TOKENS, tokens};
use vocabulary::Vocabulary;

/// The result of interpreting a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interpretation {
    /// A query that answers the sentence.
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

/// The limit on tables, columns and values of a schema, counted together.
const MAX_NAMES: usize = 100_000;

/// Interprets a sentence as a question about a table of a schema. Periods without a year are read as
/// of `today`.
#[must_use]
pub fn interpret(sentence: &str, sampled: &SampledSchema, today: NaiveDate) -> Interpretation {
    let mut tokens = tokens(sentence);
    if tokens.len() > MAX_TOKENS {
        let explanation =
            format!("The sentence was not understood: it has more than {MAX_TOKENS} words.");
        return Interpretation::NotUnderstood { explanation };
    }
    if names(sampled) > MAX_NAMES {
        let explanation = format!(
            "The sentence was not understood: there are more than {MAX_NAMES} tables, columns and \
             values that it may be about."
        );
        return Interpretation::NotUnderstood { explanation };
    }
    spelling::corrected(&mut tokens, sampled);
    let SampledSchema { schema, samples } = sampled;
    let vocabularies: Vec<Vocabulary<'_>> =
        schema.tables.iter().map(|table| Vocabulary::of(table, samples)).collect();
    let all = AllTables::of(&vocabularies);
    let scopes: Vec<TableScope<'_>> =
        (0..vocabularies.len()).map(|table| TableScope::of(table, &all)).collect();
    let mut candidates: Vec<(&Vocabulary<'_>, Candidate<'_, '_>)> = Vec::new();
    let mut misfits: Vec<Misfit> = Vec::new();
    for scope in &scopes {
        match read(scope, &tokens, today) {
            Ok(candidate) => candidates.push((scope.base(), candidate)),
            Err(misfit) => misfits.push(misfit),
        }
    }
    let misfit = match best(&candidates) {
        Ok(Some(candidate)) => {
            return Interpretation::Query {
                sql: sql::write(&candidate.plan, sentence),
                explanation: explain::understood(&candidate.plan),
            };
        }
        Ok(None) => closest(misfits),
        Err(tables) => Misfit {
            reason: Some(format!(
                "it may be about {}; name the table that is meant",
                tables.join(" or ")
            )),
            ..Misfit::default()
        },
    };
    Interpretation::NotUnderstood { explanation: explain::not_understood(&misfit, schema) }
}

/// Returns the misfit of the table that the sentence is most likely about.
fn closest(misfits: Vec<Misfit>) -> Misfit {
    let distance = |misfit: &Misfit| {
        (misfit.words.len(), Reverse((misfit.named, misfit.grounds, misfit.reached)))
    };
    misfits.into_iter().min_by_key(distance).unwrap_or_default()
}

/// Counts the tables, columns and values of a schema.
fn names(sampled: &SampledSchema) -> usize {
    let tables = sampled.schema.tables.iter();
    tables.map(|table| 1 + table.columns.len()).sum::<usize>() + sampled.samples.count()
}

/// Returns the candidate that fits best, or the names of the tables if several fit equally well.
fn best<'c, 'p, 'a>(
    candidates: &'c [(&Vocabulary<'a>, Candidate<'p, 'a>)],
) -> Result<Option<&'c Candidate<'p, 'a>>, Vec<String>> {
    let fit = |candidate: &Candidate<'_, '_>| {
        let joins = candidate.plan.joined().len();
        (candidate.named, Reverse(joins), candidate.grounds, Reverse(candidate.phrases))
    };
    let Some(most) = candidates.iter().map(|(_, candidate)| fit(candidate)).max() else {
        return Ok(None);
    };
    let mut fitting: Vec<_> =
        candidates.iter().filter(|(_, candidate)| fit(candidate) == most).collect();
    if fitting.len() > 1 {
        // `open_tickets` is a part of `tickets`, where `open` is a state: "tickets" means all of them.
        let is_part = |vocabulary: &Vocabulary<'_>| {
            let word_of_other = |modifier: &String| {
                candidates.iter().any(|(other, _)| {
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
    let earns = |candidate: &Candidate<'_, '_>| candidate.is_of_money() && candidate.named == 0;
    if fitting.iter().all(|(_, candidate)| earns(candidate)) {
        // What the lines of an order add up to is what orders add up to; but rooms and meals both bring revenue,
        // whichever of them is nearer to what is grouped by.
        let whole = candidates
            .iter()
            .filter(|(vocabulary, candidate)| earns(candidate) && !vocabulary.is_line());
        let whole: Vec<_> = whole.collect();
        if !whole.is_empty() {
            fitting = whole;
        }
    }
    match fitting.as_slice() {
        [(_, candidate)] => Ok(Some(candidate)),
        several => Err(several.iter().map(|(v, _)| v.table.name.to_string()).collect()),
    }
}

#[cfg(test)]
mod tests;

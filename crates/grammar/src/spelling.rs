//! Corrects slips of the keyboard: two letters that changed places, and a letter that was doubled or
//! not.
//!
//! Must never turn one word into another that may be meant: a missing or different letter stays.

use std::collections::BTreeMap;

use metricd_core::schema::SampledSchema;

use crate::{
    lexicon::lexicon,
    tokens::{Token, TokenKind, stem, words_of},
};

/// The fewest letters of a word that is corrected.
const MIN_LETTERS: usize = 5;

/// Words of numbers and dates, which neither the lexicon nor the schema has.
const PLAIN: [&str; 30] = [
    "three",
    "seven",
    "eight",
    "eleven",
    "twelve",
    "first",
    "second",
    "third",
    "fourth",
    "today",
    "yesterday",
    "january",
    "february",
    "march",
    "april",
    "august",
    "september",
    "october",
    "november",
    "december",
    "since",
    "before",
    "after",
    "until",
    "earlier",
    "later",
    "previous",
    "quarter",
    "months",
    "weeks",
];

/// Replaces words that are not known by the only known word that they are a slip of.
pub(crate) fn corrected(tokens: &mut [Token], sampled: &SampledSchema) {
    let is_long =
        |token: &Token| token.kind == TokenKind::Word && token.text.chars().count() >= MIN_LETTERS;
    if !tokens.iter().any(is_long) {
        return;
    }
    let known = known(sampled);
    for token in tokens.iter_mut().filter(|token| is_long(token)) {
        if PLAIN.contains(&token.text.as_str()) || known.values().any(|stem| *stem == token.stem) {
            continue;
        }
        let mut stems: Vec<&String> = known
            .iter()
            .filter(|(word, _)| is_slip(&token.text, word))
            .map(|(_, stem)| stem)
            .collect();
        stems.dedup();
        if let [stem] = stems.as_slice() {
            token.stem.clone_from(stem);
        }
    }
}

/// Returns the words of the lexicon and of the schema, each with its stem.
fn known(sampled: &SampledSchema) -> BTreeMap<String, String> {
    let mut words: Vec<String> = lexicon().words().map(str::to_owned).collect();
    for table in &sampled.schema.tables {
        words.extend(words_of(&table.name.name));
        for column in &table.columns {
            words.extend(words_of(&column.name));
            words.extend(column.comment.iter().flat_map(|comment| words_of(comment)));
            let values = sampled.samples.of(&table.name, &column.name);
            words.extend(values.iter().flat_map(|value| words_of(value)));
        }
    }
    words.into_iter().map(|word| (stem(&word), word)).map(|(stem, word)| (word, stem)).collect()
}

/// Whether a text is a slip of a word.
fn is_slip(text: &str, word: &str) -> bool {
    let (text, word): (Vec<char>, Vec<char>) = (text.chars().collect(), word.chars().collect());
    if word.len() < MIN_LETTERS {
        return false;
    }
    let differs = text.iter().zip(&word).position(|(left, right)| left != right);
    let at = differs.unwrap_or(text.len().min(word.len()));
    let is_doubled = |long: &[char], short: &[char]| {
        long.len() == short.len() + 1
            && at > 0
            && long[at] == long[at - 1]
            && long[at + 1..] == short[at..]
    };
    let is_swapped = text.len() == word.len()
        && at + 1 < text.len()
        && text[at] == word[at + 1]
        && text[at + 1] == word[at]
        && text[at + 2..] == word[at + 2..];
    is_swapped || is_doubled(&text, &word) || is_doubled(&word, &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_slips_are_corrected() {
        for (text, word) in [("totla", "total"), ("chanel", "channel"), ("ordders", "orders")] {
            assert!(is_slip(text, word), "{text}");
        }
        for (text, word) in [("county", "country"), ("prize", "price"), ("total", "total")] {
            assert!(!is_slip(text, word), "{text}");
        }
    }
}

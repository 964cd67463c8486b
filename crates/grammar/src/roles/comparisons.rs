//! Comparisons with numbers and texts: the phrases they consume, and what they compare.

use super::{PhraseRole, Walk};
use crate::{
    lexicon::{Comparison, Term},
    phrases::PhraseKind,
    plan::Condition,
    sentence::Sentence,
};

impl Walk<'_, '_, '_> {
    /// Reads `more than 5`, with the column or rows after it.
    pub(super) fn comparison(&mut self, at: usize, comparison: Comparison) -> usize {
        let sentence = self.sentence;
        let found = sentence.after(at).and_then(|index| Some((index, sentence.number_at(index)?)));
        let Some((index, number)) = found else {
            self.faults.unplaced(at);
            return at + 1;
        };
        if let Some(next) = sentence.after(index) {
            match &sentence.phrases[next].kind {
                PhraseKind::Columns(columns) => {
                    if let Some(column) = sentence.one(columns, Sentence::is_number) {
                        self.found.grounds += 1;
                        let condition = Condition::Number { column, comparison, number };
                        self.place(at, PhraseRole::Condition(condition));
                        return next + 1;
                    }
                }
                kind if kind.is_rows() => {
                    self.place(at, PhraseRole::Having(comparison, number));
                    return next + 1;
                }
                _ => {}
            }
        }
        self.faults.contradiction(at, format!("it does not say what is compared with {number}"));
        index + 1
    }

    /// Reads `between 3 and 6`, with the column after it.
    pub(super) fn range(&mut self, at: usize) -> usize {
        let sentence = self.sentence;
        let found = sentence.between(at).and_then(|(low, high, last)| {
            let next = sentence.after(last)?;
            let PhraseKind::Columns(columns) = &sentence.phrases[next].kind else {
                return None;
            };
            let column = sentence.one(columns, Sentence::is_number)?;
            Some((Condition::Range { column, low, high }, next))
        });
        let Some((condition, last)) = found else {
            self.faults.unplaced(at);
            return at + 1;
        };
        self.found.grounds += 1;
        self.place(at, PhraseRole::Condition(condition));
        last + 1
    }

    /// Reads a column with the comparison after it; returns the index to continue at.
    pub(super) fn compared(&mut self, at: usize, columns: &[usize]) -> Option<usize> {
        let sentence = self.sentence;
        let next = sentence.after(at)?;
        let number = |columns| sentence.one(columns, Sentence::is_number);
        let (condition, last) = match &sentence.phrases[next].kind {
            PhraseKind::Term(Term::Compare(comparison)) => {
                let column = number(columns)?;
                let last = sentence.after(next)?;
                let number = sentence.number_at(last)?;
                (Condition::Number { column, comparison: *comparison, number }, last)
            }
            PhraseKind::Term(Term::Between) => {
                let column = number(columns)?;
                let (low, high, last) = sentence.between(next)?;
                (Condition::Range { column, low, high }, last)
            }
            PhraseKind::Number(text) => {
                let column = number(columns)?;
                let comparison = Comparison::Equal;
                (Condition::Number { column, comparison, number: text.clone() }, next)
            }
            PhraseKind::Text(text) => {
                let column = sentence.one(columns, Sentence::is_text)?;
                self.place(at, PhraseRole::Text { column, text: text.clone() });
                return Some(next + 1);
            }
            // "Status paid": the column only qualifies the value.
            PhraseKind::Values(values) => {
                let own: Vec<_> =
                    values.iter().filter(|(column, _)| columns.contains(column)).cloned().collect();
                let is_grouped =
                    self.was_dimension(next) || sentence.is_after_term(at, |term| term == Term::By);
                return (!own.is_empty() && !is_grouped).then(|| self.values(next, &own));
            }
            _ => return None,
        };
        self.place(at, PhraseRole::Condition(condition));
        Some(last + 1)
    }
}

//! What keeps a sentence from being read with a table.

use crate::sentence::Sentence;

/// The phrases without a place, and the first contradiction.
#[derive(Default)]
pub(crate) struct Faults {
    unplaced: Vec<usize>,
    /// With the phrase at which it is seen: the first one of the sentence is told.
    contradiction: Option<(usize, String)>,
}

/// Why a sentence cannot be read with a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// The words without a place.
    pub(crate) words: Vec<String>,
    /// What is wrong, when every word is known.
    pub(crate) reason: Option<String>,
    /// How much of the table's name is said, and how many names of its columns and values.
    pub(crate) named: u32,
    pub(crate) grounds: usize,
}

impl Faults {
    /// Records that a phrase has no place in the plan.
    pub(crate) fn unplaced(&mut self, at: usize) {
        self.unplaced.push(at);
    }

    /// Records that a phrase contradicts the others, or could be read in two ways.
    pub(crate) fn contradiction(&mut self, at: usize, reason: impl Into<String>) {
        self.unplaced(at);
        self.record(at, reason.into());
    }

    /// Records what is wrong with the sentence as a whole. What is wrong with a phrase goes first.
    pub(crate) fn whole(&mut self, reason: impl Into<String>) {
        self.record(usize::MAX, reason.into());
    }

    fn record(&mut self, at: usize, reason: String) {
        if self.contradiction.as_ref().is_none_or(|(first, _)| at < *first) {
            self.contradiction = Some((at, reason));
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.unplaced.is_empty() && self.contradiction.is_none()
    }

    pub(crate) fn into_misfit(self, sentence: &Sentence<'_, '_>, grounds: usize) -> Misfit {
        let mut unplaced = self.unplaced;
        unplaced.sort_unstable();
        unplaced.dedup();
        let words = unplaced.iter().flat_map(|at| sentence.tokens_of(&sentence.phrases[*at]));
        Misfit {
            words: words.map(|token| token.original.clone()).collect(),
            reason: self.contradiction.map(|(_, reason)| reason),
            named: sentence.named(),
            grounds,
        }
    }
}

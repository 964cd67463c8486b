//! The faults of a reading: why a sentence does not fit a table.

use crate::sentence::Sentence;

/// Collects the faults that the passes find.
#[derive(Default)]
pub(crate) struct Faults {
    unplaced: Vec<usize>,
    /// The first contradiction in the sentence, with the index of its phrase.
    contradiction: Option<(usize, String)>,
}

/// Why a sentence does not fit a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// The words without a place.
    pub(crate) words: Vec<String>,
    /// The contradiction, if there is one.
    pub(crate) reason: Option<String>,
    /// How close it is: how much of the table's name is given, and how many names of its columns and values.
    pub(crate) named: u32,
    pub(crate) grounds: usize,
}

impl Faults {
    /// Records that a phrase has no place in the plan.
    pub(crate) fn unplaced(&mut self, at: usize) {
        self.unplaced.push(at);
    }

    /// Records that a phrase contradicts others or is ambiguous.
    pub(crate) fn contradiction(&mut self, at: usize, reason: impl Into<String>) {
        self.unplaced(at);
        self.record(at, reason.into());
    }

    /// Records a contradiction of the whole sentence. Those of single phrases take precedence.
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

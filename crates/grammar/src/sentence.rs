//! The phrases of a sentence, given the vocabulary of one table, and look-ups among them.
//!
//! Must never hold the state of a pass: every result depends on the phrases alone.

use metricd_core::schema::ColumnKind;

use crate::{
    lexicon::{Term, lexicon},
    phrases::{Phrase, PhraseKind},
    tokens::Token,
    vocabulary::Vocabulary,
};

/// A sentence, with the table's vocabulary. Phrases are identified by their index.
pub(crate) struct Sentence<'v, 'a> {
    pub(crate) vocabulary: &'v Vocabulary<'a>,
    pub(crate) tokens: &'v [Token],
    pub(crate) phrases: Vec<Phrase>,
}

impl PhraseKind {
    /// Whether a phrase is content rather than a filler.
    pub(crate) fn is_content(&self) -> bool {
        !matches!(self, Self::Term(term) if term.is_filler() || *term == Term::Clause)
    }

    /// Whether a phrase is a word for the rows.
    pub(crate) fn is_rows(&self) -> bool {
        matches!(self, Self::Table(_) | Self::Term(Term::Alert | Term::Rows))
    }
}

/// Phrases before and after others.
impl Sentence<'_, '_> {
    pub(crate) fn kind(&self, at: usize) -> Option<&PhraseKind> {
        self.phrases.get(at).map(|phrase| &phrase.kind)
    }

    /// Returns the next phrase of content after `at`.
    pub(crate) fn after(&self, at: usize) -> Option<usize> {
        (at + 1..self.phrases.len()).find(|index| self.phrases[*index].kind.is_content())
    }

    pub(crate) fn kind_after(&self, at: usize) -> Option<&PhraseKind> {
        self.after(at).and_then(|index| self.kind(index))
    }

    /// Returns the phrases of content before `at`, the nearest first.
    fn kinds_before(&self, at: usize) -> impl Iterator<Item = &PhraseKind> {
        self.phrases[..at].iter().rev().map(|phrase| &phrase.kind).filter(|kind| kind.is_content())
    }

    pub(crate) fn kind_before(&self, at: usize) -> Option<&PhraseKind> {
        self.kinds_before(at).next()
    }

    /// Whether one of these terms is the last content before `at`.
    pub(crate) fn is_after_term(&self, at: usize, is_one: impl Fn(Term) -> bool) -> bool {
        matches!(self.kind_before(at), Some(PhraseKind::Term(term)) if is_one(*term))
    }

    pub(crate) fn number_at(&self, at: usize) -> Option<String> {
        match self.kind(at)? {
            PhraseKind::Number(number) => Some(number.clone()),
            _ => None,
        }
    }

    /// Returns the tokens of a phrase.
    pub(crate) fn tokens_of(&self, phrase: &Phrase) -> impl Iterator<Item = &Token> {
        self.tokens.iter().skip(phrase.start).take(phrase.taken)
    }

    pub(crate) fn is_plural(&self, at: usize) -> bool {
        let phrase = &self.phrases[at];
        let last = self.tokens.get((phrase.start + phrase.taken).saturating_sub(1));
        last.is_some_and(|token| token.text.ends_with('s'))
    }

    /// Whether a phrase usually means a sum.
    pub(crate) fn is_flow(&self, at: usize) -> bool {
        self.tokens_of(&self.phrases[at]).any(|token| lexicon().is_flow(&token.stem))
    }

    /// Returns how much of the table's name is given: 0 for nothing.
    pub(crate) fn named(&self) -> u32 {
        let named = |phrase: &Phrase| match phrase.kind {
            PhraseKind::Table(quality) => quality,
            PhraseKind::Term(Term::Alert) => 2,
            _ => 0,
        };
        self.phrases.iter().map(named).max().unwrap_or(0)
    }

    pub(crate) fn has_alert(&self) -> bool {
        self.phrases.iter().any(|phrase| phrase.kind == PhraseKind::Term(Term::Alert))
    }
}

/// Patterns of phrases.
impl Sentence<'_, '_> {
    /// Returns the word for the rows at or after `at`, if only attributes precede it: `paid express orders`.
    pub(crate) fn rows_from(&self, at: usize) -> Option<usize> {
        let is_attribute = |kind: &PhraseKind| match kind {
            PhraseKind::Values(_) => true,
            PhraseKind::Columns(columns) => {
                columns.iter().all(|column| self.vocabulary.kind(*column) == ColumnKind::Boolean)
            }
            _ => false,
        };
        let found =
            (at..self.phrases.len()).find(|index| !is_attribute(&self.phrases[*index].kind))?;
        self.phrases[found].kind.is_rows().then_some(found)
    }

    /// Whether the table or its alerts are named before `at`.
    pub(crate) fn names_table_before(&self, at: usize) -> bool {
        let is_table = |phrase: &Phrase| {
            matches!(phrase.kind, PhraseKind::Table(_) | PhraseKind::Term(Term::Alert))
        };
        self.phrases[..at].iter().any(is_table)
    }

    /// Whether `… rows and` directly precedes.
    pub(crate) fn names_rows_before(&self, at: usize) -> bool {
        let mut before = self.kinds_before(at);
        before.next() == Some(&PhraseKind::Term(Term::And))
            && before.next().is_some_and(PhraseKind::is_rows)
    }

    /// Whether `with more than 5 …` or `with the highest …` follows.
    pub(crate) fn qualifies(&self, at: usize) -> bool {
        let qualifies = |kind: Option<&PhraseKind>| {
            matches!(
                kind,
                Some(PhraseKind::Term(Term::Compare(_) | Term::Extreme(_) | Term::Most(_)))
            )
        };
        match self.after(at) {
            Some(next) if self.phrases[next].kind == PhraseKind::Term(Term::With) => {
                qualifies(self.kind_after(next))
            }
            next => qualifies(next.and_then(|next| self.kind(next))),
        }
    }

    /// Whether the columns at `at` must not be null: `with a discount`, `how many orders have a discount`.
    pub(crate) fn is_had(&self, at: usize, columns: &[usize]) -> bool {
        let is_have = |phrase: &Phrase| phrase.kind == PhraseKind::Term(Term::Have);
        let mut fillers =
            self.phrases[..at].iter().rev().take_while(|phrase| !phrase.kind.is_content());
        match self.kind_before(at) {
            Some(PhraseKind::Term(Term::With)) => true,
            Some(rows) if rows.is_rows() => {
                fillers.any(is_have) && !columns.iter().any(|column| self.is_date(*column))
            }
            _ => false,
        }
    }

    /// Returns the numbers after `between`, and the index of the last.
    pub(crate) fn between(&self, at: usize) -> Option<(String, String, usize)> {
        let low = self.after(at)?;
        let is_and = |and: &usize| self.phrases[*and].kind == PhraseKind::Term(Term::And);
        let and = self.after(low).filter(is_and)?;
        let high = self.after(and)?;
        Some((self.number_at(low)?, self.number_at(high)?, high))
    }

    /// Whether only words that introduce a value separate a phrase from the content before it: "from
    /// EMEA to APAC" is no list of two.
    pub(crate) fn follows_at_once(&self, at: usize) -> bool {
        const LEADS: [&str; 8] = ["in", "from", "of", "for", "on", "the", "a", "an"];
        let between =
            self.phrases[..at].iter().rev().take_while(|phrase| !phrase.kind.is_content());
        between
            .into_iter()
            .all(|phrase| self.tokens_of(phrase).all(|token| LEADS.contains(&token.text.as_str())))
    }
}

/// Columns of the table.
impl Sentence<'_, '_> {
    pub(crate) fn column(&self, column: usize) -> &str {
        &self.vocabulary.table.columns[column].name
    }

    pub(crate) fn column_names(&self, columns: impl Iterator<Item = usize>) -> Vec<&str> {
        columns.map(|column| self.column(column)).collect()
    }

    /// Returns the column that suits, if there is exactly one.
    pub(crate) fn one(
        &self,
        columns: &[usize],
        suits: impl Fn(&Self, usize) -> bool,
    ) -> Option<usize> {
        let mut suitable = columns.iter().copied().filter(|column| suits(self, *column));
        match (suitable.next(), suitable.next()) {
            (Some(column), None) => Some(column),
            _ => None,
        }
    }

    pub(crate) fn is_number(&self, column: usize) -> bool {
        self.vocabulary.kind(column) == ColumnKind::Number
    }

    /// Whether a column is a number that can be aggregated.
    pub(crate) fn is_measure(&self, column: usize) -> bool {
        self.is_number(column) && !self.vocabulary.is_key(column)
    }

    pub(crate) fn any_measure(&self, columns: &[usize]) -> bool {
        columns.iter().any(|column| self.is_measure(*column))
    }

    pub(crate) fn is_date(&self, column: usize) -> bool {
        self.vocabulary.is_date(column)
    }

    pub(crate) fn is_text(&self, column: usize) -> bool {
        self.vocabulary.kind(column) == ColumnKind::Text
    }

    pub(crate) fn is_flag(&self, column: usize) -> bool {
        self.vocabulary.kind(column) == ColumnKind::Boolean
    }

    pub(crate) fn is_integer(&self, column: usize) -> bool {
        self.vocabulary.table.columns[column].ty.starts_with("int")
    }
}

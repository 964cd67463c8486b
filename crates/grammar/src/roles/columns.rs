//! The roles of columns and values.

use metricd_core::schema::ColumnKind;

use super::{PhraseRole, Walk};
use crate::{
    lexicon::{Bucket, Term},
    phrases::PhraseKind,
    plan::{Condition, Dimension},
    sentence::Sentence,
};

impl Walk<'_, '_, '_> {
    pub(super) fn columns(&mut self, at: usize, columns: &[usize]) -> usize {
        let sentence = self.sentence;
        self.found.grounds += 1;
        let by = std::mem::take(&mut self.groups_next)
            || (self.was_dimension(at) && !sentence.any_measure(columns));
        if let Some(end) = self.compared(at, columns) {
            return end;
        }
        if by || self.is_ranked(at) || self.is_which(at) {
            self.dimension(at, columns);
        } else if let Some(role) = self.presence(at, columns) {
            self.place(at, role);
        } else if let Some(column) = sentence.one(columns, Sentence::is_date) {
            self.place(at, PhraseRole::DateColumn(column));
        } else {
            self.place(at, PhraseRole::Columns(columns.to_vec()));
        }
        at + 1
    }

    fn dimension(&mut self, at: usize, columns: &[usize]) {
        let sentence = self.sentence;
        self.found.is_plural |= sentence.is_plural(at);
        let one_of = |kinds: &[ColumnKind]| {
            sentence.one(columns, |s, column| kinds.contains(&s.vocabulary.kind(column)))
        };
        let date = sentence.one(columns, Sentence::is_date);
        let dimension = if date.is_some() {
            Some(Dimension::Time(Bucket::Day))
        } else {
            one_of(&[ColumnKind::Text, ColumnKind::Boolean])
                .or_else(|| one_of(&[ColumnKind::Number]))
                .filter(|column| !sentence.is_measure(*column) || sentence.is_integer(*column))
                .map(Dimension::Column)
        };
        match dimension {
            Some(dimension) => {
                self.place(at, PhraseRole::Dimension(dimension, date));
                self.add_dimension(dimension);
            }
            None => self.faults.unplaced(at),
        }
    }

    /// Returns the condition that a column is true, or that it is not null: `express`, `with a discount`.
    fn presence(&mut self, at: usize, columns: &[usize]) -> Option<PhraseRole> {
        let sentence = self.sentence;
        let lacks = sentence.is_after_term(at, |term| matches!(term, Term::Not | Term::Without));
        let role = |condition| {
            if lacks { PhraseRole::Negated(condition) } else { PhraseRole::Condition(condition) }
        };
        if let Some(column) = sentence.one(columns, Sentence::is_flag) {
            return Some(role(Condition::Flag { column, negated: lacks }));
        }
        if !lacks && (!sentence.is_had(at, columns) || sentence.qualifies(at)) {
            return None;
        }
        let column = sentence.one(columns, |_, _| true)?;
        // "Not shipped in June" may be shipped in May, or not at all.
        let is_of_period = matches!(sentence.kind_after(at), Some(PhraseKind::Period(_)));
        if lacks && is_of_period && sentence.is_date(column) {
            self.faults.contradiction(
                at,
                "it may be about rows without a day or about those of other days",
            );
        }
        Some(role(Condition::Missing { column, negated: !lacks }))
    }

    /// Reads a value, with its column if that follows; returns the index to continue at.
    pub(super) fn values(&mut self, at: usize, values: &[(usize, String)]) -> usize {
        self.found.grounds += 1;
        let next_columns: &[usize] = match self.sentence.kind(at + 1) {
            Some(PhraseKind::Columns(columns)) => columns,
            _ => &[],
        };
        let named: Vec<_> =
            values.iter().filter(|(column, _)| next_columns.contains(column)).collect();
        let (value, end) = match (named.as_slice(), values) {
            ([value], _) => (Some((*value).clone()), at + 2),
            (_, [value]) => (Some(value.clone()), at + 1),
            _ => (None, at + 1),
        };
        if let Some((column, value)) = value {
            let goes_on = self.is_value_from(end);
            self.place(at, PhraseRole::Value { column, value, goes_on });
        } else {
            let columns = self.sentence.column_names(values.iter().map(|(column, _)| *column));
            self.faults.contradiction(at, format!("it is a value of {}", columns.join(" and of ")));
        }
        end
    }

    /// Whether a list of values continues at `at`.
    fn is_value_from(&self, at: usize) -> bool {
        let is_value = |at| matches!(self.sentence.kind(at), Some(PhraseKind::Values(_)));
        match self.sentence.kind(at) {
            Some(PhraseKind::Term(Term::And | Term::Or)) => is_value(at + 1),
            _ => is_value(at),
        }
    }
}

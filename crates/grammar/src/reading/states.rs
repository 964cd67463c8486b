//! States and days that are said of rows: `are not critical`, `shipped in June`, `founded after 2008`.

use chrono::{Datelike, NaiveDate};

use super::{Parse, nouns::one, question::Share};
use crate::{
    lexicon::{Comparison, Term},
    periods::Period,
    phrases::{PhraseKind, Sort},
    plan::Condition,
    tokens::{stem, words_of},
    vocabulary::{CORE, Name, is_participle},
};

impl Parse<'_, '_, '_> {
    /// Whether the last condition can be said of the rows at hand: incidents "closed in June" are not those of closed
    /// accounts.
    pub(super) fn is_said_of_rows(&self) -> bool {
        let last = self.question.conditions.last();
        last.is_some_and(|(last, _)| {
            let mut columns = last.columns().into_iter();
            columns.all(|column| self.is_in_parent || self.says_of_rows(column))
        })
    }

    /// Whether the value before is a state: "paid with card" says how, whatever the state.
    pub(super) fn ends_state(&mut self, is_participle: bool) -> bool {
        let is_how = matches!(self.ahead(0), Some(PhraseKind::Term(Term::With)));
        if is_participle && is_how {
            return self.refuse("it may be about the state or about how it came about");
        }
        true
    }

    /// Whether a share is of rows in a state or of a day: "share of tickets closed".
    pub(super) fn is_state_or_day(&mut self) -> bool {
        let has_values = self.names().is_some_and(|names| !names.values.is_empty());
        self.question.share != Share::None
            && !self.dates_at(self.at).is_empty()
            && (has_values || self.is_before_period())
    }

    /// Whether a period follows the phrase at hand.
    pub(super) fn is_before_period(&self) -> bool {
        let is_preposition = matches!(self.ahead(1), Some(PhraseKind::Term(Term::Preposition)));
        matches!(self.ahead(1 + usize::from(is_preposition)), Some(PhraseKind::Period(period))
            if *period != Period::AllTime)
    }

    /// Reads a participle, value or flag that is said of the rows.
    pub(super) fn state(&mut self, negated: bool, in_clause: bool) -> bool {
        let Some(names) = self.names() else {
            return false;
        };
        // "Of paid orders" is about other rows.
        if self.is_before_rows() {
            return false;
        }
        let is_participle = is_participle(&self.text(self.at));
        if names.base > 0 && names.best == Sort::Table && !is_participle {
            return false;
        }
        let date = one(&self.dates_at(self.at), |_| true);
        let flag = one(&names.columns, |column| self.scope.is_flag(column));
        // "Approved last month" is about the day of the approval, "approved" alone about the state.
        let is_dated = self.is_before_period();
        if date.is_some() && is_dated && negated {
            return self.refuse("it may be about the state or about the day");
        }
        if is_dated && self.is_in_parent && is_participle {
            return self.refuse("it may be about the state or about the day");
        }
        let date = date.filter(|_| flag.is_none() || is_dated);
        // "Born in Leeds" is said of no day.
        if date.is_some() && !is_dated && self.text(self.at) == "born" {
            return false;
        }
        if self.attempt(|parse| parse.founded(negated)) {
            return true;
        }
        if self.is_state_or_day() {
            return self.refuse("it may be about the state or about the day");
        }
        let is_related =
            |(condition, _): &(Condition, bool)| matches!(condition, Condition::Referred { .. });
        if date.is_some() && self.question.conditions.iter().any(is_related) {
            return self.refuse("it does not say of which rows the day is");
        }
        if let Some(date) = date {
            self.at += 1;
            self.question.grounds += 1;
            return self.dated(date, negated, in_clause);
        }
        if !names.values.is_empty()
            && (names.best == Sort::Value
                || names.columns.iter().all(|column| self.scope.is_date(*column)))
        {
            // "Located in Arizona" may be said of the city.
            let is_linked = self.at.checked_sub(1).is_some_and(|before| self.is_link(before));
            return self.values(negated, in_clause, &[])
                && (is_linked || self.is_said_of_rows())
                && self.ends_state(is_participle);
        }
        if self.equality(in_clause) {
            return !negated;
        }
        match one(&names.columns, |column| self.scope.is_flag(column)) {
            Some(column) => {
                self.at += 1;
                self.flag(column, negated, in_clause)
            }
            None => false,
        }
    }

    /// Reads a participle that names a column of years: `founded after 2008`.
    pub(super) fn founded(&mut self, negated: bool) -> bool {
        let said = self.tokens_of(self.at).first().map(|token| token.stem.clone());
        let mut columns = self.scope.base().columns_with("year");
        let is_born = self.text(self.at) == "born";
        columns.retain(|column| {
            let words = words_of(&self.scope.column(*column).name);
            let is_birth = is_born && words.iter().any(|word| word == "birth");
            self.scope.is_number(*column)
                && (is_birth || words.iter().any(|word| Some(stem(word)) == said))
        });
        let is_participle = is_born || self.text(self.at).ends_with("ed");
        let [column] = *columns.as_slice() else {
            return false;
        };
        self.at += 1;
        self.prepositions();
        let Some(PhraseKind::Period(period)) = self.kind() else {
            return false;
        };
        let year = |day: NaiveDate| day.year().to_string();
        let (comparison, number) = match period {
            Period::Fixed(first, last)
                if first.year() == last.year()
                    && (first.ordinal(), last.month(), last.day()) == (1, 12, 31) =>
            {
                (Comparison::Equal, year(first))
            }
            Period::Since(first) if first.ordinal() == 1 => (Comparison::AtLeast, year(first)),
            Period::Until(last) if (last.month(), last.day()) == (12, 31) => {
                (Comparison::AtMost, year(last))
            }
            _ => return false,
        };
        self.at += 1;
        self.question.grounds += 1;
        is_participle
            && !negated
            && self.add(Condition::Number { column, comparison, number }, true)
    }

    /// Returns the columns of dates of the first table that the participle at `at` names: `shipped` is
    /// `shipped_at`.
    pub(super) fn dates_at(&self, at: usize) -> Vec<usize> {
        let phrase = self.phrases.get(at).map_or(0, |phrase| phrase.taken);
        let found = self.scope.base().find(self.tokens_of(at)).into_iter();
        let mut columns: Vec<usize> = found
            .filter(|found| found.taken == phrase && found.quality >= CORE)
            .filter_map(|found| match found.name {
                Name::Column(column) if self.scope.is_date(column) => Some(column),
                _ => None,
            })
            .collect();
        if columns.is_empty() {
            columns = self.columns_in(0, at);
            columns.retain(|column| self.scope.is_date(*column));
        }
        // "Tickets that are open" are not those that were `opened_at` some day.
        let said = self.text(at);
        let asks =
            |at: usize| self.text(at).split(' ').any(|word| ["do", "does", "did"].contains(&word));
        let is_verb = (0..at).any(asks);
        columns.retain(|column| {
            let words = words_of(&self.scope.column(*column).name);
            let is_own = |said: &str| words.iter().any(|word| word == said);
            is_participle(&said) || is_verb || said.split(' ').all(is_own)
        });
        columns.dedup();
        columns
    }

    /// Applies a date that is said of the rows: they have it, or lack it.
    pub(super) fn dated(&mut self, date: usize, negated: bool, in_clause: bool) -> bool {
        // What ends on a planned day has not ended before.
        if negated && self.scope.has_word(date, &["end", "ends", "ended"]) {
            return self.refuse("it may end on a day to come");
        }
        // "Not due" is no bill without a `due_on`.
        if negated && !is_participle(&self.text(self.at - 1)) {
            return false;
        }
        if negated {
            // "Opened in June and not closed" says which day June is.
            let is_said = self.question.period.is_some() && self.question.date != Some(date);
            if self.question.date.is_some() && !is_said {
                return self.refuse("the sentence is about the days of two columns");
            }
            return self.add(Condition::Missing { column: date, negated: false }, in_clause);
        }
        if self.question.share != Share::None {
            return self.add(Condition::Missing { column: date, negated: true }, true);
        }
        if self.question.date.is_some_and(|other| other != date) {
            return self.refuse("the sentence is about the days of two columns");
        }
        self.question.date = Some(date);
        true
    }
}

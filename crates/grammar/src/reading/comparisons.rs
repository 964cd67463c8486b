//! Comparisons with numbers and texts: `amount above 300`, `older than 20`, `between 100 and 200 euros`.

use super::{Parse, nouns::one};
use crate::{
    lexicon::{Aggregate, Comparison, Term, lexicon},
    phrases::{PhraseKind, Sort},
    plan::Condition,
};

impl Parse<'_, '_, '_> {
    /// Reads a comparison of a column, in whatever order it is said.
    pub(super) fn comparison(&mut self, in_clause: bool) -> bool {
        self.attempt(|parse| parse.both(in_clause))
            || self.attempt(|parse| {
                let Some(condition) =
                    parse.graded().or_else(|| parse.before()).or_else(|| parse.after())
                else {
                    return false;
                };
                parse.question.grounds += 1;
                parse.add(condition, in_clause)
            })
    }

    /// `over 300 and under 400 euros`
    fn both(&mut self, in_clause: bool) -> bool {
        let bound = |parse: &mut Self| match parse.term(|term| matches!(term, Term::Compare(_)))? {
            Term::Compare(comparison) => Some((comparison, parse.number()?)),
            _ => None,
        };
        let Some(first) = bound(self) else {
            return false;
        };
        if !self.is_term(Term::And) {
            return false;
        }
        let (Some(second), Some(column)) = (bound(self), self.measured_in()) else {
            return false;
        };
        self.question.grounds += 1;
        let is_lower = |(comparison, _): &(Comparison, String)| {
            matches!(comparison, Comparison::Above | Comparison::AtLeast)
        };
        is_lower(&first) != is_lower(&second)
            && [first, second].into_iter().all(|(comparison, number)| {
                self.add(Condition::Number { column, comparison, number }, in_clause)
            })
    }

    /// `older than 20`
    fn graded(&mut self) -> Option<Condition> {
        let start = self.at;
        let Some(Term::Comparative(comparison, words)) =
            self.term(|term| matches!(term, Term::Comparative(..)))
        else {
            return None;
        };
        let column = self.graded_by(words);
        if let Some(column) = column
            && self.average(column)
        {
            return Some(Condition::AgainstAverage { column, comparison });
        }
        let Some(number) = self.number() else {
            self.at = start;
            return None;
        };
        // "Longer than 7 nights"
        let of_unit = self.names().filter(|names| names.best == Sort::Column);
        let of_unit =
            of_unit.and_then(|names| one(&names.columns, |own| self.scope.is_measure(own)));
        let column = match (of_unit, column) {
            (Some(own), Some(column)) if own != column => None,
            (own, column) => own.or(column),
        };
        let Some(column) = column else {
            self.at = start;
            return None;
        };
        if !self.units(Some(column)) {
            self.at = start;
            return None;
        }
        Some(Condition::Number { column, comparison, number })
    }

    /// Reads `average`, `the average age`, said of a column of things.
    fn average(&mut self, column: usize) -> bool {
        self.attempt(|parse| {
            parse.articles();
            let is_average = parse.is_term(Term::Aggregate(Aggregate::Average));
            parse.attempt(|parse| {
                let columns = parse.column_names();
                columns.is_some_and(|columns| columns.contains(&column))
            });
            let ends = parse.ends_average();
            is_average && ends && parse.scope.base().is_thing() && parse.scope.table_of(column) == 0
        })
    }

    /// Whether an average is of all: "above the average of contractors" is another one.
    fn ends_average(&self) -> bool {
        match self.ahead(0) {
            None => true,
            Some(PhraseKind::Term(term)) => {
                matches!(term, Term::And | Term::By | Term::OrderBy | Term::Tail | Term::Sorted(_))
            }
            Some(_) => false,
        }
    }

    /// `more than 5 parts flagged`, `between 3 and 6 parts flagged`, `above age 20`, `above 500 euros`
    fn before(&mut self) -> Option<Condition> {
        let start = self.at;
        let found = self.comparison_before();
        if found.is_none() {
            self.at = start;
        }
        found
    }

    fn comparison_before(&mut self) -> Option<Condition> {
        if self.is_term(Term::Between) {
            let (low, high) = self.range()?;
            let column = self.measured_in()?;
            return Some(Condition::Range { column, low, high });
        }
        let is_worth = self.text(self.at).starts_with("worth ");
        let Some(Term::Compare(comparison)) = self.term(|term| matches!(term, Term::Compare(_)))
        else {
            return None;
        };
        // "Above the average age"
        let of_average = self.attempt(|parse| {
            parse.articles();
            parse.is_term(Term::Aggregate(Aggregate::Average))
        });
        if of_average {
            let columns = self.column_names()?;
            let column = one(&columns, |column| self.scope.is_measure(column))?;
            if !self.ends_average() {
                return None;
            }
            return self
                .scope
                .base()
                .is_thing()
                .then_some(Condition::AgainstAverage { column, comparison });
        }
        if let Some(number) = self.number() {
            if is_worth {
                if !self.units(None) {
                    return None;
                }
                let column = self.scope.base().money()?;
                return Some(Condition::Number { column, comparison, number });
            }
            let column = self.measured_in()?;
            return Some(Condition::Number { column, comparison, number });
        }
        // "Above age 20"
        let columns = self.column_names()?;
        let column = one(&columns, |column| self.scope.is_number(column))?;
        let number = self.number()?;
        Some(Condition::Number { column, comparison, number })
    }

    /// `amount above 300`, `capacity between 5 and 10`, `age is 20`
    fn after(&mut self) -> Option<Condition> {
        let start = self.at;
        let found = self.comparison_after();
        if found.is_none() {
            self.at = start;
        }
        found
    }

    fn comparison_after(&mut self) -> Option<Condition> {
        let columns = self.column_names()?;
        let Some(column) = one(&columns, |column| self.scope.is_number(column)) else {
            let is_key = columns.iter().any(|column| self.scope.is_key(*column));
            if is_key && matches!(self.ahead(0), Some(PhraseKind::Term(Term::Compare(_)))) {
                self.refuse("an id has no size");
            }
            return None;
        };
        while self
            .term(|term| matches!(term, Term::Be | Term::Preposition | Term::Article))
            .is_some()
        {}
        if self.is_term(Term::Between) {
            let (low, high) = self.range()?;
            if !self.units(Some(column)) {
                return None;
            }
            return Some(Condition::Range { column, low, high });
        }
        let graded = |words: &str| self.scope.base().columns_with(words).contains(&column);
        let comparison = match self.ahead(0) {
            Some(PhraseKind::Term(Term::Compare(comparison))) => Some(*comparison),
            // "Whose age is older than 1"
            Some(PhraseKind::Term(Term::Comparative(comparison, words))) if graded(words) => {
                Some(*comparison)
            }
            _ => None,
        };
        self.at += usize::from(comparison.is_some());
        if let Some(comparison) = comparison
            && self.scope.is_measure(column)
            && self.average(column)
        {
            return Some(Condition::AgainstAverage { column, comparison });
        }
        let number = self.number()?;
        let comparison = self.or_more(comparison.unwrap_or(Comparison::Equal));
        self.units(Some(column)).then_some(Condition::Number { column, comparison, number })
    }

    /// Reads `or more` after a number.
    pub(super) fn or_more(&mut self, comparison: Comparison) -> Comparison {
        let is_open = comparison == Comparison::Equal;
        if is_open && self.is_term(Term::Compare(Comparison::AtLeast)) {
            return Comparison::AtLeast;
        }
        comparison
    }

    /// Reads the two numbers of a range.
    fn range(&mut self) -> Option<(String, String)> {
        let low = self.number()?;
        if !self.is_term(Term::And) {
            return None;
        }
        Some((low, self.number()?))
    }

    /// Reads what a number is of: a column, or a currency.
    fn measured_in(&mut self) -> Option<usize> {
        if self.currency() {
            return self.scope.base().money();
        }
        // "With more than 60 kg"
        if let Some(PhraseKind::Unit(unit)) = self.kind() {
            self.at += 1;
            let base = self.scope.base();
            let of_unit = |column: usize| {
                let words = crate::tokens::words_of(&base.table.columns[column].name);
                words.last().is_some_and(|word| {
                    word == &unit || lexicon().unit(word) == Some(unit.as_str())
                })
            };
            let columns: Vec<usize> =
                (0..base.table.columns.len()).filter(|column| of_unit(*column)).collect();
            return one(&columns, |column| self.scope.is_measure(column));
        }
        self.is_term(Term::Preposition);
        let columns = self.column_names()?;
        one(&columns, |column| self.scope.is_number(column))
    }

    /// Reads a currency, if it is that of the table.
    pub(super) fn currency(&mut self) -> bool {
        let known: Vec<_> =
            self.scope.tables.iter().flat_map(|table| table.vocabulary.currencies()).collect();
        self.attempt(|parse| match parse.term(|term| matches!(term, Term::Currency(_))) {
            Some(Term::Currency(currency)) => {
                known.is_empty()
                    || known.contains(&currency)
                    || parse.refuse("its numbers are of another currency")
            }
            _ => false,
        })
    }

    /// Reads the unit after a number, if there is one; returns whether it is that of the column.
    fn units(&mut self, column: Option<usize>) -> bool {
        if self.currency() {
            return true;
        }
        if let Some(PhraseKind::Unit(unit)) = self.kind() {
            self.at += 1;
            return column.is_some_and(|column| {
                let words = crate::tokens::words_of(&self.scope.column(column).name);
                words.last().is_some_and(|word| {
                    word == &unit || lexicon().unit(word) == Some(unit.as_str())
                })
            });
        }
        let years = column.is_some_and(|column| {
            crate::tokens::words_of(&self.scope.column(column).name).contains(&"age".to_owned())
        });
        if years && self.word(&["years old", "year old", "years"]) {
            self.word(&["old"]);
            return true;
        }
        let is_own = matches!(self.ahead(0), Some(PhraseKind::Name(names))
            if column.is_some_and(|column| names.columns.contains(&column)));
        self.at += usize::from(is_own);
        true
    }

    /// Reads a column with a text or values: `customer 'Acme'`, `status is paid`.
    pub(super) fn equality(&mut self, in_clause: bool) -> bool {
        self.attempt(|parse| {
            let parent = parse.names().and_then(|names| names.parent());
            let columns = parse.column_names().unwrap_or_else(|| {
                let display = parent.and_then(|parent| parse.scope.display(parent));
                parse.at += 1;
                display.into_iter().collect()
            });
            if columns.is_empty() {
                return false;
            }
            while parse
                .term(|term| {
                    matches!(term, Term::Be | Term::Article | Term::Preposition)
                        || term == Term::Compare(Comparison::Equal)
                })
                .is_some()
            {}
            let negated = parse.is_term(Term::Not);
            parse.articles();
            if let Some(PhraseKind::Text(text)) = parse.kind() {
                let column = one(&columns, |column| parse.scope.is_text(column))
                    .or_else(|| parent.and_then(|parent| parse.scope.display(parent)));
                let Some(column) = column else {
                    return false;
                };
                parse.at += 1;
                return parse
                    .add(Condition::Values { column, values: vec![text], negated }, in_clause);
            }
            parse.values(negated, in_clause && !columns.is_empty(), &columns)
        })
    }
}

//! Comparisons with numbers and texts: `amount above 300`, `older than 20`, `between 100 and 200 euros`.

use super::{Parse, nouns::one};
use crate::{
    lexicon::{Comparison, Term},
    phrases::PhraseKind,
    plan::Condition,
};

impl Parse<'_, '_, '_> {
    /// Reads a comparison of a column, in whatever order it is said.
    pub(super) fn comparison(&mut self, in_clause: bool) -> bool {
        self.attempt(|parse| {
            let Some(condition) =
                parse.graded().or_else(|| parse.before()).or_else(|| parse.after())
            else {
                return false;
            };
            parse.question.grounds += 1;
            parse.add(condition, in_clause)
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
        let number = self.number();
        if let (Some(column), Some(number)) = (column, number) {
            self.units(Some(column));
            return Some(Condition::Number { column, comparison, number });
        }
        self.at = start;
        None
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
        if let Some(number) = self.number() {
            if is_worth {
                self.units(None);
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
            self.units(Some(column));
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
        let number = self.number()?;
        let comparison = self.or_more(comparison.unwrap_or(Comparison::Equal));
        self.units(Some(column));
        Some(Condition::Number { column, comparison, number })
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

    /// Reads the unit after a number, if it is said of the column.
    fn units(&mut self, column: Option<usize>) {
        if self.currency() {
            return;
        }
        let years = column.is_some_and(|column| {
            crate::tokens::words_of(&self.scope.column(column).name).contains(&"age".to_owned())
        });
        if years && self.word(&["years old", "year old", "years"]) {
            self.word(&["old"]);
            return;
        }
        let is_own = matches!(self.ahead(0), Some(PhraseKind::Name(names))
            if column.is_some_and(|column| names.columns.contains(&column)));
        self.at += usize::from(is_own);
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

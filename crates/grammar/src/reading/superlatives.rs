//! Superlatives of rows: `the oldest students`, `10 most expensive products`, `who has the highest
//! salary`.

use super::{
    Parse,
    nouns::{Head, one},
    question::Rank,
    ranks::{RANKED_ROWS, Subject},
};
use crate::{
    lexicon::{Direction, Term},
    phrases::PhraseKind,
    plan::Form,
    tokens::words_of,
};

impl Parse<'_, '_, '_> {
    /// Reads `the oldest students`, `10 most expensive products`, `largest order`.
    pub(super) fn superlative_rows(&mut self) -> bool {
        self.articles();
        let before = self.limit();
        let term = self.term(|term| matches!(term, Term::Superlative(..) | Term::Extreme(_)));
        let limit = before.or_else(|| self.limit());
        if !matches!(self.noun(), Some((Head::Rows | Head::Values, _))) {
            return false;
        }
        let is_plural = self.is_plural(self.at - 1);
        let (direction, column) = match term {
            Some(Term::Superlative(direction, words)) => match self.graded_column(direction, words)
            {
                Some(found) => found,
                None => return false,
            },
            // "The largest orders by amount" says by what.
            Some(Term::Extreme(direction)) => {
                let next = matches!(self.ahead(0), Some(PhraseKind::Term(Term::By)));
                match self.scope.base().money().filter(|_| !next) {
                    Some(column) => (direction, column),
                    None if next => {
                        self.at += 1;
                        match self.measure_column() {
                            Some(column) => (direction, column),
                            None => return false,
                        }
                    }
                    None => return false,
                }
            }
            _ => return false,
        };
        let is_column = self.is_before_measure();
        let limit = Some(limit.unwrap_or(if is_plural { RANKED_ROWS } else { 1 }));
        self.rank_rows(direction, column, limit);
        !is_column
    }

    /// Returns the column of numbers that has the first of these words that any has. What an event costs is its money,
    /// and not what a part of it costs, such as its shipping.
    pub(super) fn graded_by(&self, words: &str) -> Option<usize> {
        let is_price = words.split(' ').any(|word| word == "price");
        if let Some(money) = self.scope.base().money().filter(|_| is_price) {
            return Some(money);
        }
        words.split(' ').find_map(|word| {
            let base = self.scope.base();
            let mut columns = base.columns_with(word);
            // The `min_age` of an event is not its age.
            columns.retain(|column| base.aggregated(*column).is_none());
            one(&columns, |column| self.scope.is_measure(column))
        })
    }

    /// Returns the column that `oldest` or the like is about, with the direction of its order.
    fn graded_column(&self, direction: Direction, words: &str) -> Option<(Direction, usize)> {
        let base = self.scope.base();
        if let Some(column) = self.graded_by(words) {
            return Some((direction, column));
        }
        if words != "age" {
            return None;
        }
        let is_since = |column: usize| self.scope.is_date(column) || self.is_year(column);
        let births = base.births();
        let since = if births.is_empty() { base.foundings() } else { births };
        one(&since, is_since).map(|column| (direction.reversed(), column))
    }

    fn is_year(&self, column: usize) -> bool {
        let words = words_of(&self.scope.column(column).name);
        self.scope.is_number(column) && words.iter().any(|word| word == "year")
    }

    pub(super) fn rank_rows(&mut self, direction: Direction, column: usize, limit: Option<u32>) {
        self.question.grounds += 1;
        self.question.form = Form::List { columns: Vec::new(), is_distinct: false };
        self.question.rank =
            Some(Rank { direction, limit, column: Some(column), is_open: false, is_newest: false });
    }

    /// Shows the name of a thing, and what it is ranked by.
    pub(super) fn show_display(&mut self) {
        let Some(display) = self.scope.display(0).filter(|_| self.scope.base().is_thing()) else {
            return;
        };
        let rank = self.question.rank.and_then(|rank| rank.column);
        let is_one = self.question.rank.is_some_and(|rank| rank.limit == Some(1));
        let columns = std::iter::once(display).chain(rank.filter(|_| !is_one)).collect();
        self.question.form = Form::List { columns, is_distinct: false };
    }

    /// `the highest unit price`, said of rows
    pub(super) fn extreme_of_rows(&mut self, limit: Option<u32>) -> bool {
        let Some(Term::Extreme(direction)) = self.term(|term| matches!(term, Term::Extreme(_)))
        else {
            return false;
        };
        let Some(column) = self.measure_column() else {
            return false;
        };
        self.rank_rows(direction, column, limit);
        self.show_display();
        true
    }

    /// `the most beds`, `the oldest`, said of rows
    pub(super) fn most_of_rows(&mut self, limit: Option<u32>) -> bool {
        let term = self.term(|term| matches!(term, Term::Most(_) | Term::Superlative(..)));
        let found = match term {
            Some(Term::Most(direction)) => {
                let column = self.measure_column().filter(|column| self.is_count(*column));
                column.map(|column| (direction, column))
            }
            Some(Term::Superlative(direction, words)) => self.graded_column(direction, words),
            _ => None,
        };
        let Some((direction, column)) = found.filter(|_| self.scope.base().is_thing()) else {
            return false;
        };
        self.rank_rows(direction, column, limit);
        self.show_display();
        true
    }

    /// `who has the highest salary`, `who is the oldest player`
    pub(super) fn who(&mut self) -> bool {
        let is_person = !self.scope.base().person_names().is_empty();
        if is_person && self.word(&["who has", "who had"]) {
            return self.superlative(Subject::Rows, false, false);
        }
        if !self.word(&["who"]) || !self.is_term(Term::Be) || !self.attempt(Self::superlative_rows)
        {
            return false;
        }
        self.show_display();
        self.scope.base().is_thing()
    }
}

//! Groups: `by region and status`, `per month`, `for each customer`.

use super::{Parse, nouns::one};
use crate::{
    lexicon::{Aggregate, Bucket, Term, singular},
    phrases::{PhraseKind, Sort},
    plan::{Dimension, Measure},
    tokens::words_of,
    vocabulary::CORE,
};

impl Parse<'_, '_, '_> {
    /// Reads what rows are grouped by.
    pub(super) fn group(&mut self) -> bool {
        if let Some(Term::BucketGrouping(bucket)) =
            self.term(|term| matches!(term, Term::BucketGrouping(_)))
        {
            self.question.is_per = true;
            return self.add_dimension(Dimension::Time(bucket), None);
        }
        // "How many students are in each class"
        self.is_term(Term::Be);
        let is_done = self.at > 0 && self.text(self.at - 1).ends_with("ed");
        let text = self.text(self.at);
        if !self.is_term(Term::By) {
            return false;
        }
        self.question.is_per |=
            text.split(' ').any(|word| ["per", "each", "every"].contains(&word));
        let at = self.at;
        if self.attempt(|parse| parse.row_itself(&text)) {
            return true;
        }
        if !self.dimension() {
            return false;
        }
        // "Total budget by department" may be that of the departments.
        if self.question.named == 0 && self.is_of_group(at) {
            return self.refuse("it may be about each of the groups; name the rows");
        }
        if self.is_each_of_many(&text, self.at - 1) {
            return self.refuse("it may be about groups or about a ratio");
        }
        // "Incidents reported by customers" says who did.
        let is_who = |dimension: &Dimension| matches!(dimension, Dimension::Column(column) if self.scope.parent_of(*column).is_some());
        if is_done
            && text == "by"
            && self.is_plural(self.at - 1)
            && self.question.dimensions.last().is_some_and(is_who)
        {
            return self.refuse("it may be about groups or about who did it");
        }
        if self.is_unclear_group(&text) || self.is_means(&text) {
            return self.refuse("it may be about groups or about some of the rows");
        }
        while self.attempt(|parse| {
            let comma = parse.is_after_comma();
            let joint = parse.is_term(Term::And);
            let by = parse.is_term(Term::By);
            (comma || joint || by) && parse.dimension()
        }) {}
        true
    }

    /// Reads the rows themselves, of which an average is: `average nights per booking`.
    fn row_itself(&mut self, by: &str) -> bool {
        self.articles();
        let at = self.at;
        let is_rows = matches!(self.names(), Some(names)
            if names.base >= CORE && names.best == Sort::Table && !self.is_own_column(&names));
        self.at += 1;
        let is_qualified = matches!(self.ahead(0), Some(PhraseKind::Name(_)));
        if !is_rows || is_qualified || self.is_plural(at) || by == "by" || !by.contains("per") {
            return false;
        }
        let [Measure::Of(aggregate, _)] = *self.question.measures.as_slice() else {
            return false;
        };
        aggregate == Aggregate::Average && self.question.is_explicit
    }

    /// Whether the last dimension may be meant otherwise: "orders by customers from Germany" are some of
    /// the orders, and "revenue per order" is an average.
    fn is_unclear_group(&mut self, by: &str) -> bool {
        let Some(Dimension::Column(column)) = self.question.dimensions.last().copied() else {
            return false;
        };
        let Some(parent) = self.scope.parent_of(column) else {
            return false;
        };
        let is_whole = !self.scope.tables[parent].vocabulary.is_thing();
        if by == "per" && is_whole && self.scope.base().is_line() {
            return true;
        }
        let start = self.at;
        self.prepositions();
        let names = self.names();
        self.at = start;
        let of_parent = |column: usize| self.scope.table_of(column) == parent;
        by == "by"
            && names.is_some_and(|names| names.values.iter().any(|(column, _)| of_parent(*column)))
    }

    /// Whether the last dimension is a number of things of which one is named: the price "per adult" is no price for
    /// each number of `adults`.
    fn is_each_of_many(&self, by: &str, at: usize) -> bool {
        let Some(Dimension::Column(column)) = self.question.dimensions.last().copied() else {
            return false;
        };
        let words = words_of(&self.scope.column(column).name);
        let is_many = words.last().is_some_and(|word| singular(word) != *word);
        by != "by"
            && self.scope.is_number(column)
            && !self.is_plural(at)
            && (is_many || self.is_count(column) || self.usual(column) != Some(Aggregate::Average))
    }

    /// Whether the last dimension may be how something was done: "bookings by email" were sent by it, and have no
    /// group for each address of a guest.
    fn is_means(&self, by: &str) -> bool {
        let Some(Dimension::Column(column)) = self.question.dimensions.last().copied() else {
            return false;
        };
        let means = ["email", "mail", "phone", "fax"];
        by == "by"
            && self.scope.table_of(column) > 0
            && means.iter().any(|means| self.scope.column(column).name.contains(means))
    }

    /// Whether the table of the last dimension has a measure that was named before `at`.
    fn is_of_group(&self, at: usize) -> bool {
        let Some(Dimension::Column(column)) = self.question.dimensions.last() else {
            return false;
        };
        let tables = 1..self.scope.tables.len();
        let parent = tables.into_iter().find(|table| {
            self.scope.key_of(*table) == Some(*column) || self.scope.table_of(*column) == *table
        });
        parent.is_some_and(|parent| self.measured_by(parent, at))
    }

    /// Reads one dimension.
    pub(super) fn dimension(&mut self) -> bool {
        let Some((dimension, date)) = self.target() else {
            return false;
        };
        self.add_dimension(dimension, date)
    }

    /// Reads what can be a dimension, with the column of dates if it was named by one.
    pub(super) fn target(&mut self) -> Option<(Dimension, Option<usize>)> {
        let start = self.at;
        let found = self.target_at();
        if found.is_none() {
            self.at = start;
        }
        found
    }

    fn target_at(&mut self) -> Option<(Dimension, Option<usize>)> {
        self.articles();
        self.is_term(Term::Distinct);
        if let Some(Term::BucketNoun(bucket)) =
            self.term(|term| matches!(term, Term::BucketNoun(_)))
        {
            return Some((Dimension::Time(bucket), None));
        }
        let start = self.at;
        let names = self.names()?;
        if names.base > 0
            && names.best == Sort::Table
            && !self.is_own_column(&names)
            && self.columns_in(0, start + 1).is_empty()
        {
            return None;
        }
        let parent = names.parent();
        if let Some(columns) = self.column_names() {
            let alone = self.at == start + 1;
            if let (Some(parent), true) = (parent, alone)
                && let Some(key) = self.scope.key_of(parent)
            {
                return Some((Dimension::Column(key), None));
            }
            return self.dimension_of(&columns);
        }
        self.at = start + 1;
        let key = self.scope.key_of(parent?)?;
        self.question.grounds += 1;
        Some((Dimension::Column(key), None))
    }

    /// Returns the dimension that one of the columns is.
    pub(super) fn dimension_of(&self, columns: &[usize]) -> Option<(Dimension, Option<usize>)> {
        if let Some(date) = one(columns, |column| self.scope.is_date(column)) {
            let is_own = self.scope.table_of(date) == 0;
            return is_own.then_some((Dimension::Time(Bucket::Day), Some(date)));
        }
        let is_name = |column| self.scope.is_text(column) || self.scope.is_flag(column);
        // The capacity of vehicles is none of their depots', and no two cities have the same population.
        let is_whole = |column: usize| {
            let is_own = self.scope.table_of(column) == 0;
            let is_label = self.usual(column) != Some(Aggregate::Sum) || self.is_count(column);
            is_own && is_label && self.scope.column(column).ty.starts_with("int")
                || self.scope.is_key(column)
        };
        one(columns, is_name)
            .or_else(|| one(columns, is_whole))
            .map(|column| (Dimension::Column(column), None))
    }

    pub(super) fn add_dimension(&mut self, dimension: Dimension, date: Option<usize>) -> bool {
        if let Some(date) = date {
            if self.question.date.is_some_and(|other| other != date) {
                return false;
            }
            self.question.date = Some(date);
        }
        if let Dimension::Column(column) = dimension {
            // Two rows of a table may have one name.
            let table = self.scope.table_of(column);
            if table > 0
                && self.scope.display(table) == Some(column)
                && let Some(key) = self.scope.key_of(table)
                && !self.question.keys.contains(&key)
            {
                self.question.keys.push(key);
            }
        }
        if !self.question.dimensions.contains(&dimension) {
            self.question.dimensions.push(dimension);
        }
        true
    }
}

//! What follows the subject of a question: conditions, periods, groups and orders.

use super::{
    Parse,
    nouns::{Head, one},
};
use crate::{
    lexicon::{Term, lexicon},
    periods::Period,
    phrases::{PhraseKind, Sort},
    plan::Condition,
    tokens::stem,
    vocabulary::is_participle,
};

impl Parse<'_, '_, '_> {
    /// Reads one modifier.
    pub(super) fn modifier(&mut self) -> bool {
        if self.attempt(Self::owned)
            || self
                .term(|term| matches!(term, Term::Tail | Term::Auxiliary | Term::Article))
                .is_some()
        {
            return true;
        }
        let forms: [fn(&mut Self) -> bool; 13] = [
            Self::period,
            Self::rank_by,
            Self::group,
            Self::weekend,
            Self::in_currency,
            Self::lacking,
            Self::having,
            Self::clause,
            Self::ordered,
            Self::of_values,
            Self::of_noun,
            Self::by_noun,
            Self::joined,
        ];
        forms.into_iter().any(|form| self.attempt(form))
    }

    /// `in June 2025`
    pub(super) fn period(&mut self) -> bool {
        self.prepositions();
        let Some(PhraseKind::Period(period)) = self.kind() else {
            return false;
        };
        if self.question.period.is_some() {
            return self.refuse("the sentence names two periods");
        }
        if matches!(period, Period::Since(first) if first > self.today) {
            return self.refuse("its window would end today, before it begins");
        }
        let words = self.text(self.at);
        let is_word = |word: &str| word.chars().all(char::is_alphabetic);
        self.question.is_bare_month = matches!(period, Period::Fixed(..))
            && words.split(' ').all(|word| is_word(word) && word != "year");
        self.at += 1;
        self.question.period = Some(period);
        true
    }

    /// `in euros`
    fn in_currency(&mut self) -> bool {
        self.prepositions();
        let is_known =
            self.scope.tables.iter().any(|table| !table.vocabulary.currencies().is_empty());
        is_known && self.currency()
    }

    /// `on weekends`
    fn weekend(&mut self) -> bool {
        self.prepositions();
        if !self.is_term(Term::Weekend) {
            return false;
        }
        let date = self.question.date.or_else(|| self.scope.base().usual_date());
        match date {
            Some(date) => self.add(Condition::Weekend(date), false),
            None => false,
        }
    }

    /// `without a coupon code`, `without any orders`
    fn lacking(&mut self) -> bool {
        self.is_term(Term::Clause);
        // Zero credits are none, but no missing ones.
        let is_unknown = ["missing", "lacking"].contains(&self.text(self.at).as_str());
        if !self.is_term(Term::Without) {
            return false;
        }
        self.articles();
        if let Some(child) = self.child() {
            return self.add(Condition::Referred { child, negated: true, window: None }, true);
        }
        // "Orders without a waiter" have none, whatever others do for a living.
        let keys = self.names().map(|names| names.columns).unwrap_or_default();
        let own = |column: usize| self.scope.table_of(column) == 0 && self.scope.is_key(column);
        if let Some(key) = one(&keys, own) {
            self.at += 1;
            self.question.grounds += 1;
            return self.add(Condition::Missing { column: key, negated: false }, true);
        }
        if self.attempt(|parse| parse.values(true, true, &[]) && parse.is_of_rows()) {
            return true;
        }
        let columns = self.column_names();
        let column = columns.and_then(|columns| one(&columns, |_| true));
        match column.filter(|column| self.has_of_rows(*column)) {
            Some(column) if self.scope.is_flag(column) => self.flag(column, true, true),
            // "Revenue without shipping costs" may be a difference.
            Some(column)
                if self.scope.is_number(column)
                    && !self.question.measures.is_empty()
                    && self
                        .question
                        .measures
                        .iter()
                        .any(|measure| *measure != crate::plan::Measure::Rows) =>
            {
                false
            }
            Some(column) if is_unknown => {
                self.add(Condition::Missing { column, negated: false }, true)
            }
            Some(column) => self.add(self.absent(column, true), true),
            None => false,
        }
    }

    /// Whether a column is one that the rows at hand have: rooms have no phone of their hotel.
    fn has_of_rows(&self, column: usize) -> bool {
        self.is_in_parent || self.scope.table_of(column) == 0
    }

    /// Whether the last condition is about the rows at hand.
    fn is_of_rows(&self) -> bool {
        let last = self.question.conditions.last();
        last.is_some_and(|(last, _)| {
            last.columns().into_iter().all(|column| self.has_of_rows(column))
        })
    }

    /// Returns the condition that rows have nothing in a column, or something: no copies are zero.
    fn absent(&self, column: usize, is_absent: bool) -> Condition {
        let (vocabulary, local) = self.scope.local(column);
        let stems = vocabulary.stems_of(local);
        let is_amount = !lexicon().is_averaged(&stems) || stems.contains(&stem("delay"));
        if self.scope.is_number(column) && is_amount {
            Condition::Filled { column, negated: is_absent }
        } else {
            Condition::Missing { column, negated: !is_absent }
        }
    }

    /// Reads the name of a table whose rows refer to those that are asked about.
    fn child(&mut self) -> Option<usize> {
        let names = self.names()?;
        let [child] = names.children.as_slice() else {
            return None;
        };
        if names.best != Sort::Table || names.base > 0 || !names.parents.is_empty() {
            return None;
        }
        self.at += 1;
        self.question.grounds += 1;
        Some(*child)
    }

    /// `with a discount`, `whose status is paid`, `that have more than 5 parts flagged`
    fn having(&mut self) -> bool {
        let start = self.text(self.at);
        if self.term(|term| matches!(term, Term::With | Term::Have)).is_none() {
            return false;
        }
        let is_whose = start.contains("whose") || start.contains("where");
        // "That have not been closed"
        if !is_whose && self.is_term(Term::Not) {
            return self.is_term(Term::Be) && self.state(true, true);
        }
        // "Guests from Spain with their email" are shown with it, and need not have one.
        if ["their", "its", "his", "her"].contains(&self.text(self.at).as_str()) {
            return !is_whose && self.shown_with();
        }
        self.articles();
        if self.comparison(true) || self.equality(true) {
            return true;
        }
        if self.attempt(|parse| !is_whose && parse.values(false, true, &[])) {
            return true;
        }
        if is_whose {
            return self.attempt(Self::flagged);
        }
        if let Some(child) = self.child() {
            return self.add(Condition::Referred { child, negated: false, window: None }, true);
        }
        let columns = self.column_names();
        let column = columns.and_then(|columns| one(&columns, |_| true));
        match column.filter(|column| self.has_of_rows(*column)) {
            Some(column) if self.scope.is_flag(column) => self.flag(column, false, true),
            Some(column) if self.scope.is_date(column) => false,
            Some(column) => self.add(self.absent(column, false), true),
            None => false,
        }
    }

    fn flagged(&mut self) -> bool {
        self.term(|term| term == Term::Be);
        let negated = self.is_term(Term::Not);
        let names = self.names().map(|names| names.columns).unwrap_or_default();
        match one(&names, |column| self.scope.is_flag(column)) {
            Some(column) => {
                self.at += 1;
                self.flag(column, negated, true)
            }
            None => false,
        }
    }

    /// `that are not critical`, `shipped in June`, `were cancelled`, `above 100 euros`
    fn clause(&mut self) -> bool {
        let mut in_clause = false;
        let mut negated = false;
        while let Some(term) = self.term(|term| {
            matches!(
                term,
                Term::Clause
                    | Term::Be
                    | Term::Auxiliary
                    | Term::Not
                    | Term::Have
                    | Term::Relation
                    | Term::Tail
            )
        }) {
            if term == Term::Not {
                if negated {
                    return false;
                }
                negated = true;
            }
            in_clause |= matches!(term, Term::Clause | Term::Be | Term::Have);
        }
        if !negated && self.comparison(true) {
            return true;
        }
        self.prepositions();
        // "Not used by any document"
        if negated && let Some(child) = self.child() {
            return self.add(Condition::Referred { child, negated: true, window: None }, true);
        }
        self.state(negated, in_clause)
    }

    /// `from EMEA`, `in EMEA and APAC`, `excluding returns`
    fn of_values(&mut self) -> bool {
        let negated = self.is_term(Term::Not);
        self.prepositions();
        self.term(|term| term == Term::Relation);
        self.prepositions();
        self.word(&["to"]);
        let negated = negated || self.is_term(Term::Not);
        if self.equality(false) || self.comparison(false) {
            return !negated;
        }
        let Some(names) = self.names() else {
            return false;
        };
        if names.values.is_empty() || names.best != Sort::Value {
            return false;
        }
        // "Shipped but not delivered" is about two days.
        if (negated && !self.dates_at(self.at).is_empty()) || self.is_state_or_day() {
            return false;
        }
        if self.is_before_rows() {
            return negated && self.values(true, false, &[]) && self.head() == Some(Head::Rows);
        }
        let is_participle = is_participle(&self.text(self.at));
        if is_participle && self.is_in_parent && self.is_before_period() {
            return self.refuse("it may be about the state or about the day");
        }
        self.values(negated, false, &[])
            && (!is_participle || self.is_said_of_rows())
            && self.ends_state(is_participle)
    }

    /// `do teachers have`, `did gold members make`, `does each hotel have`
    fn owned(&mut self) -> bool {
        if !self.word(&["do", "does", "did"]) {
            return false;
        }
        let first = self.question.conditions.len();
        let is_each = self.attempt(|parse| {
            ["each", "every"].contains(&parse.text(parse.at).as_str()) && parse.group()
        });
        let fits = is_each
            || match self.noun() {
                Some((Head::Rows, _)) => true,
                Some((Head::Parent(_), _)) => self.question.conditions.len() > first,
                _ => false,
            };
        fits && (self.is_term(Term::Have) || self.word(&["make", "place"]))
    }

    /// `by Irish authors`
    fn by_noun(&mut self) -> bool {
        let is_by = self.text(self.at) == "by";
        let first = self.question.conditions.len();
        is_by
            && self.is_term(Term::By)
            && matches!(self.noun(), Some((Head::Parent(_), true)))
            && self.question.conditions.len() > first
    }

    /// `of German customers`, `on web orders`
    fn of_noun(&mut self) -> bool {
        // "How many employees are in the Research department"
        self.is_term(Term::Be);
        let related =
            self.term(|term| matches!(term, Term::Preposition | Term::Relation)).is_some();
        self.term(|term| term == Term::Relation);
        self.prepositions();
        if !related {
            return false;
        }
        let first = self.question.conditions.len();
        let start = self.at;
        let Some((head, _)) = self.noun() else {
            return false;
        };
        match head {
            Head::Rows => true,
            Head::Values => self.question.conditions.len() > first,
            Head::Parent(parent) => {
                // "Average price of products" is no average of the rows that refer to products.
                let measured = self.measured_by(parent, start);
                let is_related = self.question.conditions.len() > first
                    || self.attempt(|parse| parse.of_parent(parent));
                is_related && !measured
            }
        }
    }

    /// Whether the parent has a column that the measure before may mean as well.
    pub(super) fn measured_by(&self, parent: usize, before: usize) -> bool {
        (0..before).any(|at| {
            let own = matches!(&self.phrases[at].kind, PhraseKind::Name(names)
                if names.columns.iter().any(|column| self.scope.is_measure(*column)));
            own && !self.columns_in(parent, at).is_empty()
        })
    }

    /// Reads the condition on a parent: `customers from Germany`, `customers who opted in`.
    fn of_parent(&mut self, parent: usize) -> bool {
        let first = self.question.conditions.len();
        self.is_in_parent = true;
        let read = self.attempt(Self::having)
            || self.attempt(Self::clause)
            || self.attempt(Self::of_values);
        self.is_in_parent = false;
        let is_negated = |(condition, _): &(Condition, bool)| {
            matches!(
                condition,
                Condition::Values { negated: true, .. } | Condition::Flag { negated: true, .. }
            )
        };
        // Orders of customers who are not German have a customer.
        if read
            && self.question.conditions[first..].iter().any(is_negated)
            && let Some(key) = self.scope.key_of(parent)
        {
            self.add(Condition::Missing { column: key, negated: true }, false);
            return self.question.conditions[first..]
                .iter()
                .flat_map(|(condition, _)| condition.columns())
                .all(|column| column == key || self.scope.table_of(column) == parent);
        }
        read && self.question.conditions[first..]
            .iter()
            .flat_map(|(condition, _)| condition.columns())
            .all(|column| self.scope.table_of(column) == parent)
    }

    /// `and with a discount`, `and are not critical`
    fn joined(&mut self) -> bool {
        // "Resolved and closed" is said of two states.
        let is_participle = self.at > 0 && !self.dates_at(self.at - 1).is_empty();
        let is_but = self.text(self.at) == "but";
        if !self.is_term(Term::And) || is_participle {
            return false;
        }
        // "All books but novels"
        if is_but && matches!(self.kind(), Some(PhraseKind::Name(_))) {
            return self.refuse("\"but\" may leave them out");
        }
        let before = self.question.conditions.len();
        let read = [Self::period, Self::lacking, Self::having, Self::clause, Self::of_values]
            .into_iter()
            .any(|form: fn(&mut Self) -> bool| self.attempt(form));
        read && self.question.conditions.len() > before
    }
}

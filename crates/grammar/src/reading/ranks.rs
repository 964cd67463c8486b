//! Ranks: `top 5 customers by revenue`, `which region has the most orders`, `the 10 most expensive
//! products`.

use super::{
    Parse,
    nouns::{Head, one},
    question::Rank,
    window::names_rows,
};
use crate::{
    lexicon::{Aggregate, Comparison, Direction, Term},
    phrases::PhraseKind,
    plan::{Condition, Dimension, Form, Measure},
};

/// The default row limit of a ranking in the plural.
pub(super) const RANKED_ROWS: u32 = 10;

/// The highest row limit of a ranking.
const MAX_RANKED: u32 = 1_000;

/// What is ranked, or what groups are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    Rows,
    Group(Dimension),
}

impl Parse<'_, '_, '_> {
    /// `latest 5 orders`
    pub(super) fn newest(&mut self) -> bool {
        self.asking();
        let before = self.limit();
        if !self.is_term(Term::Recent) {
            return false;
        }
        let Some(limit) = before.map_or_else(|| Some(self.limit()), |before| Some(Some(before)))
        else {
            return false;
        };
        let Some((Head::Rows, is_plural)) = self.noun() else {
            return false;
        };
        self.question.form = Form::List { columns: Vec::new(), is_distinct: false };
        self.question.rank = Some(Rank {
            direction: Direction::Highest,
            limit: Some(limit.unwrap_or(if is_plural { RANKED_ROWS } else { 1 })),
            column: None,
            is_open: false,
            is_newest: true,
        });
        true
    }

    pub(super) fn limit(&mut self) -> Option<u32> {
        let start = self.at;
        let number = self.number()?.parse().ok().filter(|number| (1..=MAX_RANKED).contains(number));
        if number.is_none() {
            self.at = start;
        }
        number
    }

    /// `top 5 customers by revenue`, `best selling products`, `3 most common categories`
    pub(super) fn ranking(&mut self) -> bool {
        self.asking();
        let before = self.limit();
        if self.is_term(Term::Selling) {
            return self.selling(before);
        }
        let Some(term) =
            self.term(|term| matches!(term, Term::Top(_) | Term::Common(_) | Term::Extreme(_)))
        else {
            return false;
        };
        let limit = before.or_else(|| self.limit());
        let (direction, is_common) = match term {
            Term::Top(direction) => (direction, false),
            Term::Common(direction) => (direction, true),
            Term::Extreme(direction) if limit.is_some() => (direction, false),
            _ => return false,
        };
        let at = self.at;
        let first = self.question.conditions.len();
        let Some(subject) = self.ranked() else {
            return false;
        };
        if subject == Subject::Rows && (is_common || self.question.conditions.len() < first) {
            return false;
        }
        let is_plural = self.is_plural(self.at - 1) || self.is_plural(at);
        let limit = Some(limit.unwrap_or(if is_plural { RANKED_ROWS } else { 1 }));
        self.settle(subject);
        let rank = Rank { direction, limit, column: None, is_open: !is_common, is_newest: false };
        self.question.rank = Some(rank);
        self.question.is_explicit = true;
        !is_common || self.add_measure(Measure::Rows)
    }

    /// `best selling products`
    fn selling(&mut self, limit: Option<u32>) -> bool {
        let at = self.at;
        let quantities = self.scope.base().columns_with("quantity qty units");
        let quantity = one(&quantities, |column| self.scope.is_measure(column));
        let (Some(quantity), Some((dimension, None))) = (quantity, self.target()) else {
            return false;
        };
        let limit = Some(limit.unwrap_or(if self.is_plural(at) { RANKED_ROWS } else { 1 }));
        let direction = Direction::Highest;
        self.settle(Subject::Group(dimension));
        self.question.rank =
            Some(Rank { direction, limit, column: None, is_open: false, is_newest: false });
        self.question.is_explicit = true;
        self.add_measure(Measure::Of(Aggregate::Sum, quantity))
    }

    /// Reads what is ranked.
    fn ranked(&mut self) -> Option<Subject> {
        let mut subject = None;
        self.attempt(|parse| {
            subject = match parse.noun() {
                Some((Head::Rows, _)) if !parse.is_before_measure() => Some(Subject::Rows),
                _ => None,
            };
            subject.is_some()
        });
        if subject.is_none()
            && let Some((dimension, None)) = self.target()
        {
            subject = Some(Subject::Group(dimension));
        }
        subject
    }

    fn settle(&mut self, subject: Subject) {
        match subject {
            Subject::Rows => {
                self.question.form = Form::List { columns: Vec::new(), is_distinct: false };
            }
            Subject::Group(dimension) => {
                self.add_dimension(dimension, None);
            }
        }
    }

    /// Reads the measure of an order that is still open: `by revenue`.
    pub(super) fn rank_by(&mut self) -> bool {
        let Some(rank) = self.question.rank.filter(|rank| rank.is_open) else {
            return false;
        };
        if self.term(|term| matches!(term, Term::By | Term::With | Term::Preposition)).is_none() {
            return false;
        }
        self.word(&["terms of"]);
        let is_list = matches!(self.question.form, Form::List { .. });
        if is_list {
            self.articles();
            let Some(column) = self.measure_column() else {
                return false;
            };
            self.question.rank = Some(Rank { column: Some(column), is_open: false, ..rank });
            self.show_display();
            return true;
        }
        if !self.measure() {
            return false;
        }
        self.question.rank = Some(Rank { is_open: false, ..rank });
        true
    }

    /// `which region has the most orders`, `teams with more than 150 tickets`, `the oldest student`
    pub(super) fn subject(&mut self) -> bool {
        let counts = self.attempt(|parse| parse.is_term(Term::Count));
        if !counts {
            self.asking();
        }
        if !counts && self.attempt(Self::shown_of_subject) {
            return true;
        }
        if !counts && self.attempt(Self::superlative_rows) {
            self.show_display();
            return true;
        }
        if !counts && self.attempt(Self::who) {
            return true;
        }
        let at = self.at;
        let Some(subject) = self.ranked() else {
            return false;
        };
        let is_plural = self.is_plural(self.at - 1) || self.is_plural(at);
        self.attempt(Self::period);
        self.superlative(subject, is_plural, counts)
    }

    /// `name and country of the customer with the most orders`
    fn shown_of_subject(&mut self) -> bool {
        self.leaves_table = true;
        let columns = self.listed_columns();
        self.leaves_table = false;
        let listed = self.listed.clone();
        if columns.is_empty() || !self.word(&["of", "for"]) {
            return false;
        }
        self.articles();
        if self.attempt(Self::superlative_rows) {
            let own = columns.iter().all(|column| self.scope.table_of(*column) == 0);
            self.question.form = Form::List { columns, is_distinct: false };
            return own;
        }
        let at = self.at;
        let Some(subject) = self.ranked() else {
            return false;
        };
        let is_plural = self.is_plural(at);
        if !self.superlative(subject, is_plural, false) {
            return false;
        }
        match subject {
            Subject::Rows => {
                self.question.form = Form::List { columns, is_distinct: false };
                true
            }
            Subject::Group(Dimension::Column(key)) => {
                let Some(table) = self.scope.parent_of(key) else {
                    return false;
                };
                // What is shown is of the table that is named after it.
                let shown: Vec<usize> = listed
                    .iter()
                    .filter_map(|phrases| {
                        let columns = self.columns_in(table, phrases.end - 1);
                        one(&columns, |_| true)
                    })
                    .collect();
                let fits = shown.len() == listed.len();
                // The company of the largest invoice is that of one row.
                if let Form::List { columns, .. } = &mut self.question.form {
                    *columns = shown;
                    return fits;
                }
                self.question.dimensions = shown.into_iter().map(Dimension::Column).collect();
                self.question.keys = vec![key];
                self.question.form = Form::GroupNames;
                fits
            }
            Subject::Group(Dimension::Time(_)) => false,
        }
    }

    /// Reads what is said of a subject: `has the most orders`, `with more than 5 orders`.
    pub(super) fn superlative(&mut self, subject: Subject, is_plural: bool, counts: bool) -> bool {
        let before = self.at;
        while self
            .term(|term| {
                matches!(
                    term,
                    Term::With
                        | Term::Have
                        | Term::Be
                        | Term::Clause
                        | Term::Relation
                        | Term::Auxiliary
                )
            })
            .is_some()
        {}
        // "Severity 5 incidents" have no number of incidents.
        let is_said =
            self.at > before || matches!(self.ahead(0), Some(PhraseKind::Term(Term::Compare(_))));
        let is_passive = (before..self.at)
            .any(|at| matches!(self.phrases[at].kind, PhraseKind::Term(Term::Be | Term::Clause)));
        let dated = self.question.date;
        self.attempt(|parse| subject != Subject::Rows && parse.state(false, true));
        // The supplier that received the most orders is not the one they were `received_on` from.
        if let (Subject::Group(Dimension::Column(key)), Some(date)) = (subject, self.question.date)
            && dated.is_none()
            && !is_passive
            && self.scope.is_key(key)
            && !names_rows(self.scope, date)
        {
            return self.refuse("it does not say who did it");
        }
        self.articles();
        if let Subject::Group(_) = subject
            && (self.attempt(|parse| is_said && parse.counted_groups(subject, counts))
                || self.attempt(|parse| parse.measured_groups(subject, counts)))
        {
            return true;
        }
        if counts {
            return false;
        }
        let is_superlative = matches!(
            self.ahead(0),
            Some(PhraseKind::Term(Term::Most(_) | Term::Extreme(_) | Term::Superlative(..)))
        );
        if is_plural && is_superlative {
            return self.refuse("it does not say how many are meant");
        }
        let limit = Some(1);
        match subject {
            Subject::Rows => {
                self.attempt(|parse| parse.extreme_of_rows(limit))
                    || self.attempt(|parse| parse.most_of_rows(limit))
            }
            Subject::Group(dimension) => {
                self.attempt(|parse| parse.most(subject, limit))
                    || self.attempt(|parse| parse.extreme_of_groups(subject, limit))
                    || self.attempt(|parse| !is_plural && parse.row_of(dimension, limit))
            }
        }
    }

    /// `more than 5 orders`
    fn counted_groups(&mut self, subject: Subject, counts: bool) -> bool {
        let comparison = match self.term(|term| matches!(term, Term::Compare(_))) {
            Some(Term::Compare(comparison)) => comparison,
            _ => Comparison::Equal,
        };
        let Some(number) = self.number() else {
            return false;
        };
        let comparison = self.or_more(comparison);
        if !matches!(self.noun(), Some((Head::Rows, _))) || self.is_before_measure() {
            return false;
        }
        self.settle(subject);
        self.question.is_explicit = true;
        self.question.having = Some((comparison, number));
        if counts {
            self.question.form = Form::GroupCount;
        }
        self.add_measure(Measure::Rows)
    }

    /// `an average salary above 70000`
    fn measured_groups(&mut self, subject: Subject, counts: bool) -> bool {
        self.articles();
        if !matches!(self.kind(), Some(PhraseKind::Term(Term::Aggregate(_)))) || !self.aggregated()
        {
            return false;
        }
        self.term(|term| matches!(term, Term::Be | Term::Preposition));
        let Some(Term::Compare(comparison)) = self.term(|term| matches!(term, Term::Compare(_)))
        else {
            return false;
        };
        let Some(number) = self.number() else {
            return false;
        };
        self.settle(subject);
        self.question.having = Some((comparison, number));
        if counts {
            self.question.form = Form::GroupCount;
        }
        // A measure of other rows than those that are grouped is not compared.
        self.question.measures.len() == 1
    }

    /// `the most orders`, `the most revenue`
    fn most(&mut self, subject: Subject, limit: Option<u32>) -> bool {
        let Some(Term::Most(direction)) = self.term(|term| matches!(term, Term::Most(_))) else {
            return false;
        };
        let rows = self.attempt(|parse| {
            matches!(parse.noun(), Some((Head::Rows | Head::Values, true)))
                && !parse.is_before_measure()
                && parse.add_measure(Measure::Rows)
        });
        let column = if rows { None } else { self.measure_column() };
        if let Some(column) = column {
            if self.usual(column) != Some(Aggregate::Sum) {
                return false;
            }
            self.add_measure(Measure::Of(Aggregate::Sum, column));
        }
        self.rank_groups(subject, direction, limit);
        rows || column.is_some()
    }

    /// `the highest revenue`, `the highest average age`, `the highest number of orders`
    fn extreme_of_groups(&mut self, subject: Subject, limit: Option<u32>) -> bool {
        let term = self.term(|term| {
            matches!(
                term,
                Term::Extreme(_) | Term::Aggregate(Aggregate::Maximum | Aggregate::Minimum)
            )
        });
        let direction = match term {
            Some(Term::Extreme(direction)) => direction,
            Some(Term::Aggregate(Aggregate::Maximum)) => Direction::Highest,
            Some(Term::Aggregate(Aggregate::Minimum)) => Direction::Lowest,
            _ => return false,
        };
        self.rank_groups(subject, direction, limit);
        let before = self.question.measures.len();
        self.measure() && self.question.measures.len() == before + 1
    }

    fn rank_groups(&mut self, subject: Subject, direction: Direction, limit: Option<u32>) {
        self.settle(subject);
        self.question.is_explicit = true;
        self.question.rank =
            Some(Rank { direction, limit, column: None, is_open: false, is_newest: false });
    }

    /// `the highest order`, `the order with the highest amount`: the group of that row.
    fn row_of(&mut self, dimension: Dimension, limit: Option<u32>) -> bool {
        let Dimension::Column(shown) = dimension else {
            return false;
        };
        let with = self.attempt(|parse| {
            matches!(parse.noun(), Some((Head::Rows, false))) && parse.is_term(Term::With) && {
                parse.articles();
                parse.extreme_of_rows(limit)
            }
        });
        if !(with || self.attempt(Self::superlative_rows)) {
            return false;
        }
        self.question.form = Form::List { columns: vec![shown], is_distinct: false };
        // A player without a team tells no team.
        self.add(Condition::Missing { column: shown, negated: true }, false);
        limit == Some(1) && self.question.rank.is_some_and(|rank| rank.limit == limit)
    }

    /// `sorted by age in descending order`, `in alphabetical order`
    pub(super) fn ordered(&mut self) -> bool {
        let Form::List { columns, .. } = self.question.form.clone() else {
            return false;
        };
        if self.question.rank.is_some() {
            return false;
        }
        self.is_term(Term::And);
        self.word(&["sort", "sorted", "order", "ordered", "listed", "arranged"]);
        self.prepositions();
        let mut direction = None;
        let column = if self.is_term(Term::Alphabetical) {
            let names = if columns.is_empty() {
                self.scope.display(0).into_iter().collect()
            } else {
                columns
            };
            let first = names.first().copied().filter(|column| self.scope.is_text(*column));
            if self.attempt(|parse| parse.word(&["of", "by"])) {
                self.column_names().and_then(|columns| one(&columns, |_| true))
            } else {
                first
            }
        } else if let Some(Term::Sorted(sorted)) = self.term(|term| matches!(term, Term::Sorted(_)))
        {
            direction = Some(sorted);
            let of = self.word(&["of", "by"]);
            self.articles();
            match columns.as_slice() {
                [only] if !of => Some(*only),
                _ if of => {
                    let names = self.column_names();
                    names.and_then(|columns| one(&columns, |_| true))
                }
                _ => None,
            }
        } else {
            if !self.is_term(Term::OrderBy) {
                return false;
            }
            self.articles();
            let names = self.column_names();
            names.and_then(|columns| one(&columns, |_| true))
        };
        let Some(column) = column else {
            return false;
        };
        self.prepositions();
        let direction = match self.term(|term| matches!(term, Term::Sorted(_))) {
            Some(Term::Sorted(direction)) => direction,
            _ => direction.unwrap_or(Direction::Lowest),
        };
        self.question.rank = Some(Rank {
            direction,
            limit: None,
            column: Some(column),
            is_open: false,
            is_newest: false,
        });
        true
    }
}

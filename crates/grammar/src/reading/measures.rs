//! Measures: `number of orders and total revenue`, `min and max age`, shares and ratios.

use super::{
    Parse,
    nouns::{Head, one},
    question::{Pending, Share},
};
use crate::{
    lexicon::{Aggregate, Direction, Term, lexicon},
    phrases::{PhraseKind, Sort},
    plan::{Condition, Measure},
    tokens::words_of,
};

impl Parse<'_, '_, '_> {
    /// Reads a question for numbers.
    pub(super) fn numbers(&mut self) -> bool {
        self.asking();
        self.attempt(|parse| {
            parse.group() && {
                parse.asking();
                true
            }
        });
        if let Some(Term::BucketGrouping(bucket)) =
            self.term(|term| matches!(term, Term::BucketGrouping(_)))
        {
            self.question.is_per = true;
            self.add_dimension(crate::plan::Dimension::Time(bucket), None);
        }
        // "Orders and revenue"
        let counted = self.attempt(|parse| {
            matches!(parse.noun(), Some((Head::Rows, true)))
                && parse.add_measure(Measure::Rows)
                && parse.is_term(Term::And)
                && parse.aggregated()
        });
        if !counted && !self.measure() {
            return false;
        }
        self.further_measures();
        true
    }

    /// Reads the measures that follow the first: `average age and height`.
    pub(super) fn further_measures(&mut self) {
        while self.attempt(|parse| {
            let comma = parse.is_after_comma();
            (parse.is_term(Term::And) || comma) && parse.measure()
        }) {}
        self.question.carried.clear();
    }

    /// Reads `what is`, `show`, `find`.
    pub(super) fn asking(&mut self) {
        self.attempt(|parse| {
            let term = parse.term(|term| matches!(term, Term::Which | Term::List));
            let is = term.is_some() && parse.is_term(Term::Be);
            // "What is the revenue" asks for one number.
            parse.question.is_explicit |= is && term == Some(Term::Which);
            term.is_some()
        });
        self.leads();
        self.articles();
    }

    /// Reads one measure, or several aggregates of one column.
    pub(super) fn measure(&mut self) -> bool {
        self.attempt(Self::counted) || self.attempt(Self::aggregated)
    }

    /// `number of orders`, `how many different customers`
    fn counted(&mut self) -> bool {
        self.articles();
        self.attempt(|parse| {
            parse.is_term(Term::Aggregate(Aggregate::Sum))
                && parse
                    .phrases
                    .get(parse.at)
                    .is_some_and(|phrase| phrase.kind == PhraseKind::Term(Term::Count))
        });
        let counts = self.is_term(Term::Count);
        self.prepositions();
        self.attempt(|parse| counts && parse.is_term(Term::Aggregate(Aggregate::Sum)));
        let distinct = self.is_term(Term::Distinct);
        if !counts && !distinct {
            return false;
        }
        self.question.is_explicit = true;
        self.question.needs_group |= !counts;
        self.articles();
        if self.attempt(|parse| parse.counted_rows(distinct)) {
            return true;
        }
        self.question.carried.clear();
        let is_of_others = self.is_of_others(self.at);
        let Some(columns) = self.column_names() else {
            return false;
        };
        if is_of_others {
            return false;
        }
        if let Some(column) =
            one(&columns, |column| self.scope.is_text(column) || self.scope.is_key(column))
        {
            let counts_values = distinct || !self.is_free_text(column);
            return counts_values && self.add_measure(Measure::Distinct(column));
        }
        match one(&columns, |column| self.scope.is_measure(column)) {
            Some(column) if distinct => self.add_measure(Measure::Distinct(column)),
            Some(column) if self.is_count(column) && self.usual(column) == Some(Aggregate::Sum) => {
                self.add_measure(Measure::Of(Aggregate::Sum, column))
            }
            _ => false,
        }
    }

    /// Whether the values of a text column are no kinds of rows: comments, names.
    fn is_free_text(&self, column: usize) -> bool {
        let words = words_of(&self.scope.column(column).name);
        let is_name =
            words.len() == 1 || self.scope.display(self.scope.table_of(column)) == Some(column);
        let is_text = words.iter().any(|word| lexicon().free_texts.contains(word));
        let names = ["name", "title"];
        let is_other = words.iter().any(|word| names.contains(&word.as_str())) && !is_name;
        self.scope.is_text(column) && is_text && !is_other
    }

    pub(super) fn is_count(&self, column: usize) -> bool {
        let (vocabulary, local) = self.scope.local(column);
        vocabulary.is_count(local)
    }

    fn counted_rows(&mut self, distinct: bool) -> bool {
        let is_rows = match self.noun() {
            Some((Head::Rows, _)) => {
                // A column of the table may follow: "number of order lines".
                !distinct || !matches!(self.ahead(0), Some(PhraseKind::Name(_)))
            }
            Some((Head::Values, is_noun)) => is_noun && !distinct,
            Some((Head::Parent(parent), _)) => {
                let columns = self.columns_in(parent, self.at);
                return columns.is_empty() && self.count_parent(parent);
            }
            None => return false,
        };
        is_rows && self.add_measure(Measure::Rows)
    }

    fn count_parent(&mut self, parent: usize) -> bool {
        match self.scope.key_of(parent) {
            Some(key) => {
                self.question.grounds += 1;
                self.add_measure(Measure::Distinct(key))
            }
            None => false,
        }
    }

    /// `average order value`, `min and max amount`, `revenue`
    pub(super) fn aggregated(&mut self) -> bool {
        let mut pending: Vec<Pending> = Vec::new();
        let mut is_much = false;
        loop {
            self.articles();
            let term = self
                .term(|term| matches!(term, Term::Aggregate(_) | Term::Extreme(_) | Term::Much));
            match term {
                Some(Term::Aggregate(aggregate)) => pending.push(Pending::Of(aggregate)),
                Some(Term::Extreme(direction)) => pending.push(Pending::Extreme(direction)),
                Some(Term::Much) => is_much = true,
                _ => break,
            }
            let is_more = |kind: Option<&PhraseKind>| {
                matches!(kind, Some(PhraseKind::Term(Term::Aggregate(_) | Term::Extreme(_))))
            };
            let joint = matches!(self.ahead(0), Some(PhraseKind::Term(Term::And)));
            let next = usize::from(joint);
            let next = next
                + usize::from(matches!(self.ahead(next), Some(PhraseKind::Term(Term::Article))));
            if is_more(self.ahead(next)) && (joint || self.is_after_comma()) {
                self.at += next;
                continue;
            }
            break;
        }
        self.question.is_explicit |= !pending.is_empty() || is_much;
        self.prepositions();
        // "Average number of pages"
        let counts =
            !pending.is_empty() && self.text(self.at).ends_with(" of") && self.is_term(Term::Count);
        if pending == [Pending::Of(Aggregate::Sum)] && !counts && self.attempt(Self::total_rows) {
            self.question.carried.clear();
            return true;
        }
        if let [Pending::Extreme(direction)] = *pending
            && self.attempt(|parse| parse.extreme_row(direction))
        {
            self.question.carried.clear();
            return true;
        }
        while self.adjective_of_measure() {}
        let Some(column) = self.measure_column() else {
            return false;
        };
        (!counts || self.is_count(column)) && self.apply(&pending, column, is_much)
    }

    /// `total orders`, `total expenses`
    fn total_rows(&mut self) -> bool {
        if !matches!(self.noun(), Some((Head::Rows, _))) || self.is_before_measure() {
            return false;
        }
        let base = self.scope.base();
        let Some(money) = base.money() else {
            return self.add_measure(Measure::Rows);
        };
        // "The total of received orders" may be their money.
        if (0..self.at).any(|at| ["total of", "sum of"].contains(&self.text(at).as_str())) {
            return self.refuse("it may be about the number of rows or about their money");
        }
        match lexicon().is_money_row(&base.head()) {
            Some(true) => self.add_measure(Measure::Of(Aggregate::Sum, money)),
            Some(false) => self.add_measure(Measure::Rows),
            None => self.refuse("it may be about the number of rows or about their money"),
        }
    }

    /// `lowest order per region`: the money of that order
    fn extreme_row(&mut self, direction: Direction) -> bool {
        let at = self.at;
        if !matches!(self.noun(), Some((Head::Rows, _)))
            || self.is_plural(at)
            || self.is_before_measure()
        {
            return false;
        }
        self.question.needs_group = true;
        match self.scope.base().money() {
            Some(money) => self.add_measure(Measure::Of(direction.aggregate(), money)),
            None => false,
        }
    }

    fn adjective_of_measure(&mut self) -> bool {
        self.attempt(|parse| {
            let Some(names) = parse.names() else {
                return false;
            };
            names.best == Sort::Value && parse.values(false, false, &[])
        })
    }

    /// Reads the column of a measure.
    pub(super) fn measure_column(&mut self) -> Option<usize> {
        let start = self.at;
        let is_of_others = self.is_of_others(self.at);
        let columns = self.column_names()?;
        let column =
            one(&columns, |column| self.scope.is_measure(column)).filter(|_| !is_of_others);
        if column.is_none() {
            if columns.len() > 1 {
                let names: Vec<String> = columns
                    .iter()
                    .map(|column| {
                        let table = &self.scope.tables[self.scope.table_of(*column)];
                        format!(
                            "{}.{}",
                            table.vocabulary.table.name,
                            self.scope.column(*column).name
                        )
                    })
                    .collect();
                let reason = format!("it may be about {}", names.join(" or "));
                self.at = start;
                self.refuse(reason);
            }
            self.at = start;
        }
        column
    }

    /// Whether a part of a column's name is the name of a table that refers to the rows: employees are
    /// counted in `employee`, not by `num_employees`.
    fn is_of_others(&self, at: usize) -> bool {
        matches!(self.phrases.get(at).map(|phrase| &phrase.kind), Some(PhraseKind::Name(names))
            if names.best == Sort::Table && !names.children.is_empty() && names.base == 0)
    }

    fn apply(&mut self, pending: &[Pending], column: usize, is_much: bool) -> bool {
        let phrase = self.at - 1;
        let is_flow = self.tokens_of(phrase).iter().any(|token| lexicon().is_flow(&token.stem));
        let carried = self.question.carried.clone();
        let shares = pending.is_empty() && !is_much && !carried.is_empty();
        let pending = if shares { carried.as_slice() } else { pending };
        if pending.is_empty() {
            // "Total fees" is one number, whether they are the `fee` or the `total_fee`.
            let is_said = self
                .tokens_of(phrase)
                .iter()
                .any(|token| lexicon().aggregate(&token.text).is_some());
            self.question.is_explicit |= is_said;
            // "The ages of students" is a list of them.
            self.question.needs_group |= self.scope.base().is_thing() && !is_much && !is_said;
            return match self.usual_as_said(column, phrase) {
                Some(usual) => self.add_measure(Measure::Of(usual, column)),
                None => self.refuse("it may be about the sum or about the average"),
            };
        }
        // "Average price and revenue": the revenue may be a sum.
        if shares && !self.is_carried(column, is_flow) {
            return self.refuse("it does not say which aggregate the second column has");
        }
        self.question.carried = pending.to_vec();
        pending.iter().all(|pending| {
            let aggregate = match pending {
                Pending::Of(aggregate) => *aggregate,
                Pending::Extreme(direction) => direction.aggregate(),
            };
            self.question.is_of_flow |= aggregate != Aggregate::Sum && is_flow;
            self.add_measure(Measure::Of(aggregate, column))
        })
    }

    /// Whether the aggregate of the measure before is meant of this one too.
    fn is_carried(&self, column: usize, is_flow: bool) -> bool {
        let (vocabulary, local) = self.scope.local(column);
        match self.question.carried.as_slice() {
            [Pending::Of(Aggregate::Sum)] => self.usual(column) == Some(Aggregate::Sum),
            [_] => !is_flow && vocabulary.aggregated(local).is_none(),
            _ => false,
        }
    }

    /// Returns the aggregate of a measure where none is said; `None` if it may be any.
    pub(super) fn usual(&self, column: usize) -> Option<Aggregate> {
        let (vocabulary, local) = self.scope.local(column);
        let stems = self.stems(column);
        match vocabulary.aggregated(local) {
            Some(Aggregate::Median) => None,
            Some(aggregate) => Some(aggregate),
            None if self.scope.base().money() == Some(column) => Some(Aggregate::Sum),
            None if lexicon().is_averaged(&stems) && !vocabulary.is_spent(local) => {
                Some(Aggregate::Average)
            }
            None if lexicon().is_unclear(&stems) => None,
            None => Some(Aggregate::Sum),
        }
    }

    /// Like `usual`, but "floors" are not the sum of `floor`.
    fn usual_as_said(&self, column: usize, phrase: usize) -> Option<Aggregate> {
        let usual = self.usual(column)?;
        let is_whole = self.scope.column(column).ty.starts_with("int");
        let is_other =
            usual == Aggregate::Sum && is_whole && self.is_plural(phrase) && !self.is_count(column);
        // "Minutes by topic" are rather added up than averaged.
        let is_unit = usual == Aggregate::Average
            && self.tokens_of(phrase).iter().all(|token| lexicon().unit(&token.text).is_some());
        (!is_other && !is_unit).then_some(usual)
    }

    fn stems(&self, column: usize) -> Vec<String> {
        let (vocabulary, local) = self.scope.local(column);
        vocabulary.stems_of(local)
    }

    pub(super) fn add_measure(&mut self, measure: Measure) -> bool {
        if !self.question.measures.contains(&measure) {
            self.question.measures.push(measure);
        }
        true
    }

    /// `share of cancelled orders`, `share of revenue by region`
    pub(super) fn share(&mut self) -> bool {
        self.asking();
        if !self.is_term(Term::Share) {
            return false;
        }
        self.question.share = Share::Percent;
        self.question.is_explicit = true;
        self.prepositions();
        self.attempt(Self::share_rows) || self.attempt(Self::aggregated)
    }

    fn share_rows(&mut self) -> bool {
        let found = matches!(self.noun(), Some((Head::Rows, _) | (Head::Values, true)));
        found && !self.is_before_measure() && self.add_measure(Measure::Rows)
    }

    /// `refund rate`
    pub(super) fn rate(&mut self) -> bool {
        self.asking();
        let read = self.values(false, true, &[]) && self.is_term(Term::Rate);
        self.question.share = Share::Percent;
        self.question.is_explicit = true;
        read && self.is_of_states() && self.add_measure(Measure::Rows)
    }

    /// Whether all conditions are about states: what share of incidents are losses is no "loss rate".
    fn is_of_states(&self) -> bool {
        const STATES: [&str; 6] =
            ["status", "state", "outcome", "result", "resolution", "response"];
        let mut columns =
            self.question.conditions.iter().flat_map(|(condition, _)| condition.columns());
        columns.all(|column| self.scope.has_last_word(column, &STATES))
    }

    /// `ratio of web orders to app orders`
    pub(super) fn ratio(&mut self) -> bool {
        self.asking();
        if !self.is_term(Term::Ratio) {
            return false;
        }
        self.question.is_explicit = true;
        let Some(part) = self.ratio_rows() else {
            return false;
        };
        if !self.word(&["to", "and", "over", "versus", "vs"]) {
            return false;
        }
        let Some(of) = self.ratio_rows() else {
            return false;
        };
        self.question.share = Share::Ratio(part, of);
        self.add_measure(Measure::Rows)
    }

    /// Reads the rows of one side of a ratio, and returns their conditions.
    fn ratio_rows(&mut self) -> Option<Vec<Condition>> {
        let before = std::mem::take(&mut self.question.conditions);
        let head = self.noun();
        let own = std::mem::replace(&mut self.question.conditions, before);
        let is_rows = matches!(head, Some((Head::Rows, _) | (Head::Values, true)));
        (is_rows && !self.question.is_new)
            .then(|| own.into_iter().map(|(condition, _)| condition).collect())
    }
}

//! The pass that assigns a role to each phrase. It also collects the dimensions, because the role of a
//! phrase depends on the dimensions before it.
//!
//! It walks the phrases from left to right, and joins those that form one expression
//! (`more than 5 orders`). Must never use other state than the phrases and the dimensions before:
//! what depends on more belongs to a later pass.

mod columns;
mod comparisons;

use crate::{
    faults::Faults,
    lexicon::{Aggregate, Bucket, Comparison, Direction, Term},
    periods::Period,
    phrases::PhraseKind,
    plan::{Condition, Dimension},
    sentence::Sentence,
};

/// The role of a phrase, or of several that form one expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum PhraseRole {
    /// An aggregate of what follows; `None` counts.
    Aggregate(Option<Aggregate>),
    /// `highest`, where it does not rank what follows it.
    Extreme(Direction),
    Share,
    Distinct,
    /// `most orders`
    Most(Direction),
    /// `top 5`
    Top(Direction),
    /// `which region`
    Which,
    /// A dimension, with the column of dates if it was named by one.
    Dimension(Dimension, Option<usize>),
    /// `weekly`
    Each(Bucket),
    /// `days`, before `with more than 5 orders`.
    Subject(Bucket),
    /// A word for the rows.
    Rows,
    /// A name of columns that is neither a dimension nor a condition.
    Columns(Vec<usize>),
    Not,
    Or,
    /// `that are`, after the first name.
    Clause,
    Condition(Condition),
    /// A condition that includes the `not` before it.
    Negated(Condition),
    /// A column, compared with a quoted text.
    Text {
        column: usize,
        text: String,
    },
    Value {
        column: usize,
        value: String,
        /// Whether other values follow.
        goes_on: bool,
    },
    /// A condition on the number of rows of a group.
    Having(Comparison, String),
    Period(Period),
    /// The column that periods apply to.
    DateColumn(usize),
}

/// The order of listed rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListOrder {
    /// By the measure, if one is named.
    Ranked,
    /// The newest first.
    Newest,
}

/// A role, with the index of its phrase.
pub(crate) type Placed = (usize, PhraseRole);

/// What the pass finds.
#[derive(Default)]
pub(crate) struct Roles {
    /// The roles, in the order of the sentence.
    pub(crate) placed: Vec<Placed>,
    pub(crate) dimensions: Vec<Dimension>,
    /// The direction of `top`, `bottom` and the like.
    pub(crate) top: Option<Direction>,
    /// The number in `top 5`.
    pub(crate) top_number: Option<u32>,
    /// Set if rows are listed instead of aggregated.
    pub(crate) list: Option<ListOrder>,
    /// Whether a dimension was introduced by `per` rather than `by`.
    pub(crate) is_per: bool,
    /// Whether the ranked thing is in the plural.
    pub(crate) is_plural: bool,
    /// The number of names of columns and values.
    pub(crate) grounds: usize,
}

/// Assigns a role to each phrase.
pub(crate) fn roles(sentence: &Sentence<'_, '_>, faults: &mut Faults) -> Roles {
    let mut walk = Walk { sentence, faults, found: Roles::default(), groups_next: false };
    let mut at = 0;
    while let Some(kind) = sentence.kind(at) {
        at = walk.phrase(at, kind);
    }
    walk.found
}

struct Walk<'s, 'v, 'a> {
    sentence: &'s Sentence<'v, 'a>,
    faults: &'s mut Faults,
    found: Roles,
    /// Whether the next column or unit of time is grouped by.
    groups_next: bool,
}

impl Walk<'_, '_, '_> {
    fn place(&mut self, at: usize, role: PhraseRole) {
        self.found.placed.push((at, role));
    }

    /// Assigns the role of the phrase at `at`, and returns the index to continue at.
    fn phrase(&mut self, at: usize, kind: &PhraseKind) -> usize {
        match kind {
            PhraseKind::Term(term) => return self.term(at, *term),
            PhraseKind::Table(_) => self.table(at),
            PhraseKind::Columns(columns) => return self.columns(at, columns),
            PhraseKind::Values(values) => return self.values(at, values),
            PhraseKind::Period(period) => self.place(at, PhraseRole::Period(*period)),
            PhraseKind::Number(number) => self.number(at, number),
            PhraseKind::Text(_) | PhraseKind::Unknown => self.faults.unplaced(at),
        }
        at + 1
    }

    fn term(&mut self, at: usize, term: Term) -> usize {
        match term {
            Term::Count => self.place(at, PhraseRole::Aggregate(None)),
            Term::Aggregate(aggregate) => self.place(at, PhraseRole::Aggregate(Some(aggregate))),
            Term::Share => self.place(at, PhraseRole::Share),
            Term::Distinct => self.place(at, PhraseRole::Distinct),
            Term::Extreme(direction) => self.extreme(at, direction),
            Term::Most(direction) => self.place(at, PhraseRole::Most(direction)),
            Term::Common(direction) | Term::Top(direction) => self.top(at, direction),
            Term::Recent => self.recent(at),
            Term::By => self.by(at),
            Term::BucketNoun(bucket) => self.bucket(at, bucket),
            Term::BucketGrouping(bucket) => {
                self.found.is_per = true;
                self.place(at, PhraseRole::Each(bucket));
                self.add_dimension(Dimension::Time(bucket));
            }
            Term::Not | Term::Without => self.place(at, PhraseRole::Not),
            Term::Compare(comparison) => return self.comparison(at, comparison),
            Term::Between => return self.range(at),
            Term::And => self.groups_next |= self.was_dimension(at) && self.can_be_dimension(at),
            Term::Or => self.place(at, PhraseRole::Or),
            Term::Which => {
                if self.can_be_dimension(at) {
                    self.place(at, PhraseRole::Which);
                }
                // "Which orders were cancelled" asks for them; "what were the orders" for their number.
                if self.sentence.rows_from(at + 1).is_some() {
                    self.found.list.get_or_insert(ListOrder::Ranked);
                }
            }
            // The "is" of "what is the share" begins no clause: no name precedes it.
            Term::Clause if self.found.grounds > 0 => self.place(at, PhraseRole::Clause),
            Term::List => self.list(at),
            Term::Alert => self.table(at),
            Term::Rows => self.place(at, PhraseRole::Rows),
            Term::Currency(currency) => {
                let known = self.sentence.vocabulary.currencies();
                if !known.is_empty() && !known.contains(&currency) {
                    self.faults.contradiction(at, "its numbers are of another currency");
                }
            }
            Term::Clause | Term::With | Term::Have | Term::Metric | Term::FillerWord => {}
        }
        at + 1
    }

    fn list(&mut self, at: usize) {
        let can_be_listed = matches!(
            self.sentence.kind_after(at),
            Some(PhraseKind::Table(_) | PhraseKind::Values(_) | PhraseKind::Columns(_))
        );
        if can_be_listed {
            self.found.list.get_or_insert(ListOrder::Ranked);
        } else {
            self.faults.unplaced(at);
        }
    }

    /// `latest 5 orders`
    fn recent(&mut self, at: usize) {
        let next = self.sentence.after(at);
        let number = next.filter(|next| self.sentence.number_at(*next).is_some());
        let next = number.map_or(next, |number| self.sentence.after(number));
        if let Some(rows) = next.and_then(|next| self.sentence.rows_from(next)) {
            self.found.list = Some(ListOrder::Newest);
            self.found.is_plural |= self.sentence.is_plural(rows);
        } else {
            self.faults.unplaced(at);
        }
    }

    /// Reads a number as the limit of a ranking. Numbers of comparisons are consumed by those.
    fn number(&mut self, at: usize, number: &str) {
        let ranks = |kind: Option<&PhraseKind>| {
            matches!(
                kind,
                Some(PhraseKind::Term(
                    Term::Top(_)
                        | Term::Recent
                        | Term::Extreme(_)
                        | Term::Most(_)
                        | Term::Common(_)
                ))
            )
        };
        let is_rank = ranks(self.sentence.kind_after(at)) || ranks(self.sentence.kind_before(at));
        match number.parse::<u32>() {
            Ok(number) if is_rank && (1..=1_000).contains(&number) => {
                self.found.top_number = Some(number);
            }
            _ => self.faults.unplaced(at),
        }
    }

    fn top(&mut self, at: usize, direction: Direction) {
        self.found.top = Some(direction);
        self.place(at, PhraseRole::Top(direction));
    }

    fn extreme(&mut self, at: usize, direction: Direction) {
        let has_number = self.found.top_number.is_some();
        if has_number || self.ranks(at) {
            self.top(at, direction);
        } else {
            self.place(at, PhraseRole::Extreme(direction));
        }
    }

    /// Whether `highest` ranks what follows, rather than aggregates it.
    fn ranks(&self, at: usize) -> bool {
        match self.sentence.kind_after(at) {
            Some(PhraseKind::Number(_) | PhraseKind::Term(Term::BucketNoun(_))) => true,
            Some(PhraseKind::Columns(columns)) => !self.sentence.any_measure(columns),
            // "Highest reading value": the table's name only qualifies the measure.
            Some(PhraseKind::Table(_)) => {
                let behind =
                    self.sentence.after(at).and_then(|next| self.sentence.kind_after(next));
                !matches!(behind, Some(PhraseKind::Columns(columns)) if self.sentence.any_measure(columns))
            }
            _ => false,
        }
    }

    /// Whether `top 5` or the like directly precedes.
    fn is_ranked(&self, at: usize) -> bool {
        let is_rank = |kind: &PhraseKind| {
            matches!(
                kind,
                PhraseKind::Term(Term::Top(_) | Term::Extreme(_) | Term::Common(_))
                    | PhraseKind::Number(_)
            )
        };
        self.found.top.is_some() && self.sentence.kind_before(at).is_some_and(is_rank)
    }

    fn table(&mut self, at: usize) {
        if self.found.dimensions.is_empty() && self.is_ranked(at) {
            self.found.list.get_or_insert(ListOrder::Ranked);
            self.found.is_plural |= self.sentence.is_plural(at);
        } else {
            self.place(at, PhraseRole::Rows);
        }
    }

    fn by(&mut self, at: usize) {
        let ranks = self.found.top.is_some() || self.found.list.is_some();
        self.groups_next = match self.sentence.kind_after(at) {
            Some(PhraseKind::Columns(columns)) => !(ranks && self.sentence.any_measure(columns)),
            Some(PhraseKind::Term(Term::BucketNoun(_) | Term::Distinct)) => true,
            Some(
                PhraseKind::Term(Term::Count | Term::Aggregate(_) | Term::Share)
                | PhraseKind::Table(_),
            ) if ranks => false,
            _ => {
                self.faults.unplaced(at);
                false
            }
        };
        let mut words = self.sentence.tokens_of(&self.sentence.phrases[at]);
        self.found.is_per |=
            words.any(|word| ["per", "each", "every"].contains(&word.text.as_str()));
    }

    fn bucket(&mut self, at: usize, bucket: Bucket) {
        let is_ranked = self.is_ranked(at);
        if std::mem::take(&mut self.groups_next) || is_ranked || self.is_which(at) {
            self.found.is_plural |= is_ranked && self.sentence.is_plural(at);
            self.place(at, PhraseRole::Dimension(Dimension::Time(bucket), None));
            self.add_dimension(Dimension::Time(bucket));
        } else if self.sentence.qualifies(at) {
            self.place(at, PhraseRole::Subject(bucket));
        } else {
            self.faults.unplaced(at);
        }
    }

    fn is_which(&self, at: usize) -> bool {
        self.sentence.is_after_term(at, |term| term == Term::Which)
    }

    /// Whether the phrase after `at` can be a dimension.
    fn can_be_dimension(&self, at: usize) -> bool {
        matches!(
            self.sentence.kind_after(at),
            Some(PhraseKind::Columns(_) | PhraseKind::Term(Term::BucketNoun(_)))
        )
    }

    /// Whether the phrase before `at` is a dimension.
    fn was_dimension(&self, at: usize) -> bool {
        let is_dimension = |dimension| self.found.dimensions.contains(&dimension);
        match self.sentence.kind_before(at) {
            Some(PhraseKind::Columns(columns)) => {
                columns.iter().any(|column| is_dimension(Dimension::Column(*column)))
            }
            Some(PhraseKind::Term(Term::BucketNoun(bucket))) => {
                is_dimension(Dimension::Time(*bucket))
            }
            _ => false,
        }
    }

    fn add_dimension(&mut self, dimension: Dimension) {
        if !self.found.dimensions.contains(&dimension) {
            self.found.dimensions.push(dimension);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{phrases::phrases, tests::schema, tokens::tokens, vocabulary::Vocabulary};

    /// The roles of a sentence about the built-in table.
    fn shown(sentence: &str) -> String {
        let sampled = schema();
        let vocabulary = Vocabulary::of(&sampled.schema.tables[0], &sampled.samples);
        let tokens = tokens(sentence);
        let today = "2025-08-02".parse().unwrap();
        let phrases = phrases(&vocabulary, &tokens, today);
        let sentence = Sentence { vocabulary: &vocabulary, tokens: &tokens, phrases };
        let roles = roles(&sentence, &mut Faults::default());
        let shown = |(at, role): &Placed| {
            let role = format!("{role:?}");
            let name = role.split([' ', '(', '{']).next().unwrap_or_default();
            format!("{at} {name}")
        };
        roles.placed.iter().map(shown).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn phrases_that_say_one_thing_have_one_role() {
        for (sentence, expected) in [
            ("critical alerts", "0 Value, 1 Rows"),
            ("alert type critical", "1 Value"),
            ("obsolescence above 100", "0 Condition"),
            ("categories with more than 5 alerts", "0 Columns, 2 Having"),
            ("parts flagged by alert category", "0 Columns, 2 Dimension"),
            (
                "alerts that are not critical or without a category",
                "0 Rows, 3 Not, 4 Value, 5 Or, 6 Not, 8 Negated",
            ),
            (
                "top 5 categories by parts flagged in June 2025",
                "0 Top, 2 Dimension, 4 Columns, 6 Period",
            ),
            ("highest obsolescence per month", "0 Extreme, 1 Columns, 3 Dimension"),
        ] {
            assert_eq!(shown(sentence), expected, "{sentence}");
        }
    }
}

//! The pass that finds the measures: it pairs each aggregate with its column.
//!
//! It walks the roles from left to right. An aggregate is pending until its column follows.

use crate::{
    faults::Faults,
    lexicon::{Aggregate, Bucket, Direction, Term, lexicon},
    plan::{Dimension, Measure},
    roles::{PhraseRole, Placed},
    sentence::Sentence,
};

/// What the pass finds.
#[derive(Default)]
pub(crate) struct Measures {
    pub(crate) all: Vec<Measure>,
    /// Whether an aggregate was named.
    pub(crate) is_explicit: bool,
    /// The dimension in `teams with more than …`, with the index of its phrase.
    pub(crate) subject: Option<(Dimension, usize)>,
    /// Whether the subject is in the plural.
    pub(crate) is_plural: bool,
    /// The direction of `most`, `fewest` and the like.
    pub(crate) most: Option<Direction>,
    /// Whether an average or extreme is of a word that usually means a sum.
    pub(crate) is_of_flow: bool,
}

/// Finds the measures of a sentence.
pub(crate) fn measures(
    sentence: &Sentence<'_, '_>,
    placed: &[Placed],
    faults: &mut Faults,
) -> Measures {
    let mut pass = Pass {
        sentence,
        faults,
        found: Measures::default(),
        pending: Vec::new(),
        distinct: None,
        is_which: false,
        is_ranked: false,
        has_dimension: false,
    };
    for (at, role) in placed {
        pass.role(*at, role);
    }
    pass.finish()
}

/// An aggregate whose column has not followed yet.
#[derive(Debug, Clone, Copy)]
struct Pending {
    /// `None` counts.
    aggregate: Option<Aggregate>,
    /// Of `highest`, which may rank instead.
    extreme: Option<Direction>,
    at: usize,
}

struct Pass<'s, 'v, 'a> {
    sentence: &'s Sentence<'v, 'a>,
    faults: &'s mut Faults,
    found: Measures,
    pending: Vec<Pending>,
    /// The pending "distinct".
    distinct: Option<usize>,
    /// What has preceded: `which region`, `top 5`, `by region`.
    is_which: bool,
    is_ranked: bool,
    has_dimension: bool,
}

impl Pass<'_, '_, '_> {
    fn role(&mut self, at: usize, role: &PhraseRole) {
        match role {
            PhraseRole::Aggregate(aggregate) => self.aggregate(at, *aggregate, None),
            PhraseRole::Extreme(direction) => self.extreme(at, *direction),
            PhraseRole::Share => self.found.is_explicit = true,
            PhraseRole::Distinct => self.distinct = Some(at),
            PhraseRole::Most(direction) => {
                self.found.most = Some(*direction);
                self.found.is_explicit = true;
            }
            PhraseRole::Top(_) => self.is_ranked = true,
            PhraseRole::Which => self.is_which = true,
            PhraseRole::Dimension(..) => self.has_dimension = true,
            PhraseRole::Each(bucket) => self.each(at, *bucket),
            PhraseRole::Subject(bucket) => {
                self.found.subject = Some((Dimension::Time(*bucket), at));
            }
            PhraseRole::Rows => self.rows(at),
            PhraseRole::Columns(columns) => self.columns(at, columns),
            _ => {}
        }
    }

    fn aggregate(&mut self, at: usize, aggregate: Option<Aggregate>, extreme: Option<Direction>) {
        self.found.is_explicit = true;
        if let Some(last) = self.pending.last().copied() {
            let follows = self.sentence.after(last.at) == Some(at);
            match (last.extreme, last.aggregate, aggregate) {
                // "Highest number of orders" ranks.
                (Some(direction), _, _) if follows => {
                    self.pending.pop();
                    self.found.most = Some(direction);
                }
                // "Total number of", "count of total"
                (None, Some(Aggregate::Sum), None) if follows => {
                    self.pending.pop();
                }
                (None, None, Some(Aggregate::Sum)) if follows => return,
                // An average of counts is another question.
                (None, Some(_), None) if follows => self.faults.unplaced(last.at),
                _ if matches!(last.aggregate, None | Some(Aggregate::Sum))
                    && self.sentence.names_table_before(at) =>
                {
                    self.pending.pop();
                    self.add(Measure::Rows);
                }
                _ => {}
            }
        }
        self.pending.push(Pending { aggregate, extreme, at });
    }

    fn extreme(&mut self, at: usize, direction: Direction) {
        let aggregate = match direction {
            Direction::Highest => Aggregate::Maximum,
            Direction::Lowest => Aggregate::Minimum,
        };
        let ranks_rows = self.sentence.is_after_term(at, |term| term == Term::With);
        if ranks_rows && self.found.subject.is_none() && !self.has_dimension {
            self.faults.contradiction(at, "it does not say of what the highest or lowest is meant");
        }
        self.aggregate(at, Some(aggregate), Some(direction));
    }

    /// `weekly`, which may stand between an aggregate and its measure.
    fn each(&mut self, at: usize, bucket: Bucket) {
        let is_averaged = self.pending.last().is_some_and(|pending| {
            !matches!(pending.aggregate, None | Some(Aggregate::Sum))
                && self.sentence.after(pending.at) == Some(at)
        });
        if is_averaged {
            let unit = bucket.as_str();
            self.faults.contradiction(
                at,
                format!("no average or extreme of what each {unit} adds up to is known"),
            );
        }
        self.has_dimension = true;
    }

    fn is_counting(&self) -> bool {
        self.pending.last().is_some_and(|pending| pending.aggregate.is_none())
    }

    /// Counts rows, if a count is pending.
    fn rows(&mut self, at: usize) {
        if self.is_counting() && self.distinct.is_none() {
            self.pending.pop();
            self.add(Measure::Rows);
        } else if self.is_ranked && self.sentence.is_after_term(at, |term| term == Term::By) {
            self.add(Measure::Rows);
        }
    }

    fn columns(&mut self, at: usize, columns: &[usize]) {
        let sentence = self.sentence;
        if let Some(column) = self.counted(columns) {
            self.add(Measure::Distinct(column));
        } else if let Some(column) = sentence.one(columns, Sentence::is_measure) {
            self.measured(at, column);
        } else if sentence.qualifies(at)
            && let Some(column) = sentence.one(columns, |_, _| true)
        {
            self.found.is_plural |= sentence.is_plural(at);
            self.found.subject = Some((Dimension::Column(column), at));
        } else if columns.len() > 1 {
            let names = sentence.column_names(columns.iter().copied());
            self.faults.contradiction(at, format!("it may be about {}", names.join(" or ")));
        } else {
            self.faults.unplaced(at);
        }
    }

    /// Returns the column whose distinct values are counted: `how many customers`.
    fn counted(&mut self, columns: &[usize]) -> Option<usize> {
        let is_counting = self.is_counting();
        if !is_counting && self.distinct.is_none() {
            return None;
        }
        let column = self.sentence.one(columns, |s, c| s.is_text(c) || s.vocabulary.is_key(c))?;
        self.distinct = None;
        self.found.is_explicit = true;
        if is_counting {
            self.pending.pop();
        }
        Some(column)
    }

    /// Applies the pending aggregates to a column, or the default one.
    fn measured(&mut self, at: usize, column: usize) {
        if self.distinct.take().is_some() {
            self.pending.clear();
            self.add(Measure::Distinct(column));
            return;
        }
        let usual = if lexicon().is_averaged(&self.sentence.vocabulary.stems_of(column)) {
            Aggregate::Average
        } else {
            Aggregate::Sum
        };
        let pending = std::mem::take(&mut self.pending);
        // "Total orders and revenue"
        if matches!(pending.as_slice(), [Pending { aggregate: Some(Aggregate::Sum), .. }])
            && self.sentence.names_rows_before(at)
        {
            self.add(Measure::Rows);
        }
        if pending.is_empty() {
            self.add(Measure::Of(usual, column));
        }
        let has_subject = self.is_which || self.found.subject.is_some();
        for Pending { aggregate, extreme, .. } in pending {
            let aggregate = match (aggregate, extreme) {
                (_, Some(direction)) if has_subject => {
                    self.found.most = Some(direction);
                    usual
                }
                (Some(aggregate), _) => aggregate,
                // "How many parts", "how much revenue"
                (None, _) => Aggregate::Sum,
            };
            self.found.is_of_flow |= aggregate != Aggregate::Sum && self.sentence.is_flow(at);
            self.add(Measure::Of(aggregate, column));
        }
    }

    fn add(&mut self, measure: Measure) {
        if !self.found.all.contains(&measure) {
            self.found.all.push(measure);
        }
    }

    /// Lets pending aggregates count rows, where possible.
    fn finish(mut self) -> Measures {
        let is_named = self.sentence.named() > 0;
        for Pending { aggregate, extreme, at } in std::mem::take(&mut self.pending) {
            match (aggregate, extreme) {
                // "The number of days with more than …" asks for no list of days.
                (None, _) if matches!(self.found.subject, Some((Dimension::Time(_), _))) => {
                    self.faults.unplaced(at);
                }
                (None, _) => self.add(Measure::Rows),
                (Some(Aggregate::Sum), None) if is_named && self.found.all.is_empty() => {
                    self.add(Measure::Rows);
                }
                _ => self.faults.unplaced(at),
            }
        }
        if let Some(distinct) = self.distinct {
            self.faults.unplaced(distinct);
        }
        self.found
    }
}

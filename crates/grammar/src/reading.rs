//! Reads a sentence as a question about one table: runs the passes, and joins their findings into a
//! plan.
//!
//! Must never drop a word that has a meaning: the query would answer another question.

use chrono::NaiveDate;

use crate::{
    conditions::{self, Conditions, conditions},
    days::{Days, days},
    faults::{Faults, Misfit},
    lexicon::{Aggregate, Bucket, Direction},
    measures::{Measures, measures},
    periods::Period,
    phrases::phrases,
    plan::{Condition, Dimension, Measure, Plan, Ranking},
    roles::{ListOrder, PhraseRole, Roles, roles},
    sentence::Sentence,
    sql::LIST_ROWS,
    tokens::Token,
    vocabulary::Vocabulary,
};

/// The default row limit of a ranking in the plural.
const RANKED_ROWS: u32 = 10;

/// A possible reading of the sentence.
pub(crate) struct Candidate<'a> {
    pub(crate) plan: Plan<'a>,
    /// How much of the table's name is given: 0 for nothing.
    pub(crate) named: u32,
    /// The number of names of columns and values.
    pub(crate) grounds: usize,
    /// The number of phrases: fewer are better, each covers more.
    pub(crate) phrases: usize,
}

/// Reads `tokens` as a question about the table of `vocabulary`.
pub(crate) fn read<'a>(
    vocabulary: &Vocabulary<'a>,
    tokens: &[Token],
    today: NaiveDate,
) -> Result<Candidate<'a>, Misfit> {
    let sentence = Sentence { vocabulary, tokens, phrases: phrases(vocabulary, tokens, today) };
    let mut faults = Faults::default();
    let roles = roles(&sentence, &mut faults);
    let conditions = conditions(&sentence, &roles.placed, &mut faults);
    let days = days(&sentence, &roles.placed, &mut faults);
    let measures = measures(&sentence, &roles.placed, &mut faults);
    let grounds = roles.grounds;
    let findings = Findings { sentence: &sentence, roles, conditions, days, measures };
    let plan = findings.plan(&mut faults);
    if !faults.is_empty() {
        return Err(faults.into_misfit(&sentence, grounds));
    }
    Ok(Candidate { plan, named: sentence.named(), grounds, phrases: sentence.phrases.len() })
}

/// The findings of all passes.
struct Findings<'s, 'v, 'a> {
    sentence: &'s Sentence<'v, 'a>,
    roles: Roles,
    conditions: Conditions,
    days: Days,
    measures: Measures,
}

impl<'a> Findings<'_, '_, 'a> {
    /// Joins the findings. The plan is valid only if there are no faults.
    fn plan(mut self, faults: &mut Faults) -> Plan<'a> {
        self.settle_subject(faults);
        if let Some(reason) = self.contradiction() {
            faults.whole(reason);
        }
        let table = self.sentence.vocabulary.table;
        if self.days.column.is_none() && self.needs_days() {
            faults.whole(format!("{} has no column of dates", table.name));
        }
        if self.sentence.named() == 0 && self.roles.grounds == 0 {
            faults.whole("it names no table, column or value");
        }
        let is_list = self.roles.list.is_some();
        if self.measures.all.is_empty() && !is_list {
            self.measures.all.push(Measure::Rows);
        }
        let is_share = self.roles.placed.iter().any(|(_, role)| *role == PhraseRole::Share);
        let share = is_share.then(|| self.share(faults));
        let is_bare = !self.measures.is_explicit && self.roles.dimensions.is_empty() && !is_list;
        if is_bare && self.days.column.is_some() {
            self.roles.dimensions.push(Dimension::Time(Bucket::Day));
        }
        let ranking = self.ranking();
        let having = self.conditions.having.take();
        Plan {
            table,
            conditions: self.conditions(ranking),
            measures: self.measures.all,
            dimensions: self.roles.dimensions,
            share,
            having,
            ranking,
            is_list,
            date: self.days.column,
            period: self.days.period,
        }
    }

    /// Makes the subject a dimension, if its groups are filtered or ranked.
    fn settle_subject(&mut self, faults: &mut Faults) {
        let Some((dimension, at)) = self.measures.subject else {
            return;
        };
        if self.conditions.having.is_none() && self.measures.most.is_none() {
            faults.unplaced(at);
        } else if !self.roles.dimensions.contains(&dimension) {
            self.roles.dimensions.push(dimension);
        }
    }

    /// Returns the first contradiction between the findings of different passes.
    fn contradiction(&self) -> Option<&'static str> {
        let Roles { dimensions, is_per, .. } = &self.roles;
        let is_list = self.roles.list.is_some();
        let measures = &self.measures.all;
        let has_top = self.roles.top.is_some();
        let ranks = has_top || self.measures.most.is_some();
        let has_having = self.conditions.having.is_some();
        let is_grouped = !dimensions.is_empty();
        let is_ranked_list = is_list && has_top;
        let is_unnamed = self.sentence.named() == 0;
        let checks = [
            (has_having && !is_grouped, "it does not say what is counted for each of what"),
            (
                has_having && measures.iter().any(|measure| *measure != Measure::Rows),
                "it does not say whose number is compared",
            ),
            (
                self.measures.is_of_flow && *is_per && is_unnamed && is_grouped,
                "it may be about each row or about what they add up to; name the rows, or ask for the sum",
            ),
            (is_list && is_grouped, "a list of rows has no groups"),
            (ranks && !is_grouped && !is_list, "it does not say what is to be ranked"),
            (
                ranks && dimensions.len() > 1 && (*is_per || self.is_timed()),
                "no ranks within each group are known",
            ),
            (
                is_ranked_list && measures.is_empty(),
                "it does not say by what rows are to be ranked",
            ),
            (is_list && !is_ranked_list && !measures.is_empty(), "a list of rows has no measure"),
            (
                self.roles.top_number.is_some() && !ranks && !self.is_newest_first(),
                "it does not say what is to be ranked",
            ),
        ];
        checks.into_iter().find_map(|(is_wrong, reason)| is_wrong.then_some(reason))
    }

    fn is_timed(&self) -> bool {
        self.roles.dimensions.iter().any(|dimension| matches!(dimension, Dimension::Time(_)))
    }

    fn is_newest_first(&self) -> bool {
        self.roles.list == Some(ListOrder::Newest)
    }

    fn needs_days(&self) -> bool {
        self.is_newest_first()
            || self.is_timed()
            || !matches!(self.days.period, None | Some(Period::AllTime))
    }

    /// Removes the numerator of a share from the conditions, and returns it.
    fn share(&mut self, faults: &mut Faults) -> Vec<Condition> {
        let of = self.conditions.take_share();
        if of.is_empty() && self.roles.dimensions.is_empty() {
            faults.whole("it does not say what the share is of");
        }
        let adds_up =
            |measure: &Measure| matches!(measure, Measure::Rows | Measure::Of(Aggregate::Sum, _));
        let measures = &self.measures.all;
        if measures.len() > 1 || !measures.iter().all(adds_up) {
            faults.whole("a share is of one count or sum");
        }
        of
    }

    fn ranking(&self) -> Option<Ranking> {
        // Ranked by date, which needs no measure.
        let newest = self.is_newest_first().then_some(Direction::Highest);
        let direction = self.roles.top.or(self.measures.most).or(newest)?;
        let is_plural = self.roles.is_plural || self.measures.is_plural;
        let usual = if is_plural { RANKED_ROWS } else { 1 };
        let limit = self.roles.top_number.unwrap_or(usual).min(LIST_ROWS * 10);
        Some(Ranking { direction, limit })
    }

    /// Returns all conditions, including the implied ones.
    fn conditions(&mut self, ranking: Option<Ranking>) -> Vec<Condition> {
        let mut all = std::mem::take(&mut self.conditions).into_all();
        if self.sentence.has_alert() {
            all.extend(conditions::alert(self.sentence.vocabulary, &all));
        }
        if ranking.is_some() && self.roles.list.is_none() {
            all.extend(self.roles.dimensions.iter().filter_map(|dimension| match dimension {
                Dimension::Column(column) => {
                    Some(Condition::Missing { column: *column, negated: true })
                }
                Dimension::Time(_) => None,
            }));
        }
        all
    }
}

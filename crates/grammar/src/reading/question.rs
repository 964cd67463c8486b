//! What was understood of a question so far.

use crate::{
    lexicon::{Aggregate, Comparison, Direction},
    periods::Period,
    plan::{Condition, Dimension, Form, Measure},
};

/// An aggregate whose column has not followed yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pending {
    Of(Aggregate),
    Extreme(Direction),
}

/// What was understood so far.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "what is found is independent of each other")]
pub(super) struct Question {
    pub(super) form: Form,
    pub(super) measures: Vec<Measure>,
    /// The aggregates of the last measure, which those that follow may share.
    pub(super) carried: Vec<Pending>,
    /// Whether an aggregate was named.
    pub(super) is_explicit: bool,
    /// Whether an average or extreme is of a word that usually means a sum.
    pub(super) is_of_flow: bool,
    pub(super) dimensions: Vec<Dimension>,
    pub(super) keys: Vec<usize>,
    /// Whether a dimension was introduced by `per` rather than `by`.
    pub(super) is_per: bool,
    /// Each with whether it is in a clause: the clause is the numerator of a share.
    pub(super) conditions: Vec<(Condition, bool)>,
    pub(super) share: Share,
    pub(super) having: Option<(Comparison, String)>,
    pub(super) rank: Option<Rank>,
    /// Whether rows are asked for that came about in the period.
    pub(super) is_new: bool,
    /// The column of dates that is named.
    pub(super) date: Option<usize>,
    pub(super) period: Option<Period>,
    /// Whether the period is a month of no year.
    pub(super) is_bare_month: bool,
    pub(super) named: u32,
    pub(super) grounds: usize,
    pub(super) is_alert: bool,
    /// Whether what is counted is only said to be different: "unique customers per month".
    pub(super) needs_group: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Share {
    None,
    /// Its numerator is found among the conditions.
    Percent,
    Ratio(Vec<Condition>, Vec<Condition>),
}

/// An order that is being read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rank {
    pub(super) direction: Direction,
    pub(super) limit: Option<u32>,
    pub(super) column: Option<usize>,
    /// Whether what it orders by is still to be said.
    pub(super) is_open: bool,
    /// By the date, which needs no measure.
    pub(super) is_newest: bool,
}

impl Default for Question {
    fn default() -> Self {
        Self {
            form: Form::Groups,
            measures: Vec::new(),
            carried: Vec::new(),
            is_explicit: false,
            is_of_flow: false,
            dimensions: Vec::new(),
            keys: Vec::new(),
            is_per: false,
            conditions: Vec::new(),
            share: Share::None,
            having: None,
            rank: None,
            is_new: false,
            date: None,
            period: None,
            is_bare_month: false,
            named: 0,
            grounds: 0,
            is_alert: false,
            needs_group: false,
        }
    }
}

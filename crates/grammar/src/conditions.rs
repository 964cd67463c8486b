//! The pass that collects the conditions on rows and groups, and resolves "or" and "not".

use crate::{
    faults::Faults,
    lexicon::{Comparison, Term},
    phrases::PhraseKind,
    plan::Condition,
    roles::{PhraseRole, Placed},
    sentence::Sentence,
    tokens::words_of,
    vocabulary::Vocabulary,
};

/// What the pass finds.
#[derive(Default)]
pub(crate) struct Conditions {
    /// Each with whether it is in a clause: the clause is the numerator of a share.
    all: Vec<(Condition, bool)>,
    /// The condition on the number of rows of a group.
    pub(crate) having: Option<(Comparison, String)>,
}

impl Conditions {
    pub(crate) fn into_all(self) -> Vec<Condition> {
        self.all.into_iter().map(|(condition, _)| condition).collect()
    }

    /// Removes and returns the numerator of a share: the conditions of the clause if there are others
    /// too, else all.
    pub(crate) fn take_share(&mut self) -> Vec<Condition> {
        let is_split = self.all.iter().any(|(_, in_clause)| !in_clause)
            && self.all.iter().any(|(_, in_clause)| *in_clause);
        let (of, population): (Vec<_>, Vec<_>) = std::mem::take(&mut self.all)
            .into_iter()
            .partition(|(_, in_clause)| !is_split || *in_clause);
        self.all = population;
        of.into_iter().map(|(condition, _)| condition).collect()
    }
}

/// Collects the conditions of a sentence.
pub(crate) fn conditions(
    sentence: &Sentence<'_, '_>,
    placed: &[Placed],
    faults: &mut Faults,
) -> Conditions {
    let mut pass = Pass {
        sentence,
        faults,
        found: Conditions::default(),
        in_clause: false,
        not: None,
        not_of: None,
        or: None,
    };
    for (at, role) in placed {
        pass.role(*at, role);
    }
    for left in [pass.not, pass.or].into_iter().flatten() {
        pass.faults.unplaced(left);
    }
    pass.found
}

struct Pass<'s, 'v, 'a> {
    sentence: &'s Sentence<'v, 'a>,
    faults: &'s mut Faults,
    found: Conditions,
    /// Whether a clause has begun.
    in_clause: bool,
    /// The "not" or "or" that waits for its condition.
    not: Option<usize>,
    or: Option<usize>,
    /// The column of the value that "not" was before.
    not_of: Option<usize>,
}

impl Pass<'_, '_, '_> {
    fn role(&mut self, at: usize, role: &PhraseRole) {
        match role {
            PhraseRole::Not => self.not = Some(at),
            PhraseRole::Or => self.or = Some(at),
            PhraseRole::Clause => self.in_clause = true,
            PhraseRole::Condition(condition) => self.add(condition.clone(), at),
            PhraseRole::Negated(condition) => {
                self.add(condition.clone(), at);
                self.not = None;
            }
            PhraseRole::Text { column, text } => {
                let negated = self.not.take().is_some();
                let values = vec![text.clone()];
                self.add(Condition::Values { column: *column, values, negated }, at);
            }
            PhraseRole::Value { column, value, goes_on } => {
                self.value(at, *column, value, *goes_on);
            }
            PhraseRole::Having(comparison, number) => {
                self.found.having = Some((*comparison, number.clone()));
            }
            _ => {}
        }
    }

    fn value(&mut self, at: usize, column: usize, value: &str, goes_on: bool) {
        // "Not" applies to the next value, and to further values of the same column.
        let negated = self.not.is_some() && self.not_of.is_none_or(|of| of == column);
        self.not_of = negated.then_some(column);
        self.add(Condition::Values { column, values: vec![value.to_owned()], negated }, at);
        if !goes_on || !negated {
            self.not = None;
            self.not_of = None;
        }
    }

    /// Adds a condition. A further value of the same column is added to the list of its values.
    fn add(&mut self, condition: Condition, at: usize) {
        const OR_JOINS: &str = "“or” joins two values of one column only";
        let or = self.or.take();
        let same = match &condition {
            Condition::Values { column, negated, .. } => self.values_of(*column, *negated),
            _ => None,
        };
        let (Some(index), Condition::Values { values, negated, .. }) = (same, &condition) else {
            if or.is_some() {
                self.faults.contradiction(at, OR_JOINS);
            }
            self.found.all.push((condition, self.in_clause));
            return;
        };
        if or.is_none() && !negated && !self.follows_list(at) {
            self.faults.contradiction(at, "no row has two values in one column");
        }
        if or.is_some() && index + 1 != self.found.all.len() {
            self.faults.contradiction(at, OR_JOINS);
        }
        if let (Condition::Values { values: all, .. }, _) = &mut self.found.all[index] {
            for value in values {
                if !all.contains(value) {
                    all.push(value.clone());
                }
            }
        }
    }

    /// Returns the index of an existing condition on the values of a column.
    fn values_of(&self, of: usize, is_negated: bool) -> Option<usize> {
        self.found.all.iter().position(|(condition, _)| {
            matches!(condition, Condition::Values { column, negated, .. }
                if *column == of && *negated == is_negated)
        })
    }

    /// Whether the value at `at` can continue a list.
    fn follows_list(&self, at: usize) -> bool {
        self.sentence.follows_at_once(at)
            && matches!(
                self.sentence.kind_before(at),
                Some(PhraseKind::Values(_) | PhraseKind::Columns(_) | PhraseKind::Term(Term::And))
            )
    }
}

/// Returns the condition that a record has an alert, unless another one implies it.
pub(crate) fn alert(vocabulary: &Vocabulary<'_>, conditions: &[Condition]) -> Option<Condition> {
    let is_alert = |column: &usize| {
        let words = words_of(&vocabulary.table.columns[*column].name);
        words.first().is_some_and(|word| word == "alert")
    };
    let columns: Vec<usize> = (0..vocabulary.table.columns.len()).filter(is_alert).collect();
    let says_so = conditions.iter().any(|condition| {
        matches!(condition, Condition::Values { column, negated: false, .. } if columns.contains(column))
    });
    (!says_so && !columns.is_empty()).then_some(Condition::Alert(columns))
}

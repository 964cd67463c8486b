//! Caches of what is known of statements.
//!
//! Must never forget the caller: what PostgreSQL plans depends on the values of claims, so that whatever is remembered of
//! a plan is remembered by a [`PlanKey`], which has them.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
    time::{Duration, Instant},
};

use metricd_core::{
    parameters::Parameters,
    sql::{BoundValue, Parameter, ParameterSource, Template},
};
use quick_cache::{Equivalent, Weighter, sync::Cache};

/// The capacity of a cache, in bytes of SQL and claims.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// About as many statements as that is.
const USUAL_ITEMS: usize = 16 * 1024;

/// What a plan depends on: the statement, the claims that are bound to it, and about how long the window is.
pub(crate) struct PlanKey<'a> {
    statement: StatementRef<'a>,
    values: &'a [BoundValue],
    length: u32,
}

impl<'a> PlanKey<'a> {
    /// The key of `template` with `values`, which `parameters` bind.
    pub(crate) fn new(
        template: &'a Template,
        parameters: &Parameters,
        values: &'a [BoundValue],
    ) -> Self {
        let statement = StatementRef::of(template);
        Self { statement, values, length: length_class(parameters) }
    }

    fn claims(&self) -> impl Iterator<Item = &'a Arc<str>> {
        let bound = self.statement.parameters.iter().zip(self.values);
        bound.filter_map(|(parameter, value)| match (&parameter.source, value) {
            (ParameterSource::Claim(_), BoundValue::Text(claim)) => Some(claim),
            _ => None,
        })
    }
}

impl Hash for PlanKey<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // As the hash of `OwnedPlanKey`.
        self.statement.hash(state);
        self.length.hash(state);
        self.claims().for_each(|claim| claim.hash(state));
    }
}

impl Equivalent<OwnedPlanKey> for PlanKey<'_> {
    fn equivalent(&self, key: &OwnedPlanKey) -> bool {
        self.length == key.length
            && self.statement.is(&key.statement)
            && self.claims().eq(key.claims.iter())
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct OwnedPlanKey {
    statement: Statement,
    length: u32,
    claims: Box<[Arc<str>]>,
}

impl Hash for OwnedPlanKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.statement.hash(state);
        self.length.hash(state);
        self.claims.iter().for_each(|claim| claim.hash(state));
    }
}

/// A bounded cache of what is known of plans.
#[derive(Debug)]
pub(crate) struct PlanCache<V>(Cache<OwnedPlanKey, V, Weights>);

impl<V: Clone> Default for PlanCache<V> {
    fn default() -> Self {
        Self(Cache::with_weighter(USUAL_ITEMS, MAX_BYTES, Weights))
    }
}

impl<V: Clone> PlanCache<V> {
    pub(crate) fn get(&self, key: &PlanKey<'_>) -> Option<V> {
        self.0.get(key)
    }

    pub(crate) fn insert(&self, key: &PlanKey<'_>, value: V) {
        let statement = key.statement.to_owned();
        let claims = key.claims().cloned().collect();
        self.0.insert(OwnedPlanKey { statement, length: key.length, claims }, value);
    }
}

/// How long a statement stays in a [`StatementSet`]: functions and operators are made meanwhile.
const CHECKED_TTL: Duration = Duration::from_mins(10);

/// A bounded set of statements, of which something was found a while ago that depends on no value.
#[derive(Debug)]
pub(crate) struct StatementSet(Cache<Statement, Instant, Weights>);

impl Default for StatementSet {
    fn default() -> Self {
        Self(Cache::with_weighter(USUAL_ITEMS, MAX_BYTES, Weights))
    }
}

impl StatementSet {
    pub(crate) fn has(&self, template: &Template) -> bool {
        let checked = self.0.get(&StatementRef::of(template));
        checked.is_some_and(|checked| checked.elapsed() < CHECKED_TTL)
    }

    pub(crate) fn insert(&self, template: &Template) {
        self.0.insert(StatementRef::of(template).to_owned(), Instant::now());
    }
}

/// The key of a statement: its text and the parameters bound to its `$1`, `$2`, …, because the same text
/// may be bound to other parts of a window.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Statement {
    sql: Box<str>,
    parameters: Box<[Parameter]>,
}

/// A borrowed [`Statement`], so that a look-up allocates nothing.
#[derive(Clone, Copy)]
struct StatementRef<'a> {
    sql: &'a str,
    parameters: &'a [Parameter],
}

impl<'a> StatementRef<'a> {
    fn of(template: &'a Template) -> Self {
        Self { sql: &template.sql, parameters: &template.parameters }
    }

    fn is(self, statement: &Statement) -> bool {
        self.sql == &*statement.sql && self.parameters == &*statement.parameters
    }

    fn to_owned(self) -> Statement {
        Statement { sql: self.sql.into(), parameters: self.parameters.into() }
    }
}

impl Hash for StatementRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Must equal the derived hash of `Statement`, field by field.
        self.sql.hash(state);
        self.parameters.hash(state);
    }
}

impl Equivalent<Statement> for StatementRef<'_> {
    fn equivalent(&self, statement: &Statement) -> bool {
        self.is(statement)
    }
}

#[derive(Debug, Clone)]
struct Weights;

impl Weights {
    fn of(statement: &Statement) -> u64 {
        (statement.sql.len() + size_of_val(&*statement.parameters) + 128) as u64
    }
}

impl Weighter<Statement, Instant> for Weights {
    fn weight(&self, statement: &Statement, _: &Instant) -> u64 {
        Self::of(statement)
    }
}

impl<V> Weighter<OwnedPlanKey, V> for Weights {
    fn weight(&self, key: &OwnedPlanKey, _: &V) -> u64 {
        let claims = key.claims.iter().map(|claim| claim.len() + size_of::<Arc<str>>());
        Self::of(&key.statement) + claims.sum::<usize>() as u64
    }
}

/// Returns the number of bits of a window's length in days: the same for 4 to 7 days.
pub(crate) fn length_class(Parameters { window }: &Parameters) -> u32 {
    let between = match (window.start_date, window.end_date) {
        (Some(start), Some(end)) => (end - start).num_days().unsigned_abs() + 1,
        _ => 0,
    };
    let days = between.max(window.day_range.unwrap_or_default().into());
    u64::BITS - days.leading_zeros()
}

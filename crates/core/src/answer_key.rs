//! What an answer is the answer to.

use std::hash::{Hash, Hasher};

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;

use crate::{
    claim::{Scope, ScopeFault},
    ids::{MetricId, QueryId},
    metric::CompiledMetric,
    sql::{ParameterSource, Value},
    window::{ParamName, Window},
};

/// All that the rows of an answer depend on beside the data: which metric, at which version of its
/// query, for which window, for a caller of which scope.
///
/// Whatever keeps or sends answers (a cache, a topic of changes) names them by this. There is no way
/// to a [`Scope`] but through an [`Actor`](crate::actor::Actor), so one caller's rows cannot be handed to another by forgetting
/// who asked.
///
/// Keys are equal when the answers are: what of a window its SQL does not use is no part of it, and
/// neither is the instant at which it was asked (see [`Self::validity`]).
#[derive(Debug, Clone)]
pub struct AnswerKey {
    metric: MetricId,
    query: QueryId,
    query_version: i64,
    window: Window,
    scope: Scope,
}

/// How long an answer can be right, whatever becomes of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// It depends on no clock.
    Always,
    /// It depends on the present day, which ends at this instant.
    Until(DateTime<Utc>),
    /// It depends on the present instant.
    Moment,
}

/// What makes two keys one.
type Parts<'a> = (
    MetricId,
    &'a QueryId,
    i64,
    [Option<NaiveDate>; 3],
    Option<u32>,
    Option<Tz>,
    &'a [ParamName],
    &'a Scope,
);

impl PartialEq for AnswerKey {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for AnswerKey {}

impl Hash for AnswerKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl AnswerKey {
    /// What a caller of `scope` asks of `compiled` for `window`, both of which were made for its
    /// template.
    #[must_use]
    pub fn new(compiled: &CompiledMetric, window: Window, scope: Scope) -> Self {
        let (metric, query) = (compiled.metric.id, compiled.query.id.clone());
        Self { metric, query, query_version: compiled.query.version, window, scope }
    }

    fn parts(&self) -> Parts<'_> {
        let Self { metric, query, query_version, window, scope } = self;
        let today = window.depends_on_today.then_some(window.today);
        let days = [window.start_date, window.end_date, today];
        let timezone = window.uses_timezone.then_some(window.timezone);
        (*metric, query, *query_version, days, window.day_range, timezone, &window.ignored, scope)
    }

    /// The window.
    #[must_use]
    pub fn window(&self) -> &Window {
        &self.window
    }

    /// How long an answer to this can be right. `compiled` is what the key was made for.
    #[must_use]
    pub fn validity(&self, compiled: &CompiledMetric) -> Validity {
        let parameters = &compiled.query.template.parameters;
        if parameters.iter().any(|parameter| parameter.source == ParameterSource::Now) {
            Validity::Moment
        } else if self.window.depends_on_today {
            Validity::Until(self.window.next_midnight())
        } else {
            Validity::Always
        }
    }

    /// How much memory a key takes, about, in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        let ignored = size_of_val(self.window.ignored.as_slice());
        size_of::<Self>() + self.query.as_str().len() + ignored + self.scope.weight()
    }

    /// The values of `$1` … `$n` of the metric's template.
    ///
    /// # Errors
    /// When the scope was made for another template.
    pub fn values(&self, compiled: &CompiledMetric) -> Result<Vec<Value>, ScopeFault> {
        compiled.query.template.bind(&self.window, &self.scope)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use chrono::DateTime;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::{
        actor::Actor,
        claim::ClaimName,
        ids::QueryId,
        metric::{Metric, MetricDetails, MetricName, Query},
        sql::{Draft, Gate},
        window::WindowRequest,
    };

    fn metric(sql: &str) -> CompiledMetric {
        let template = Draft::parse(sql, &Gate::default()).unwrap().assume().unwrap();
        let id = QueryId::parse("q").unwrap();
        let details = MetricDetails::named(MetricName::parse("Totals").unwrap());
        let metric = Metric::new(MetricId(Uuid::nil()), id.clone(), details);
        CompiledMetric { metric, query: Query::new(id, sql.into(), template) }
    }

    #[expect(clippy::disallowed_methods, reason = "who it is does not matter here, the claims do")]
    fn asker(claims: BTreeMap<ClaimName, String>) -> Actor {
        Actor::operator_claiming(claims)
    }

    proptest! {
        /// Callers share an answer exactly when every claim that its SQL asks for is the same; what
        /// else their tokens say neither parts nor joins them.
        #[test]
        fn callers_share_a_key_exactly_when_their_rows_are_the_same(
            both in proptest::array::uniform2(proptest::array::uniform3("[a-c' ]{0,2}")),
        ) {
            let compiled = metric(
                "SELECT 1 FROM t WHERE tenant = :claim_tenant AND team = :claim_team",
            );
            let [one, other] = both.clone().map(|claims| {
                let names = ["tenant", "team", "unasked"].map(|n| ClaimName::parse(n).unwrap());
                let actor = asker(names.into_iter().zip(claims).collect());
                let scope = actor.scope(&compiled.query.template.claims).unwrap();
                let (slots, now) = (&compiled.query.template.slots, DateTime::UNIX_EPOCH);
                let window = Window::resolve(slots, &WindowRequest::default(), now).unwrap();
                AnswerKey::new(&compiled, window, scope)
            });
            let same = both[0][..2] == both[1][..2];
            prop_assert_eq!(one == other, same);
            let values = [one, other].map(|key| key.values(&compiled).unwrap());
            prop_assert_eq!(values[0] == values[1], same);
        }
    }

    #[test]
    fn a_key_forgets_what_its_sql_does_not_use() {
        let at = |sql: &str, instant: &str| {
            let compiled = metric(sql);
            let scope = asker(BTreeMap::new()).scope(&BTreeSet::new()).unwrap();
            let (slots, now) = (&compiled.query.template.slots, instant.parse().unwrap());
            let request = WindowRequest {
                timezone: Some(chrono_tz::Europe::Berlin),
                ..WindowRequest::default()
            };
            let key =
                AnswerKey::new(&compiled, Window::resolve(slots, &request, now).unwrap(), scope);
            let validity = key.validity(&compiled);
            (key, validity)
        };
        let (early, late) = ("2025-06-15T20:30:00Z", "2025-06-15T22:30:00Z");
        let fixed = "SELECT 1 AS x FROM t WHERE d BETWEEN '2025-01-01' AND '2025-02-01'";
        assert_eq!(at(fixed, early), at(fixed, late));
        assert_eq!(at(fixed, early).1, Validity::Always);

        let today = "SELECT 1 AS x FROM t WHERE d = CURRENT_DATE";
        let midnight = "2025-06-15T22:00:00Z";
        assert_eq!(at(today, early).1, Validity::Until(midnight.parse().unwrap()));
        assert_eq!(at(today, early).0, at(today, "2025-06-15T21:59:59Z").0);
        assert_ne!(at(today, early).0, at(today, late).0);

        assert_eq!(at("SELECT now() AS x", early).1, Validity::Moment);
    }

    #[test]
    fn a_scope_for_another_template_fills_nothing() {
        let (open, scoped) = (metric("SELECT 1"), metric("SELECT :claim_tenant"));
        let scope = asker(BTreeMap::new()).scope(&BTreeSet::new()).unwrap();
        let slots = &open.query.template.slots;
        let window =
            Window::resolve(slots, &WindowRequest::default(), DateTime::UNIX_EPOCH).unwrap();
        let key = AnswerKey::new(&open, window, scope);
        assert!(key.values(&open).is_ok());
        assert!(key.values(&scoped).is_err());
    }
}

//! The key of an answer: everything that its body depends on beside the data.
//!
//! Never leaves out the caller: there is no [`Scope`] without an [`Actor`](crate::actor::Actor).

use std::hash::{Hash, Hasher};

use chrono::{DateTime, Utc};

use crate::{
    claim::{Scope, ScopeFault},
    ids::{MetricId, QueryId},
    metric::CompiledMetric,
    parameters::{Parameters, ShownParameters},
    sql::BoundValue,
};

/// The cache key of an answer: the metric, the version of its query, the values that its SQL binds, the
/// parameters that the answer shows, and the scope of the caller.
///
/// Whatever caches or sends answers uses this key, so that one caller's rows cannot reach another.
///
/// Keys are equal when the answers are: a parameter that its SQL does not use is no part of it beyond the
/// mention that it was ignored, and neither is the instant at which it was asked (see [`Self::validity`]).
#[derive(Debug, Clone)]
pub struct AnswerKey {
    metric: MetricId,
    query: QueryId,
    query_version: i64,
    values: Vec<BoundValue>,
    parameters: Parameters,
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

/// The fields that are compared beside the bound values.
type Compared<'a> = (MetricId, &'a QueryId, i64, ShownParameters<'a>, &'a Scope);

impl PartialEq for AnswerKey {
    fn eq(&self, other: &Self) -> bool {
        let equal = |(one, other): (&BoundValue, &BoundValue)| match (one, other) {
            (BoundValue::Now(_), BoundValue::Now(_)) => true,
            (one, other) => one == other,
        };
        self.compared() == other.compared()
            && self.values.len() == other.values.len()
            && self.values.iter().zip(&other.values).all(equal)
    }
}

impl Eq for AnswerKey {}

impl Hash for AnswerKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.compared().hash(state);
        self.values.iter().filter(|value| !is_instant(value)).for_each(|value| value.hash(state));
    }
}

fn is_instant(value: &BoundValue) -> bool {
    matches!(value, BoundValue::Now(_))
}

impl AnswerKey {
    /// Binds the template of `compiled` to `parameters` and `scope`, both of which were made for it.
    ///
    /// # Errors
    /// When the scope was made for another template.
    pub fn new(
        compiled: &CompiledMetric,
        parameters: Parameters,
        scope: Scope,
    ) -> Result<Self, ScopeFault> {
        let values = compiled.query.template.bind(&parameters, &scope)?;
        let (metric, query) = (compiled.metric.id, compiled.query.id.clone());
        let query_version = compiled.query.version;
        Ok(Self { metric, query, query_version, values, parameters, scope })
    }

    fn compared(&self) -> Compared<'_> {
        let Self { metric, query, query_version, values: _, parameters, scope } = self;
        (*metric, query, *query_version, parameters.shown(), scope)
    }

    /// Returns the parameters.
    #[must_use]
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Returns the values of `$1` … `$n` of the metric's template.
    #[must_use]
    pub fn values(&self) -> &[BoundValue] {
        &self.values
    }

    /// Returns how long an answer can be right. Equal keys may differ in it: one caller names the day that is
    /// today for another.
    #[must_use]
    pub fn validity(&self) -> Validity {
        if self.values.iter().any(is_instant) {
            Validity::Moment
        } else {
            self.parameters.valid_until().map_or(Validity::Always, Validity::Until)
        }
    }

    /// Estimates the memory that a key takes, in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        let text = |value: &BoundValue| match value {
            BoundValue::Text(text) => text.len(),
            _ => 0,
        };
        let values =
            size_of_val(self.values.as_slice()) + self.values.iter().map(text).sum::<usize>();
        let ignored = size_of_val(self.parameters.shown().ignored);
        size_of::<Self>() + self.query.as_str().len() + values + ignored + self.scope.weight()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::{BTreeMap, BTreeSet},
        hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    };

    use chrono::NaiveDate;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::{
        actor::Actor,
        claim::ClaimName,
        ids::QueryId,
        metric::{Metric, MetricDetails, MetricName, Query},
        parameters::ParameterRequest,
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

    fn key(
        compiled: &CompiledMetric,
        window: WindowRequest,
        now: DateTime<Utc>,
        scope: Scope,
    ) -> Result<AnswerKey, ScopeFault> {
        let slots = &compiled.query.template.slots;
        let now = now.with_timezone(&chrono_tz::Tz::UTC);
        let parameters = Parameters::resolve(slots, &ParameterRequest { window }, now).unwrap();
        AnswerKey::new(compiled, parameters, scope)
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
                key(&compiled, WindowRequest::default(), DateTime::UNIX_EPOCH, scope).unwrap()
            });
            let same = both[0][..2] == both[1][..2];
            prop_assert_eq!(one == other, same);
            prop_assert_eq!(one.values() == other.values(), same);
        }

        /// Requests share an answer exactly when the values that its SQL binds and the parameters that
        /// it shows are the same; the present instant is left out.
        #[test]
        fn requests_share_a_key_exactly_when_their_bound_and_shown_parameters_are_the_same(
            sql in proptest::sample::select(&TEMPLATES[..]),
            requests in proptest::array::uniform2((window_requests(), 0_i64..3)),
        ) {
            let compiled = metric(sql);
            let [one, other] = requests.map(|(request, half_days)| {
                let now = DateTime::from_timestamp(1_749_945_600 + half_days * 43_200, 0).unwrap();
                let scope = asker(BTreeMap::new()).scope(&BTreeSet::new()).unwrap();
                key(&compiled, request, now, scope).unwrap()
            });
            let bound = |key: &AnswerKey| {
                let timeless = |value: &BoundValue| match value {
                    BoundValue::Now(_) => BoundValue::Now(DateTime::UNIX_EPOCH),
                    other => other.clone(),
                };
                key.values().iter().map(timeless).collect::<Vec<_>>()
            };
            let same =
                bound(&one) == bound(&other) && one.parameters().shown() == other.parameters().shown();
            prop_assert_eq!(one == other, same);
            let hash = |key: &AnswerKey| BuildHasherDefault::<DefaultHasher>::default().hash_one(key);
            prop_assert!(!same || hash(&one) == hash(&other));
        }
    }

    const TEMPLATES: [&str; 7] = [
        "SELECT 1 AS x",
        "SELECT 1 AS x WHERE DATE '2025-06-01' BETWEEN :start_date AND :end_date",
        "SELECT 1 AS x FROM t WHERE d >= :start_date AND d < :end_date + 1 AND z = :timezone",
        "SELECT 1 AS x FROM t WHERE d BETWEEN '2025-06-01' AND '2025-06-15'",
        "SELECT 1 AS x FROM t WHERE d > CURRENT_DATE - :day_range",
        "SELECT 1 AS x FROM t WHERE d >= :start_date AND d <= now()",
        "SELECT 1 AS x FROM t WHERE z = :timezone",
    ];

    fn window_requests() -> impl Strategy<Value = WindowRequest> {
        let day = |days| {
            let day = move |day| NaiveDate::from_ymd_opt(2025, 6, day);
            proptest::option::of(proptest::sample::select(days)).prop_map(move |d| d.and_then(day))
        };
        let zones = vec![chrono_tz::UTC, chrono_tz::Asia::Tokyo];
        (
            day(vec![1, 15]),
            day(vec![15, 16]),
            proptest::option::of(29_u32..31),
            proptest::option::of(proptest::sample::select(zones)),
        )
            .prop_map(|(start_date, end_date, day_range, timezone)| WindowRequest {
                start_date,
                end_date,
                day_range,
                timezone,
            })
    }

    #[test]
    fn a_key_omits_parameters_that_its_sql_does_not_use() {
        let at = |sql: &str, instant: &str| {
            let compiled = metric(sql);
            let scope = asker(BTreeMap::new()).scope(&BTreeSet::new()).unwrap();
            let request = WindowRequest {
                timezone: Some(chrono_tz::Europe::Berlin),
                ..WindowRequest::default()
            };
            let key = key(&compiled, request, instant.parse().unwrap(), scope).unwrap();
            let validity = key.validity();
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
        assert_eq!(
            at("SELECT now() AS x", early).0,
            at("SELECT now() AS x", "2025-06-15T20:31:00Z").0
        );
    }

    #[test]
    fn a_scope_for_another_template_fills_nothing() {
        let (open, scoped) = (metric("SELECT 1"), metric("SELECT :claim_tenant"));
        let scope = asker(BTreeMap::new()).scope(&BTreeSet::new()).unwrap();
        let key = |compiled: &CompiledMetric| {
            key(compiled, WindowRequest::default(), DateTime::UNIX_EPOCH, scope.clone())
        };
        assert!(key(&open).is_ok());
        assert!(key(&scoped).is_err());
    }
}

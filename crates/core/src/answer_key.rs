//! What an answer is the answer to.

use crate::{
    claim::{Scope, ScopeFault},
    ids::MetricId,
    metric::CompiledMetric,
    sql::Value,
    window::Window,
};

/// All that the rows of an answer depend on beside the data: which metric, at which version of its
/// query, for which window, for a caller of which scope.
///
/// Whatever keeps or sends answers (a cache, a topic of changes) names them by this. There is no way
/// to a [`Scope`] but through an [`Actor`](crate::actor::Actor), so one caller's rows cannot be handed to another by forgetting
/// who asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AnswerKey {
    metric: MetricId,
    query_version: i64,
    window: Window,
    scope: Scope,
}

impl AnswerKey {
    /// What a caller of `scope` asks of `compiled` for `window`, both of which were made for its
    /// template.
    #[must_use]
    pub fn new(compiled: &CompiledMetric, window: Window, scope: Scope) -> Self {
        let (metric, query_version) = (compiled.metric.id, compiled.query.version);
        Self { metric, query_version, window, scope }
    }

    /// The window.
    #[must_use]
    pub fn window(&self) -> &Window {
        &self.window
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
        metric::{Metric, MetricDetails, MetricName, Origin, Query, Review},
        sql::{Draft, Gate},
        window::WindowRequest,
    };

    fn metric(sql: &str) -> CompiledMetric {
        let template = Draft::parse(sql, &Gate::default()).unwrap().assume().unwrap();
        let id = QueryId::parse("q").unwrap();
        let query = Query {
            id: id.clone(),
            sql: sql.into(),
            template,
            columns: Vec::new(),
            version: 1,
            review: Review::NotNeeded,
            origin: Origin::Api,
        };
        let metric = Metric {
            id: MetricId(Uuid::nil()),
            query_id: id,
            details: MetricDetails::named(MetricName::parse("Totals").unwrap()),
            is_editable: true,
            layouts: Vec::new(),
            layout_version: 1,
            query_version: 1,
            review: Review::NotNeeded,
            origin: Origin::Api,
        };
        CompiledMetric { metric, query }
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

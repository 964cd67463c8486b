//! What an answer is the answer to.

use crate::{
    actor::Actor,
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
/// to one but through an [`Actor`], so one caller's rows cannot be handed to another by forgetting
/// who asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AnswerKey {
    metric: MetricId,
    query_version: i64,
    window: Window,
    scope: Scope,
}

impl AnswerKey {
    /// What `actor` asks of `compiled` for `window`, which was resolved from its template's slots.
    ///
    /// # Errors
    /// When the caller's token lacks a claim that the template needs.
    pub fn new(
        actor: &Actor,
        compiled: &CompiledMetric,
        window: Window,
    ) -> Result<Self, ScopeFault> {
        let scope = actor.scope(&compiled.query.template.claims)?;
        Ok(Self {
            metric: compiled.metric.id,
            query_version: compiled.query.version,
            window,
            scope,
        })
    }

    /// The window.
    #[must_use]
    pub fn window(&self) -> &Window {
        &self.window
    }

    /// The values of `$1` … `$n` of the metric's template.
    #[must_use]
    pub fn values(&self, compiled: &CompiledMetric) -> Vec<Value> {
        compiled.query.template.bind(&self.window, &self.scope)
    }
}

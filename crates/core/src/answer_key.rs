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

//! A metric's query bound to a caller's request.

use std::sync::Arc;

use metricd_core::{
    actor::Identity,
    answer_key::{AnswerKey, Validity},
    claim::{Scope, ScopeFault},
    parameters::Parameters,
    sql::{BoundValue, Template},
};

use super::definition_cache::Definition;
use crate::ports::TemplateDescription;

/// A metric's query with the values of its parameters, for a caller's scope: all that a run, an answer and its
/// cache entry are made from.
#[derive(Debug, Clone)]
pub struct BoundQuery {
    definition: Arc<Definition>,
    description: Arc<TemplateDescription>,
    key: AnswerKey,
    caller: Arc<Identity>,
}

impl BoundQuery {
    /// Binds the query of `definition`, which the database describes as `description`, for `caller`. The parameters and
    /// the scope were resolved for its template.
    ///
    /// # Errors
    /// When the scope belongs to another template.
    pub fn new(
        definition: Arc<Definition>,
        description: Arc<TemplateDescription>,
        parameters: Parameters,
        scope: Scope,
        caller: Arc<Identity>,
    ) -> Result<Self, ScopeFault> {
        let key = AnswerKey::new(&definition.compiled, parameters, scope)?;
        Ok(Self { definition, description, key, caller })
    }

    /// The metric.
    #[must_use]
    pub fn definition(&self) -> &Arc<Definition> {
        &self.definition
    }

    /// What the database says of it.
    #[must_use]
    pub fn description(&self) -> &Arc<TemplateDescription> {
        &self.description
    }

    /// Identifies its answer.
    #[must_use]
    pub fn key(&self) -> &AnswerKey {
        &self.key
    }

    /// The caller that it is run for, which is no part of its answer.
    #[must_use]
    pub fn caller(&self) -> &Arc<Identity> {
        &self.caller
    }

    /// The statement to run.
    #[must_use]
    pub fn template(&self) -> &Template {
        &self.definition.compiled.query.template
    }

    /// The parameters that it is bound to.
    #[must_use]
    pub fn parameters(&self) -> &Parameters {
        self.key.parameters()
    }

    /// The values of the statement's `$1`, `$2`, …, in order.
    #[must_use]
    pub fn values(&self) -> &[BoundValue] {
        self.key.values()
    }

    /// How long an answer can be right, whatever becomes of the data.
    pub(crate) fn validity(&self) -> Validity {
        self.key.validity()
    }
}

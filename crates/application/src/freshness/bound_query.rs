//! A metric's query bound to a caller's request.

use std::sync::Arc;

use metricd_core::{
    answer_key::{AnswerKey, Validity},
    claim::{Scope, ScopeFault},
    sql::{Template, Value},
    window::Window,
};

use super::definition_cache::Definition;

/// A metric's query with the values of its parameters, for a caller's scope: all that a run, an answer and its
/// cache entry are made from.
#[derive(Debug, Clone)]
pub struct BoundQuery {
    definition: Arc<Definition>,
    key: AnswerKey,
}

impl BoundQuery {
    /// Binds the query of `definition`. The window and the scope were resolved for its template.
    #[must_use]
    pub fn new(definition: Arc<Definition>, window: Window, scope: Scope) -> Self {
        let key = AnswerKey::new(&definition.compiled, window, scope);
        Self { definition, key }
    }

    /// The metric that was asked.
    #[must_use]
    pub fn definition(&self) -> &Arc<Definition> {
        &self.definition
    }

    /// Identifies its answer.
    #[must_use]
    pub fn key(&self) -> &AnswerKey {
        &self.key
    }

    /// The statement to run.
    #[must_use]
    pub fn template(&self) -> &Template {
        &self.definition.compiled.query.template
    }

    /// The dates that it is bound to.
    #[must_use]
    pub fn window(&self) -> &Window {
        self.key.window()
    }

    /// The values of the statement's parameters, in order.
    ///
    /// # Errors
    /// When the scope was made for another template.
    pub fn values(&self) -> Result<Vec<Value>, ScopeFault> {
        self.key.values(&self.definition.compiled)
    }

    /// How long an answer can be right, whatever becomes of the data.
    pub(crate) fn validity(&self) -> Validity {
        self.key.validity(&self.definition.compiled)
    }
}

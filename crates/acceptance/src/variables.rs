//! Values that a scenario shares between steps.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Values by name; clones share them. In a text, `{name}` stands for a value.
#[derive(Debug, Clone, Default)]
pub struct Variables(Arc<Mutex<BTreeMap<String, String>>>);

impl Variables {
    /// Sets a value, in place of an earlier one.
    pub fn set(&self, name: &str, value: impl Into<String>) {
        self.values().insert(name.to_owned(), value.into());
    }

    /// Replaces names by values. A name that was not set stays.
    #[must_use]
    pub fn expand(&self, text: &str) -> String {
        self.values().iter().fold(text.to_owned(), |text, (name, value)| {
            text.replace(&format!("{{{name}}}"), value)
        })
    }

    fn values(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

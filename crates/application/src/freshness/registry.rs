//! The registry of single-flight executions: which one runs for which key, and how many wait for it.

use std::{collections::HashMap, hash::Hash, sync::PoisonError};

use super::sync::{Arc, AtomicU64, Mutex, Ordering};

/// Executions in flight, one for each key that can still be joined.
pub(crate) struct Registry<K, T>(Mutex<HashMap<K, Arc<Execution<T>>>>);

/// An execution with its number of waiters.
pub(crate) struct Execution<T> {
    pub(crate) ticket: T,
    /// Changed only under the registry's lock.
    waiters: AtomicU64,
}

impl<K, T> Default for Registry<K, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Hash + Eq + Clone, T> Registry<K, T> {
    /// Joins the execution in flight for `key` if `may_join` accepts its ticket, else registers the one that
    /// `begin` makes; waiters of a replaced execution stay with it. Returns the execution and whether it was
    /// joined.
    pub(crate) fn join(
        &self,
        key: &K,
        may_join: impl FnOnce(&T) -> bool,
        begin: impl FnOnce() -> T,
    ) -> (Arc<Execution<T>>, bool) {
        let mut executions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(execution) = executions.get(key).filter(|execution| may_join(&execution.ticket))
        {
            execution.waiters.fetch_add(1, Ordering::Relaxed);
            return (Arc::clone(execution), true);
        }
        let execution = Arc::new(Execution { ticket: begin(), waiters: AtomicU64::new(1) });
        executions.insert(key.clone(), Arc::clone(&execution));
        (execution, false)
    }

    /// Removes one waiter. Returns whether it was the last one; the execution cannot be joined any more then.
    pub(crate) fn leave(&self, key: &K, execution: &Arc<Execution<T>>) -> bool {
        let mut executions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_last = execution.waiters.fetch_sub(1, Ordering::Relaxed) == 1;
        if is_last && executions.get(key).is_some_and(|present| Arc::ptr_eq(present, execution)) {
            executions.remove(key);
        }
        is_last
    }
}

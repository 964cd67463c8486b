//! Who waits for what: the book of executions under way.

use std::{collections::HashMap, hash::Hash, sync::PoisonError};

use super::sync::{Arc, AtomicU64, Mutex, Ordering};

/// The executions under way, one for each key that may still be joined.
pub(crate) struct Registry<K, T>(Mutex<HashMap<K, Arc<Execution<T>>>>);

/// An execution, and what is known of it.
pub(crate) struct Execution<T> {
    pub(crate) ticket: T,
    /// Changed under the registry's lock alone.
    waiters: AtomicU64,
}

impl<K, T> Default for Registry<K, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Hash + Eq + Clone, T> Registry<K, T> {
    /// A place in the execution under way for `key`, if `may_join` says so, else in the one that
    /// `begin` makes; those who wait for an earlier one keep their places in it. Says whether it was
    /// joined.
    pub(crate) fn join(
        &self,
        key: &K,
        may_join: impl FnOnce(&T) -> bool,
        begin: impl FnOnce() -> T,
    ) -> (Arc<Execution<T>>, bool) {
        let mut single_flight = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(execution) =
            single_flight.get(key).filter(|execution| may_join(&execution.ticket))
        {
            execution.waiters.fetch_add(1, Ordering::Relaxed);
            return (Arc::clone(execution), true);
        }
        let execution = Arc::new(Execution { ticket: begin(), waiters: AtomicU64::new(1) });
        single_flight.insert(key.clone(), Arc::clone(&execution));
        (execution, false)
    }

    /// Gives a place up. Says whether nobody waits for the execution any more; then nobody can join it.
    pub(crate) fn leave(&self, key: &K, execution: &Arc<Execution<T>>) -> bool {
        let mut single_flight = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_last = execution.waiters.fetch_sub(1, Ordering::Relaxed) == 1;
        if is_last && single_flight.get(key).is_some_and(|present| Arc::ptr_eq(present, execution))
        {
            single_flight.remove(key);
        }
        is_last
    }
}

//! Who waits for what: the book of executions under way.

use std::{collections::HashMap, hash::Hash, sync::PoisonError};

use super::sync::{Arc, AtomicU64, Mutex, Ordering};

/// The executions under way, one for each key that may still be joined.
pub(crate) struct Board<K, T>(Mutex<HashMap<K, Arc<Flight<T>>>>);

/// An execution, and what is known of it.
pub(crate) struct Flight<T> {
    pub(crate) ticket: T,
    /// Changed under the board's lock alone.
    askers: AtomicU64,
}

impl<K, T> Default for Board<K, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Hash + Eq + Clone, T> Board<K, T> {
    /// A place in the execution under way for `key`, if `may_join` says so, else in the one that
    /// `begin` makes; those who wait for an earlier one keep their places in it. Says whether it was
    /// joined.
    pub(crate) fn seat(
        &self,
        key: &K,
        may_join: impl FnOnce(&T) -> bool,
        begin: impl FnOnce() -> T,
    ) -> (Arc<Flight<T>>, bool) {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(key).filter(|flight| may_join(&flight.ticket)) {
            flight.askers.fetch_add(1, Ordering::Relaxed);
            return (Arc::clone(flight), true);
        }
        let flight = Arc::new(Flight { ticket: begin(), askers: AtomicU64::new(1) });
        flights.insert(key.clone(), Arc::clone(&flight));
        (flight, false)
    }

    /// Gives a place up. Says whether nobody waits for the execution any more; then nobody can join it.
    pub(crate) fn leave(&self, key: &K, flight: &Arc<Flight<T>>) -> bool {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_last = flight.askers.fetch_sub(1, Ordering::Relaxed) == 1;
        if is_last && flights.get(key).is_some_and(|present| Arc::ptr_eq(present, flight)) {
            flights.remove(key);
        }
        is_last
    }
}

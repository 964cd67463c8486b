//! Counts of what is in progress at once, by whose it is.
//!
//! Must never keep an entry of which nothing is in progress.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use ahash::RandomState;

/// How many are in progress of each key. Each request looks there: the hash is a quick one.
type Counts<K> = Arc<Mutex<HashMap<Arc<K>, u32, RandomState>>>;

/// The most that may be in progress for each key at once.
#[derive(Debug)]
pub(crate) struct Concurrency<K: Eq + Hash> {
    most: u32,
    counts: Counts<K>,
}

/// One that is in progress, until it is dropped.
#[derive(Debug)]
pub(crate) struct InProgress<K: Eq + Hash> {
    key: Arc<K>,
    counts: Counts<K>,
}

impl<K: Eq + Hash> Concurrency<K> {
    /// Allows `most` of each key at once.
    pub(crate) fn new(most: u32) -> Self {
        Self { most, counts: Arc::default() }
    }

    /// Counts one more, unless there are as many as may be.
    pub(crate) fn enter(&self, key: K) -> Option<InProgress<K>> {
        let key = Arc::new(key);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(Arc::clone(&key)).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        drop(counts);
        Some(InProgress { key, counts: Arc::clone(&self.counts) })
    }
}

impl<K: Eq + Hash> Drop for InProgress<K> {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_own_limit_and_leaves_nothing_behind() {
        let limit = Concurrency::new(2);
        let held = [limit.enter("ann").unwrap(), limit.enter("ann").unwrap()];
        assert!(limit.enter("ann").is_none());
        let other = limit.enter("bob").unwrap();
        drop(held);
        assert!(limit.enter("ann").is_some());
        drop(other);
        assert!(limit.counts.lock().unwrap().is_empty());
    }
}

//! Synchronisation primitives that the caches share between threads. They stand apart so that a test can
//! replace them with ones whose scheduler tries many interleavings.

pub(super) use std::sync::{
    Arc, Mutex, Weak,
    atomic::{AtomicU64, Ordering},
};

//! What threads share. It stands apart so that a test can put primitives there that try every order
//! of threads.

pub(super) use std::sync::{
    Arc, Mutex, Weak,
    atomic::{AtomicU64, Ordering},
};

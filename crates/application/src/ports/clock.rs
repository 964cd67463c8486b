//! Time and randomness, injected so that tests can choose them.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The present instant.
    fn now(&self) -> DateTime<Utc>;
}

/// Makes identifiers that nobody has seen before.
pub trait Ids: Send + Sync {
    /// A fresh identifier.
    fn fresh(&self) -> Uuid;
}

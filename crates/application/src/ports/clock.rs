//! The ports to time and randomness, injected so that tests control them.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// A clock.
pub trait Clock: Send + Sync {
    /// Returns the current time.
    fn now(&self) -> DateTime<Utc>;
}

/// A generator of unique identifiers.
pub trait Ids: Send + Sync {
    /// Returns a new identifier.
    fn fresh(&self) -> Uuid;
}

//! Requests that take effect once, inside a unit of work.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use metricd_core::{actor::Identity, idempotency::IdempotencyKey};

use super::StoreError;

/// What is asked to take effect once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Once {
    /// What its sender calls it.
    pub key: IdempotencyKey,
    /// A hash of all that is asked, so that a key is not taken for two requests.
    pub fingerprint: [u8; 32],
}

/// What was answered, for whoever asks the same again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeptAnswer {
    /// Where what was made is found.
    pub location: Option<String>,
    /// What was said of it.
    pub body: Option<String>,
}

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// Nothing: it is this unit of work's until that ends.
    Ours,
    /// Another unit of work has it, here or on another server.
    UnderWay,
    /// This request was answered.
    Answered(KeptAnswer),
    /// It was taken for another request.
    Taken,
}

/// The keys of requests.
#[async_trait]
pub trait Keys: Send {
    /// Takes the key for its caller, if nobody has it; what was kept before `since` is forgotten.
    async fn claim(
        &mut self,
        whose: &Identity,
        once: &Once,
        since: DateTime<Utc>,
    ) -> Result<Claim, StoreError>;

    /// Keeps the answer to a request whose key is this unit of work's. Removes some of what was kept
    /// before `since`.
    async fn keep_answer(
        &mut self,
        whose: &Identity,
        once: &Once,
        answer: &KeptAnswer,
        at: DateTime<Utc>,
        since: DateTime<Utc>,
    ) -> Result<(), StoreError>;
}

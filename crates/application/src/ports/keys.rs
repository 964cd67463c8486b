//! Requests that take effect once, inside a unit of work.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use metricd_core::{actor::Identity, idempotency::IdempotencyKey};

use super::StoreError;

/// What is asked to take effect once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotentRequest {
    /// What its sender calls it.
    pub key: IdempotencyKey,
    /// A hash of all that is asked, so that a key is not taken for two requests.
    pub fingerprint: [u8; 32],
}

/// What was answered, for whoever asks the same again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredResponse {
    /// Where what was made is found.
    pub location: Option<String>,
    /// What was said of it.
    pub body: Option<String>,
}

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyClaim {
    /// Nothing: it is this unit of work's until that ends.
    Acquired,
    /// Another unit of work has it, here or on another server.
    InProgress,
    /// This request was answered.
    Replayed(StoredResponse),
    /// It was taken for another request.
    Reused,
}

/// The keys of requests.
#[async_trait]
pub trait IdempotencyKeys: Send {
    /// Takes the key for its caller, if nobody has it; what was kept before `since` is forgotten.
    async fn claim(
        &mut self,
        whose: &Identity,
        once: &IdempotentRequest,
        since: DateTime<Utc>,
    ) -> Result<KeyClaim, StoreError>;

    /// Keeps the answer to a request whose key is this unit of work's. Removes some of what was kept
    /// before `since`.
    async fn store_response(
        &mut self,
        whose: &Identity,
        once: &IdempotentRequest,
        answer: &StoredResponse,
        at: DateTime<Utc>,
        since: DateTime<Utc>,
    ) -> Result<(), StoreError>;
}

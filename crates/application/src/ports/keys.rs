//! The port to idempotency keys, inside a unit of work.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use metricd_core::{actor::Identity, idempotency::IdempotencyKey};

use super::StoreError;

/// A request with an idempotency key: it takes effect once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotentRequest {
    /// The client's idempotency key.
    pub key: IdempotencyKey,
    /// A hash of the request, so that one key is not used for two different requests.
    pub fingerprint: [u8; 32],
}

/// The stored response of a request, replayed when the request is repeated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredResponse {
    /// The `Location` header.
    pub location: Option<String>,
    /// The body.
    pub body: Option<String>,
}

/// The result of claiming an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyClaim {
    /// The key was free; this unit of work holds it until it ends.
    Acquired,
    /// Another unit of work holds it, here or on another server.
    InProgress,
    /// The request was executed before, with this response.
    Replayed(StoredResponse),
    /// The key was used for a different request.
    Reused,
}

/// The idempotency keys of callers.
#[async_trait]
pub trait IdempotencyKeys: Send {
    /// Claims the key of `request` for the caller `identity`. Responses stored before `since` have expired.
    async fn claim(
        &mut self,
        identity: &Identity,
        request: &IdempotentRequest,
        since: DateTime<Utc>,
    ) -> Result<KeyClaim, StoreError>;

    /// Stores the response to a request whose key this unit of work holds. Removes some of the responses
    /// stored before `since`.
    async fn store_response(
        &mut self,
        identity: &Identity,
        request: &IdempotentRequest,
        response: &StoredResponse,
        at: DateTime<Utc>,
        since: DateTime<Utc>,
    ) -> Result<(), StoreError>;
}

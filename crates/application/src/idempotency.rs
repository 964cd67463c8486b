//! Idempotent requests: they take effect once. The response is stored in the transaction of the request: one
//! that was rolled back leaves nothing, and one that took effect has its response replayed.

use chrono::{DateTime, TimeDelta, Utc};
use metricd_core::actor::Actor;
use thiserror::Error;

use crate::{
    context::Context,
    error::{Cause, Classified, Classify, InputField},
    ports::{IdempotentRequest, KeyClaim, StoreError, StoredResponse, UnitOfWork},
};

/// How long responses are stored.
const RETENTION: TimeDelta = TimeDelta::hours(24);

/// An idempotent request, and the response that is replayed when it is sent again.
pub struct Replayable<'a, T> {
    /// The request.
    pub request: &'a IdempotentRequest,
    /// Builds its response from its result.
    pub response: &'a (dyn Fn(&T) -> StoredResponse + Send + Sync),
}

/// The outcome of a request that may be idempotent.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome<T> {
    /// It took effect now.
    Executed(T),
    /// It took effect before, with this response.
    Replayed(StoredResponse),
}

impl<T> Outcome<T> {
    /// Returns the result of a request that took effect now.
    #[must_use]
    pub fn executed(self) -> Option<T> {
        match self {
            Self::Executed(done) => Some(done),
            Self::Replayed(_) => None,
        }
    }
}

/// The reason why a key does not let a request take effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyError {
    /// The same caller's request with this key is in progress.
    #[error("a request with this Idempotency-Key is in progress")]
    InProgress,
    /// The same caller's key stands for another request.
    #[error("was used for a different request")]
    Reused,
}

impl Classify for KeyError {
    fn classify(&self) -> Classified {
        match self {
            Self::InProgress => Cause::IdempotencyKeyInProgress.into(),
            Self::Reused => {
                let cause = Cause::IdempotencyKeyReused;
                Classified::faulty(cause, InputField::IdempotencyKey, self)
            }
        }
    }
}

/// Acquires the key of `request` in `work`, if there is one. Returns the stored response of a request that took
/// effect before.
pub(crate) async fn claim<E>(
    actor: &Actor,
    context: &Context,
    work: &mut dyn UnitOfWork,
    request: Option<&IdempotentRequest>,
) -> Result<Option<StoredResponse>, E>
where
    E: From<KeyError> + From<StoreError>,
{
    let Some(request) = request else { return Ok(None) };
    match work.claim(actor.identity(), request, since(context)).await? {
        KeyClaim::Acquired => Ok(None),
        KeyClaim::Replayed(response) => Ok(Some(response)),
        KeyClaim::InProgress => Err(KeyError::InProgress.into()),
        KeyClaim::Reused => Err(KeyError::Reused.into()),
    }
}

/// Stores the response to what `work` has done.
pub(crate) async fn store_response(
    actor: &Actor,
    context: &Context,
    work: &mut dyn UnitOfWork,
    request: Option<&IdempotentRequest>,
    response: impl FnOnce() -> StoredResponse,
) -> Result<(), StoreError> {
    let Some(request) = request else { return Ok(()) };
    let (at, since) = (context.clock.now(), since(context));
    work.store_response(actor.identity(), request, &response(), at, since).await
}

fn since(context: &Context) -> DateTime<Utc> {
    context.clock.now() - RETENTION
}

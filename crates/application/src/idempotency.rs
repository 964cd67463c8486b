//! Requests that take effect once. The answer is kept in the transaction that does what was asked: what
//! broke off leaves nothing, and what took effect is answered in the same way again.

use chrono::{DateTime, TimeDelta, Utc};
use metricd_core::actor::Actor;
use thiserror::Error;

use crate::{
    context::Context,
    error::{Cause, Classified, Classify, InputField},
    ports::{IdempotentRequest, KeyClaim, StoreError, StoredResponse, UnitOfWork},
};

/// How long answers are kept.
const RETENTION: TimeDelta = TimeDelta::hours(24);

/// A request that is to take effect once, and how whoever sends it again is answered.
pub struct Replayable<'a, T> {
    /// The request.
    pub once: &'a IdempotentRequest,
    /// What is answered to it.
    pub answer: &'a (dyn Fn(&T) -> StoredResponse + Send + Sync),
}

/// What came of a request that is to take effect once.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome<T> {
    /// It took effect.
    Executed(T),
    /// It had, and this was answered then.
    Replayed(StoredResponse),
}

impl<T> Outcome<T> {
    /// What came of it just now.
    #[must_use]
    pub fn executed(self) -> Option<T> {
        match self {
            Self::Executed(done) => Some(done),
            Self::Replayed(_) => None,
        }
    }
}

/// Why a request was not looked at.
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

/// Why a key was not ours.
pub(crate) enum ClaimError {
    Replayed(StoredResponse),
    Refused(KeyError),
    Store(StoreError),
}

/// Takes the key in `work`; nothing where there is none.
pub(crate) async fn claim(
    actor: &Actor,
    context: &Context,
    work: &mut dyn UnitOfWork,
    once: Option<&IdempotentRequest>,
) -> Result<(), ClaimError> {
    let Some(once) = once else { return Ok(()) };
    let claimed = work.claim(actor.identity(), once, since(context)).await;
    match claimed.map_err(ClaimError::Store)? {
        KeyClaim::Acquired => Ok(()),
        KeyClaim::Replayed(answer) => Err(ClaimError::Replayed(answer)),
        KeyClaim::InProgress => Err(ClaimError::Refused(KeyError::InProgress)),
        KeyClaim::Reused => Err(ClaimError::Refused(KeyError::Reused)),
    }
}

/// Keeps the answer to what `work` has done.
pub(crate) async fn keep(
    actor: &Actor,
    context: &Context,
    work: &mut dyn UnitOfWork,
    once: Option<&IdempotentRequest>,
    answer: impl FnOnce() -> StoredResponse,
) -> Result<(), StoreError> {
    let Some(once) = once else { return Ok(()) };
    let (at, since) = (context.clock.now(), since(context));
    work.store_response(actor.identity(), once, &answer(), at, since).await
}

fn since(context: &Context) -> DateTime<Utc> {
    context.clock.now() - RETENTION
}

//! Requests that take effect once. The answer is kept in the transaction that does what was asked: what
//! broke off leaves nothing, and what took effect is answered in the same way again.

use chrono::{DateTime, TimeDelta, Utc};
use metricd_core::actor::Actor;
use thiserror::Error;

use crate::ports::{Claim, KeptAnswer, Once, Ports, StoreError, UnitOfWork};

/// How long answers are kept.
const KEPT: TimeDelta = TimeDelta::hours(24);

/// A request that is to take effect once, and how whoever sends it again is answered.
pub struct Asked<'a, T> {
    /// The request.
    pub once: &'a Once,
    /// What is answered to it.
    pub answer: &'a (dyn Fn(&T) -> KeptAnswer + Send + Sync),
}

/// What came of a request that is to take effect once.
#[derive(Debug, Clone, PartialEq)]
pub enum Done<T> {
    /// It took effect.
    Now(T),
    /// It had, and this was answered then.
    Before(KeptAnswer),
}

impl<T> Done<T> {
    /// What came of it just now.
    #[must_use]
    pub fn now(self) -> Option<T> {
        match self {
            Self::Now(done) => Some(done),
            Self::Before(_) => None,
        }
    }
}

/// Why a request was not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyError {
    /// The same caller's request of this key is being worked on.
    #[error("A request with this Idempotency-Key is being worked on")]
    UnderWay,
    /// The same caller's key stands for another request.
    #[error("was taken for another request")]
    Taken,
}

/// Why a key was not ours.
pub(crate) enum NotOurs {
    Before(KeptAnswer),
    Refused(KeyError),
    Store(StoreError),
}

/// Takes the key in `work`; nothing where there is none.
pub(crate) async fn claim(
    actor: &Actor,
    ports: &Ports,
    work: &mut dyn UnitOfWork,
    once: Option<&Once>,
) -> Result<(), NotOurs> {
    let Some(once) = once else { return Ok(()) };
    let claimed = work.claim(actor.identity(), once, since(ports)).await;
    match claimed.map_err(NotOurs::Store)? {
        Claim::Ours => Ok(()),
        Claim::Answered(answer) => Err(NotOurs::Before(answer)),
        Claim::UnderWay => Err(NotOurs::Refused(KeyError::UnderWay)),
        Claim::Taken => Err(NotOurs::Refused(KeyError::Taken)),
    }
}

/// Keeps the answer to what `work` has done.
pub(crate) async fn keep(
    actor: &Actor,
    ports: &Ports,
    work: &mut dyn UnitOfWork,
    once: Option<&Once>,
    answer: impl FnOnce() -> KeptAnswer,
) -> Result<(), StoreError> {
    let Some(once) = once else { return Ok(()) };
    let (at, since) = (ports.clock.now(), since(ports));
    work.keep_answer(actor.identity(), once, &answer(), at, since).await
}

fn since(ports: &Ports) -> DateTime<Utc> {
    ports.clock.now() - KEPT
}

//! A cache of an issuer's keys, and when to fetch them again. A token of a known key never waits for a
//! fetch, and no client can make metricd fetch often.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::{ArcSwap, ArcSwapOption};
use metricd_application::error_chain;
use tokio::{sync::watch, time::Instant};
use tracing::{info, warn};

use super::{
    fetch::{KeyFetchError, KeyOrigin},
    key_set::{KeySet, VerifyingKey},
};

/// The minimum interval between the starts of two fetches.
const COOL_DOWN: Duration = Duration::from_secs(10);
/// The age at which keys are fetched again.
const FRESH_FOR: Duration = Duration::from_mins(15);

/// The keys of one issuer.
#[derive(Debug)]
pub(super) struct KeyRing {
    issuer: String,
    current: ArcSwap<CurrentKeys>,
    remote: Option<Remote>,
}

#[derive(Debug, Default)]
struct CurrentKeys {
    keys: KeySet,
    /// When they were fetched; `None` before the first fetch.
    since: Option<Instant>,
}

#[derive(Debug)]
struct Remote {
    origin: KeyOrigin,
    last: Mutex<Option<Attempt>>,
    failure: ArcSwapOption<KeyFetchError>,
}

/// A fetch, in flight until the sender of `done` is dropped.
#[derive(Debug)]
struct Attempt {
    began: Instant,
    done: watch::Receiver<()>,
}

/// The reason why there is no key.
#[derive(Debug)]
pub(super) enum MissingKey {
    /// The issuer has no key of this id.
    Unknown,
    /// No keys could be fetched yet.
    Unavailable(Arc<KeyFetchError>),
}

impl KeyRing {
    /// Fetches the keys, without keeping them, and counts them.
    pub(super) async fn probe(&self) -> Result<usize, KeyFetchError> {
        match &self.remote {
            Some(remote) => Ok(remote.origin.fetch().await?.len()),
            None => Ok(self.current.load().keys.len()),
        }
    }

    /// Keys that never change.
    pub(super) fn fixed(issuer: String, keys: KeySet) -> Self {
        let current = CurrentKeys { keys, since: None };
        Self { issuer, current: ArcSwap::from_pointee(current), remote: None }
    }

    /// Keys that are fetched when they are first needed.
    pub(super) fn remote(issuer: String, origin: KeyOrigin) -> Self {
        let remote = Remote { origin, last: Mutex::default(), failure: ArcSwapOption::empty() };
        Self { issuer, current: ArcSwap::default(), remote: Some(remote) }
    }

    /// Whether the key is still the issuer's. Refreshes the keys in the background when they are old.
    pub(super) fn holds(self: &Arc<Self>, key: &Arc<VerifyingKey>) -> bool {
        let current = self.current.load();
        self.keep_fresh(&current);
        current.keys.holds(key)
    }

    /// Returns the key of this id, fetched if it is not cached.
    pub(super) async fn key(self: &Arc<Self>, kid: &str) -> Result<Arc<VerifyingKey>, MissingKey> {
        if let Some(key) = self.known_key(kid) {
            return Ok(key);
        }
        let Some(remote) = &self.remote else { return Err(MissingKey::Unknown) };
        if let Some(mut done) = self.refetch(remote) {
            // Nothing is ever sent: the wait ends when the fetch drops the sender.
            let _ = done.changed().await;
        }
        self.known_key(kid).ok_or_else(|| {
            if self.current.load().since.is_some() {
                return MissingKey::Unknown;
            }
            let failure = remote.failure.load_full();
            MissingKey::Unavailable(failure.unwrap_or_else(|| Arc::new(KeyFetchError::Unfinished)))
        })
    }

    fn known_key(self: &Arc<Self>, kid: &str) -> Option<Arc<VerifyingKey>> {
        let current = self.current.load();
        let key = current.keys.get(kid).cloned()?;
        self.keep_fresh(&current);
        Some(key)
    }

    fn keep_fresh(self: &Arc<Self>, current: &CurrentKeys) {
        if let (Some(remote), Some(since)) = (&self.remote, current.since)
            && since.elapsed() > FRESH_FOR
        {
            self.refetch(remote);
        }
    }

    /// Joins the fetch that is in flight, or begins one unless the last began too recently. It goes on
    /// whether or not a caller waits for it.
    fn refetch(self: &Arc<Self>, remote: &Remote) -> Option<watch::Receiver<()>> {
        let mut last = remote.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(attempt) = &*last {
            let is_in_flight = attempt.done.has_changed().is_ok();
            if is_in_flight {
                return Some(attempt.done.clone());
            }
            if attempt.began.elapsed() < COOL_DOWN {
                return None;
            }
        }
        let (in_flight, done) = watch::channel(());
        *last = Some(Attempt { began: Instant::now(), done: done.clone() });
        let ring = Arc::clone(self);
        tokio::spawn(async move {
            ring.fetch().await;
            drop(in_flight);
        });
        Some(done)
    }

    async fn fetch(&self) {
        let Some(remote) = &self.remote else { return };
        let issuer = self.issuer.as_str();
        match remote.origin.fetch().await {
            Ok(keys) => {
                for kid in keys.ambiguous() {
                    warn!(
                        issuer,
                        ?kid,
                        "Several keys of an issuer have the same id; none of them is used"
                    );
                }
                for kid in keys.forgeable() {
                    warn!(
                        issuer,
                        ?kid,
                        "Signatures of a key of an issuer can be forged; it is not used"
                    );
                }
                let count = keys.len();
                self.current.store(Arc::new(CurrentKeys { keys, since: Some(Instant::now()) }));
                remote.failure.store(None);
                info!(issuer, count, "Issuer keys fetched");
            }
            Err(error) => {
                let known = self.current.load().keys.len();
                warn!(
                    issuer,
                    known,
                    error = error_chain(&error),
                    "Fetching issuer keys failed; the known keys stay in use"
                );
                remote.failure.store(Some(Arc::new(error)));
            }
        }
    }
}

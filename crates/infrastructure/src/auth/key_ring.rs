//! An issuer's keys as they are known now, and when to ask for them again. Whoever asks with a key
//! that is known never waits, and nobody can make metricd ask often.

use std::{
    error::Error,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::{sync::watch, time::Instant};
use tracing::{info, warn};

use super::{
    fetch::{FetchError, Origin},
    key_set::{Key, KeySet},
};

/// The least time from the beginning of one fetch to that of the next.
const COOL_DOWN: Duration = Duration::from_secs(10);
/// How old keys may be before they are asked for again.
const FRESH_FOR: Duration = Duration::from_mins(15);

/// The keys of one issuer.
#[derive(Debug)]
pub(super) struct KeyRing {
    issuer: String,
    known: ArcSwap<Known>,
    remote: Option<Remote>,
}

#[derive(Debug, Default)]
struct Known {
    keys: KeySet,
    /// When they were fetched; `None` while they never were.
    since: Option<Instant>,
}

#[derive(Debug)]
struct Remote {
    origin: Origin,
    last: Mutex<Option<Attempt>>,
    failure: ArcSwapOption<FetchError>,
}

/// A fetch. It is under way for as long as `done` has its other end.
#[derive(Debug)]
struct Attempt {
    began: Instant,
    done: watch::Receiver<()>,
}

/// Why there is no key.
#[derive(Debug)]
pub(super) enum NoKey {
    /// The issuer has none of this id.
    Unknown,
    /// The issuer has not told any yet.
    Unavailable(Arc<FetchError>),
}

impl KeyRing {
    /// Keys that never change.
    pub(super) fn fixed(issuer: String, keys: KeySet) -> Self {
        let known = Known { keys, since: None };
        Self { issuer, known: ArcSwap::from_pointee(known), remote: None }
    }

    /// Keys that the issuer tells when it is first needed.
    pub(super) fn remote(issuer: String, origin: Origin) -> Self {
        let remote = Remote { origin, last: Mutex::default(), failure: ArcSwapOption::empty() };
        Self { issuer, known: ArcSwap::default(), remote: Some(remote) }
    }

    /// Whether the key is still the issuer's. Sees to it that the answer stays fresh.
    pub(super) fn holds(self: &Arc<Self>, key: &Arc<Key>) -> bool {
        let known = self.known.load();
        self.keep_fresh(&known);
        known.keys.holds(key)
    }

    /// The key of this id, from the issuer if it is not known.
    pub(super) async fn key(self: &Arc<Self>, kid: &str) -> Result<Arc<Key>, NoKey> {
        if let Some(key) = self.known_key(kid) {
            return Ok(key);
        }
        let Some(remote) = &self.remote else { return Err(NoKey::Unknown) };
        if let Some(mut done) = self.refetch(remote) {
            // Nothing is ever sent: this ends when the fetch drops the other end.
            let _ = done.changed().await;
        }
        self.known_key(kid).ok_or_else(|| {
            if self.known.load().since.is_some() {
                return NoKey::Unknown;
            }
            let failure = remote.failure.load_full();
            NoKey::Unavailable(failure.unwrap_or_else(|| Arc::new(FetchError::Unfinished)))
        })
    }

    fn known_key(self: &Arc<Self>, kid: &str) -> Option<Arc<Key>> {
        let known = self.known.load();
        let key = known.keys.get(kid).cloned()?;
        self.keep_fresh(&known);
        Some(key)
    }

    fn keep_fresh(self: &Arc<Self>, known: &Known) {
        if let (Some(remote), Some(since)) = (&self.remote, known.since)
            && since.elapsed() > FRESH_FOR
        {
            self.refetch(remote);
        }
    }

    /// Joins the fetch that is under way, or begins one unless the last began too lately. It goes on
    /// whether or not anybody waits for it.
    fn refetch(self: &Arc<Self>, remote: &Remote) -> Option<watch::Receiver<()>> {
        let mut last = remote.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(attempt) = &*last {
            let is_under_way = attempt.done.has_changed().is_ok();
            if is_under_way {
                return Some(attempt.done.clone());
            }
            if attempt.began.elapsed() < COOL_DOWN {
                return None;
            }
        }
        let (under_way, done) = watch::channel(());
        *last = Some(Attempt { began: Instant::now(), done: done.clone() });
        let ring = Arc::clone(self);
        tokio::spawn(async move {
            ring.fetch().await;
            drop(under_way);
        });
        Some(done)
    }

    async fn fetch(&self) {
        let Some(remote) = &self.remote else { return };
        let issuer = self.issuer.as_str();
        match remote.origin.fetch().await {
            Ok(keys) => {
                for kid in keys.ambiguous() {
                    warn!(issuer, ?kid, "several keys of an issuer have one id: none is used");
                }
                let count = keys.len();
                self.known.store(Arc::new(Known { keys, since: Some(Instant::now()) }));
                remote.failure.store(None);
                info!(issuer, count, "keys of an issuer fetched");
            }
            Err(error) => {
                let known = self.known.load().keys.len();
                warn!(
                    issuer,
                    known,
                    error = &error as &dyn Error,
                    "keys of an issuer could not be fetched: those that are known stay"
                );
                remote.failure.store(Some(Arc::new(error)));
            }
        }
    }
}

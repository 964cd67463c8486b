//! The queue of authors' queries: some run, some wait, the rest is refused at once.
//!
//! Must never let one caller keep the others waiting: callers take turns, however many queries each has.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use metricd_application::ports::RunError;
use metricd_core::actor::Identity;
use thiserror::Error;
use tokio::{sync::oneshot, time::Instant};

/// No permit was free in time.
#[derive(Debug, Error)]
#[error(
    "timed out waiting in the queue: as many queries as may run at once are running, of all callers or of this one"
)]
struct QueueTimeout;

/// Queries of the same caller could not be ended.
#[derive(Debug, Error)]
#[error("queries of this caller that could not be ended hold their permits: {0}")]
pub(super) struct UnendedQueries(usize);

/// What is known of a query that asks for a permit.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Known {
    /// It costs little.
    pub(super) is_quick: bool,
    /// It has ended by itself before.
    pub(super) is_tried: bool,
}

/// From so many permits on one is kept for quick queries.
const FEWEST_WITH_KEPT: usize = 4;

/// How long a caller counts as one who may ask again soon.
const ACTIVE_FOR: Duration = Duration::from_secs(10);

/// Admits as many queries as may run at once, behind a queue of bounded length.
#[derive(Clone)]
pub(super) struct Queue(Arc<Shared>);

/// How much of a queue is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueUsage {
    /// The permits that are free.
    pub free: usize,
    /// The permits of queries that run.
    pub running: usize,
    /// The permits of queries that could not be ended.
    pub unended: usize,
    /// The queries that wait.
    pub waiting: usize,
}

struct Shared {
    state: Mutex<State>,
    /// The most that wait.
    longest: usize,
    timeout: Duration,
}

/// The callers of the queue: those of one issuer and subject are one. metricd itself has none.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Caller(Option<(Box<str>, Box<str>)>);

impl Caller {
    fn of(identity: Option<&Identity>) -> Self {
        Self(identity.map(|of| (of.issuer.as_str().into(), of.subject.as_str().into())))
    }
}

#[derive(Default)]
struct State {
    /// The permits that any query may have.
    free: usize,
    /// Whether the permit that is kept for quick queries is free.
    is_kept_free: bool,
    callers: HashMap<Caller, OfCaller>,
    /// The callers of those that wait, in the order of their turns.
    turns: VecDeque<Caller>,
    waiting: usize,
    next_id: u64,
    latest: Latest,
    /// The most queries that one caller runs while another is active, and that it runs untried in any case: none of
    /// those may end.
    most_of_one: usize,
    /// The most queries of one caller that could not be ended, from which on it begins no more.
    most_unended: usize,
}

/// What the queue knows of a caller while it runs or waits.
#[derive(Default)]
struct OfCaller {
    running: usize,
    /// Those of the running that were not tried.
    untried: usize,
    /// Those of the running that could not be ended.
    unended: usize,
    waiting: VecDeque<Waiter>,
}

/// The caller who asked last and when, and the one who asked last before.
#[derive(Default)]
struct Latest([Option<(Caller, Instant)>; 2]);

impl Latest {
    fn note(&mut self, caller: &Caller) {
        let now = Instant::now();
        match &mut self.0[0] {
            Some((latest, at)) if latest == caller => *at = now,
            _ => {
                self.0.swap(0, 1);
                self.0[0] = Some((caller.clone(), now));
            }
        }
    }

    /// Whether another than `caller` has asked a moment ago.
    fn has_another(&self, caller: &Caller) -> bool {
        let is_active =
            |(other, at): &(Caller, Instant)| other != caller && at.elapsed() < ACTIVE_FOR;
        self.0.iter().flatten().any(is_active)
    }
}

struct Waiter {
    id: u64,
    known: Known,
    /// Told which kind of permit it has, or dropped when the place in the queue goes to another caller.
    granted: oneshot::Sender<Kind>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Any,
    /// The one that is kept for quick queries.
    Kept,
}

/// A permit to run queries. It is given back when the last reference to it is dropped.
pub(super) struct RunPermit {
    queue: Arc<Shared>,
    caller: Caller,
    kind: Kind,
    known: Known,
}

impl Queue {
    /// `at_once` queries run, and `waiting` more wait for no longer than `timeout`. Callers are held to a part of them, and
    /// where that leaves enough one of the permits is for quick queries.
    pub(super) fn new(at_once: u32, waiting: u32, timeout: Duration) -> Self {
        let (at_once, longest) = (at_once.max(1) as usize, waiting as usize);
        let is_kept_free = at_once >= FEWEST_WITH_KEPT;
        let free = at_once - usize::from(is_kept_free);
        let most_of_one = at_once.div_ceil(2);
        let most_unended = (at_once / 4).max(1);
        let limits = State { most_of_one, most_unended, ..State::default() };
        let state = Mutex::new(State { free, is_kept_free, ..limits });
        Self(Arc::new(Shared { state, longest, timeout }))
    }

    /// How much of it is used at present.
    pub(super) fn usage(&self) -> QueueUsage {
        let state = self.0.state();
        let of_all = |count: fn(&OfCaller) -> usize| state.callers.values().map(count).sum();
        let unended: usize = of_all(|of| of.unended);
        let taken: usize = of_all(|of| of.running);
        QueueUsage {
            free: state.free + usize::from(state.is_kept_free),
            running: taken.saturating_sub(unended),
            unended,
            waiting: state.waiting,
        }
    }

    /// Waits for a permit for `caller`; metricd itself is none. A quick query may have the one that is kept for those if
    /// its caller has no other. A caller runs half of all at once where another has asked a moment ago, and no more of
    /// queries that were not tried in any case.
    ///
    /// # Errors
    /// [`RunError::QueueFull`] at once when too many wait, [`RunError::Unavailable`] after the time-out, or when queries of
    /// the caller that could not be ended hold a quarter of all permits.
    pub(super) async fn acquire(
        &self,
        caller: Option<&Identity>,
        known: Known,
    ) -> Result<Arc<RunPermit>, RunError> {
        let caller = Caller::of(caller);
        let (id, granted) = {
            let mut state = self.0.state();
            if caller.0.is_some() {
                state.latest.note(&caller);
            }
            let unended = state.callers.get(&caller).map_or(0, |of| of.unended);
            if caller.0.is_some() && unended >= state.most_unended {
                return Err(RunError::Unavailable(UnendedQueries(unended).into()));
            }
            if let Some(kind) = state.take(&caller, known) {
                return Ok(self.0.permit(caller, kind, known));
            }
            if state.waiting >= self.0.longest && !state.make_room(&caller) {
                return Err(RunError::QueueFull);
            }
            state.enqueue(&caller, known)
        };
        // Leaves the queue if it is dropped before it has the permit.
        let mut place = Place { queue: &self.0, caller: &caller, id, known, granted };
        let granted = tokio::time::timeout(self.0.timeout, &mut place.granted).await;
        match granted {
            Ok(Ok(kind)) => Ok(self.0.permit(caller.clone(), kind, known)),
            Ok(Err(_)) => Err(RunError::QueueFull),
            Err(_) => Err(RunError::Unavailable(QueueTimeout.into())),
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn permit(self: &Arc<Self>, caller: Caller, kind: Kind, known: Known) -> Arc<RunPermit> {
        Arc::new(RunPermit { queue: Arc::clone(self), caller, kind, known })
    }
}

impl State {
    /// Whether a caller may run one more of what is so known.
    fn may_run(&self, caller: &Caller, known: Known) -> bool {
        let Some(of) = self.callers.get(caller).filter(|_| caller.0.is_some()) else { return true };
        let has_room = of.running < self.most_of_one || !self.latest.has_another(caller);
        let may_try = known.is_tried || of.untried < self.most_of_one;
        of.unended < self.most_unended && has_room && may_try
    }

    /// Takes a permit that is free: no query that may run waits for it.
    fn take(&mut self, caller: &Caller, known: Known) -> Option<Kind> {
        if !self.may_run(caller, known) {
            return None;
        }
        let running = self.callers.get(caller).map_or(0, |of| of.running);
        let kind = if self.free > 0 {
            self.free -= 1;
            Kind::Any
        } else if known.is_quick && self.is_kept_free && running == 0 {
            self.is_kept_free = false;
            Kind::Kept
        } else {
            return None;
        };
        self.begin(caller, known);
        Some(kind)
    }

    fn begin(&mut self, caller: &Caller, known: Known) {
        let of = self.callers.entry(caller.clone()).or_default();
        of.running += 1;
        of.untried += usize::from(!known.is_tried);
    }

    /// Has the last of the caller that waits for most leave the queue, if that is more than `caller` would then wait for.
    fn make_room(&mut self, caller: &Caller) -> bool {
        let own = self.callers.get(caller).map_or(0, |of| of.waiting.len());
        let most = self.callers.iter().max_by_key(|(_, of)| of.waiting.len());
        let Some((most, _)) = most.filter(|(_, of)| of.waiting.len() > own + 1) else {
            return false;
        };
        let most = most.clone();
        if let Some(of) = self.callers.get_mut(&most) {
            of.waiting.pop_back();
            self.waiting -= 1;
        }
        true
    }

    fn enqueue(&mut self, caller: &Caller, known: Known) -> (u64, oneshot::Receiver<Kind>) {
        let (granted, receiver) = oneshot::channel();
        let id = self.next_id;
        self.next_id += 1;
        let of = self.callers.entry(caller.clone()).or_default();
        if of.waiting.is_empty() {
            self.turns.push_back(caller.clone());
        }
        of.waiting.push_back(Waiter { id, known, granted });
        self.waiting += 1;
        (id, receiver)
    }

    /// Takes back a permit of `caller`, and gives it to the next in turn.
    fn give_back(&mut self, caller: &Caller, kind: Kind, known: Known) {
        if let Some(of) = self.callers.get_mut(caller) {
            of.running -= 1;
            of.untried -= usize::from(!known.is_tried);
        }
        match kind {
            Kind::Any => self.free += 1,
            Kind::Kept => self.is_kept_free = true,
        }
        self.grant();
        self.forget(caller);
    }

    /// Gives the free permits to those that wait: one to a caller, then to the next.
    fn grant(&mut self) {
        while self.free > 0 {
            let Some(waiting) = self.next(|_, _| true) else { break };
            self.free -= 1;
            self.admit(waiting, Kind::Any);
        }
        while self.is_kept_free {
            let is_quick = |of: &OfCaller, known: Known| known.is_quick && of.running == 0;
            let Some(waiting) = self.next(is_quick) else { break };
            self.is_kept_free = false;
            self.admit(waiting, Kind::Kept);
        }
    }

    /// The caller whose turn it is, and which of its queries may run: the first that is fit.
    fn next(&self, is_fit: impl Fn(&OfCaller, Known) -> bool) -> Option<(Caller, usize)> {
        self.turns.iter().find_map(|caller| {
            let of = self.callers.get(caller)?;
            let mut waiting = of.waiting.iter().map(|waiter| waiter.known);
            let at = waiting.position(|known| is_fit(of, known) && self.may_run(caller, known))?;
            Some((caller.clone(), at))
        })
    }

    fn admit(&mut self, (caller, at): (Caller, usize), kind: Kind) {
        let waiter = self.callers.get_mut(&caller).and_then(|of| of.waiting.remove(at));
        self.turns.retain(|other| *other != caller);
        if let Some(waiter) = waiter {
            self.waiting -= 1;
            self.begin(&caller, waiter.known);
            // A place holds on to its receiver until it has left the queue.
            let _ = waiter.granted.send(kind);
        }
        self.keep_turn(caller);
    }

    /// The caller has another turn if more of its queries wait.
    fn keep_turn(&mut self, caller: Caller) {
        if self.callers.get(&caller).is_some_and(|of| !of.waiting.is_empty()) {
            self.turns.push_back(caller);
        }
    }

    fn forget(&mut self, caller: &Caller) {
        let is_idle = |of: &OfCaller| of.running == 0 && of.waiting.is_empty();
        if self.callers.get(caller).is_some_and(is_idle) {
            self.callers.remove(caller);
        }
    }
}

/// A place in the queue.
struct Place<'a> {
    queue: &'a Arc<Shared>,
    caller: &'a Caller,
    id: u64,
    known: Known,
    granted: oneshot::Receiver<Kind>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.queue.state();
        // A permit that was granted and not taken.
        if let Ok(kind) = self.granted.try_recv() {
            state.give_back(self.caller, kind, self.known);
            return;
        }
        if let Some(of) = state.callers.get_mut(self.caller) {
            let before = of.waiting.len();
            of.waiting.retain(|waiter| waiter.id != self.id);
            let (left, is_last) = (before - of.waiting.len(), of.waiting.is_empty());
            state.waiting -= left;
            if is_last {
                state.turns.retain(|other| other != self.caller);
            }
        }
        state.forget(self.caller);
    }
}

impl RunPermit {
    /// The run that has the permit cannot be ended.
    pub(super) fn count_unended(self: &Arc<Self>) -> UnendedPermit {
        if let Some(of) = self.queue.state().callers.get_mut(&self.caller) {
            of.unended += 1;
        }
        UnendedPermit(Arc::clone(self))
    }
}

impl Drop for RunPermit {
    fn drop(&mut self) {
        self.queue.state().give_back(&self.caller, self.kind, self.known);
    }
}

/// A permit whose run cannot be ended, until it is gone.
pub(super) struct UnendedPermit(Arc<RunPermit>);

impl Drop for UnendedPermit {
    fn drop(&mut self) {
        if let Some(of) = self.0.queue.state().callers.get_mut(&self.0.caller) {
            of.unended -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::{BTreeMap, BTreeSet},
        future::Future,
        pin::Pin,
    };

    use super::*;

    type Acquiring<'a> = Pin<Box<dyn Future<Output = Result<Arc<RunPermit>, RunError>> + 'a>>;

    const TIMEOUT: Duration = Duration::from_secs(5);
    const TRIED: Known = Known { is_quick: false, is_tried: true };
    const QUICK: Known = Known { is_quick: true, is_tried: true };
    const UNTRIED: Known = Known { is_quick: false, is_tried: false };

    fn identity(subject: &str) -> Identity {
        Identity {
            issuer: "https://issuer.example".into(),
            subject: subject.into(),
            client: None,
            roles: BTreeSet::default(),
            scopes: BTreeSet::default(),
            claims: BTreeMap::default(),
        }
    }

    /// Waits in the queue from now on.
    async fn queued<'a>(queue: &'a Queue, caller: &'a Identity, known: Known) -> Acquiring<'a> {
        let mut waiting: Acquiring<'a> = Box::pin(queue.acquire(Some(caller), known));
        assert!(futures::poll!(&mut waiting).is_pending());
        waiting
    }

    #[tokio::test(start_paused = true)]
    async fn some_run_some_wait_and_the_rest_are_refused() {
        let queue = Queue::new(2, 1, TIMEOUT);
        let first = queue.acquire(None, TRIED).await.unwrap();
        let second = queue.acquire(None, TRIED).await.unwrap();
        let mut waiting = Box::pin(queue.acquire(None, TRIED));
        assert!(futures::poll!(&mut waiting).is_pending());
        assert!(matches!(queue.acquire(None, TRIED).await, Err(RunError::QueueFull)));

        // A permit that is still held somewhere is not free.
        let held = Arc::clone(&first);
        drop(first);
        assert!(futures::poll!(&mut waiting).is_pending());
        drop(held);
        let third = waiting.await.unwrap();
        let waited = queue.acquire(None, TRIED).await;
        assert!(matches!(waited, Err(RunError::Unavailable(_))));
        drop((second, third));
        queue.acquire(None, TRIED).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_query_that_stops_waiting_leaves_the_queue() {
        let queue = Queue::new(1, 1, TIMEOUT);
        let running = queue.acquire(None, TRIED).await.unwrap();
        for _ in 0..3 {
            let mut waiting = Box::pin(queue.acquire(None, TRIED));
            assert!(futures::poll!(&mut waiting).is_pending());
        }
        // One that has the permit and does not look any more.
        let mut granted = Box::pin(queue.acquire(None, TRIED));
        assert!(futures::poll!(&mut granted).is_pending());
        drop(running);
        drop(granted);
        drop(queue.acquire(None, TRIED).await.unwrap());
        assert!(queue.0.state().callers.is_empty() && queue.0.state().turns.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn callers_take_turns() {
        let queue = Queue::new(1, 100, TIMEOUT);
        let (ann, bob) = (identity("ann"), identity("bob"));
        let running = queue.acquire(Some(&ann), TRIED).await.unwrap();
        let mut of_ann = VecDeque::new();
        for _ in 0..12 {
            of_ann.push_back(queued(&queue, &ann, TRIED).await);
        }
        let of_bob = queued(&queue, &bob, TRIED).await;
        drop(running);
        // Ann has waited longer; then it is Bob's turn.
        let first = of_ann.pop_front().unwrap().await.unwrap();
        let mut second = of_ann.pop_front().unwrap();
        assert!(futures::poll!(&mut second).is_pending());
        drop(first);
        let bobs = of_bob.await.unwrap();
        assert!(futures::poll!(&mut second).is_pending());
        drop(bobs);
        drop(second.await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_makes_room_for_those_who_wait_for_less() {
        let queue = Queue::new(1, 3, TIMEOUT);
        let (ann, bob) = (identity("ann"), identity("bob"));
        let _running = queue.acquire(Some(&ann), TRIED).await.unwrap();
        let mut of_ann = Vec::new();
        for _ in 0..3 {
            of_ann.push(queued(&queue, &ann, TRIED).await);
        }
        assert!(matches!(queue.acquire(Some(&ann), TRIED).await, Err(RunError::QueueFull)));
        let _first_of_bob = queued(&queue, &bob, TRIED).await;
        let last = of_ann.pop().unwrap().await;
        assert!(matches!(last, Err(RunError::QueueFull)));
        // One more would be as many as Ann's.
        assert!(matches!(queue.acquire(Some(&bob), TRIED).await, Err(RunError::QueueFull)));
    }

    #[tokio::test(start_paused = true)]
    async fn one_permit_is_kept_for_the_first_quick_query_of_a_caller() {
        let (ann, bob) = (identity("ann"), identity("bob"));
        let queue = Queue::new(4, 100, TIMEOUT);
        let mut of_ann = Vec::new();
        for _ in 0..3 {
            of_ann.push(queue.acquire(Some(&ann), TRIED).await.unwrap());
        }
        let mut more = queued(&queue, &ann, QUICK).await;
        let quick = queue.acquire(Some(&bob), QUICK).await.unwrap();
        let mut slow = queued(&queue, &bob, TRIED).await;
        drop(quick);
        assert!(futures::poll!(&mut slow).is_pending(), "it is not quick");
        assert!(futures::poll!(&mut more).is_pending(), "Ann has others");
        // She may run two while Bob is there.
        drop((slow, of_ann.pop(), of_ann.pop()));
        let last = more.await.unwrap();
        let quick = queue.acquire(Some(&bob), QUICK).await.unwrap();
        drop((last, quick, of_ann));

        let few = Queue::new(3, 100, TIMEOUT);
        for _ in 0..3 {
            std::mem::forget(few.acquire(Some(&ann), TRIED).await.unwrap());
        }
        drop(queued(&few, &bob, QUICK).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_runs_half_at_once_of_what_was_not_tried() {
        let (ann, bob) = (identity("ann"), identity("bob"));
        let queue = Queue::new(8, 100, TIMEOUT);
        let mut of_ann = Vec::new();
        for _ in 0..4 {
            of_ann.push(queue.acquire(Some(&ann), UNTRIED).await.unwrap());
        }
        let mut fifth = queued(&queue, &ann, UNTRIED).await;
        let tried = queue.acquire(Some(&ann), TRIED).await.unwrap();
        let of_bob = queue.acquire(Some(&bob), UNTRIED).await.unwrap();
        drop((tried, of_bob));
        assert!(futures::poll!(&mut fifth).is_pending(), "there is room, but not for this");
        drop(of_ann.pop());
        drop(fifth.await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_runs_half_at_once_while_another_is_active() {
        let (ann, bob) = (identity("ann"), identity("bob"));
        let queue = Queue::new(8, 100, TIMEOUT);
        drop(queue.acquire(Some(&bob), TRIED).await.unwrap());
        let mut of_ann = Vec::new();
        for _ in 0..4 {
            of_ann.push(queue.acquire(Some(&ann), TRIED).await.unwrap());
        }
        let mut fifth = queued(&queue, &ann, TRIED).await;
        let of_bob = queue.acquire(Some(&bob), TRIED).await.unwrap();
        assert!(futures::poll!(&mut fifth).is_pending());
        drop(of_ann.pop());
        of_ann.push(fifth.await.unwrap());
        drop(of_bob);
        tokio::time::advance(ACTIVE_FOR).await;
        // By herself she has all but the one that is kept.
        for _ in 4..7 {
            of_ann.push(queue.acquire(Some(&ann), TRIED).await.unwrap());
        }
        drop(queued(&queue, &ann, TRIED).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_whose_queries_cannot_be_ended_begins_no_more() {
        let (ann, bob) = (identity("ann"), identity("bob"));
        let queue = Queue::new(8, 100, TIMEOUT);
        let permits = [
            queue.acquire(Some(&ann), TRIED).await.unwrap(),
            queue.acquire(Some(&ann), TRIED).await.unwrap(),
        ];
        let one = permits[0].count_unended();
        assert!(queue.acquire(Some(&ann), TRIED).await.is_ok());
        let two = permits[1].count_unended();
        let refused = queue.acquire(Some(&ann), TRIED).await;
        assert!(matches!(refused, Err(RunError::Unavailable(_))));
        assert!(queue.acquire(Some(&bob), TRIED).await.is_ok());
        drop((one, permits));
        assert!(queue.acquire(Some(&ann), TRIED).await.is_ok(), "one is gone");
        drop(two);
        assert!(queue.0.state().callers.is_empty());
    }
}

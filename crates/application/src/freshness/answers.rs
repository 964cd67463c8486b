//! Finished answers, kept for those who ask the same again.

use std::{
    future::Future,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use ahash::RandomState;
use bytes::Bytes;
use chrono::{DateTime, NaiveTime, Utc};
use metricd_core::{
    answer_key::{AnswerKey, Validity},
    changes::Snapshot,
};
use moka::sync::Cache;
use tracing::{Instrument, debug};

use super::{
    change_feed::ChangeFeed,
    definitions::{Definition, DefinitionCache, ResolvedDependencies},
    single_flight::{Aborted, SingleFlight},
    versions::{Dependencies, DependencyKey},
};
use crate::{
    metrics::GetError,
    ports::{AnswerDraft, AnswerWriter, RenderedAnswer, Rows, RunError},
};

/// How many ways there are to pack a body.
const PACKINGS: usize = 2;

/// What an entry takes beside what is counted of it, in the books of the cache and of the allocator:
/// `make bench ARGS=bound` tells.
const OVERHEAD: usize = 1_000;

/// How much longer than it is used an answer is kept, so that whoever asks is told that it has expired, and
/// not that there was none.
const EXPIRED_RETENTION: Duration = Duration::from_mins(1);

/// How answers are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheSettings {
    /// How long an answer is used again; not at all if zero.
    pub ttl: Duration,
    /// How much longer one is given while a newer one is fetched.
    pub max_stale: Duration,
    /// The most bytes that all answers may take.
    pub max_bytes: u64,
}

/// An answer that was read, and whether it is kept.
type Filled = Result<(Arc<Answer>, bool), Arc<RunError>>;

/// Keeps answers.
#[derive(Clone)]
pub struct AnswerCache {
    kept: Cache<AnswerKey, Arc<Answer>, RandomState>,
    single_flight: SingleFlight<AnswerKey, Arc<Dependencies>, Filled>,
    definitions: DefinitionCache,
    change_feed: Arc<ChangeFeed>,
    writer: Arc<dyn AnswerWriter>,
    settings: CacheSettings,
    /// Makes ids for the log that say nothing of what they stand for.
    names: RandomState,
}

/// A finished answer.
pub struct Answer {
    definition: Arc<Definition>,
    written: RenderedAnswer,
    packed: [OnceLock<Bytes>; PACKINGS],
    made: Made,
    fresh_for: Duration,
    lives_for: Duration,
}

/// How an answer's rows came about.
#[derive(Clone)]
struct Made {
    truncated: bool,
    as_of: DateTime<Utc>,
    /// When the rows were begun to be read.
    at: Instant,
    /// How long they can be right after that: to the end of the day that they depend on.
    bound: Option<Duration>,
    seen: Snapshot,
    dependencies: Arc<Dependencies>,
}

/// What somebody asks.
#[derive(Debug, Clone)]
pub struct Question {
    /// What is asked.
    pub key: AnswerKey,
    /// The metric that it is asked of.
    pub definition: Arc<Definition>,
    /// How old the answer may be at most, if the caller minds.
    pub max_age: Option<Duration>,
}

/// Rows as they were read.
#[derive(Debug)]
pub struct Fetched {
    /// The rows.
    pub rows: Rows,
    /// When they were read.
    pub as_of: DateTime<Utc>,
}

/// An answer, and where it comes from.
#[derive(Debug, Clone)]
pub struct Served {
    /// What was asked.
    pub question: Question,
    /// The answer.
    pub answer: Arc<Answer>,
    /// Where it comes from.
    pub source: Source,
}

/// Where an answer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// It was kept, and is used for so much longer.
    Kept {
        /// How much longer it is used; nothing if it is stale and a newer one is being fetched.
        fresh_for: Duration,
        /// How old it is.
        age: Duration,
    },
    /// It was read for this question.
    Read {
        /// MissReason.
        why: MissReason,
        /// Whether it is kept.
        stored: bool,
        /// Whether somebody else had asked before.
        collapsed: bool,
        /// How long it took.
        took: Duration,
    },
}

/// MissReason an answer was read from the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissReason {
    /// There was none.
    Absent,
    /// The one that was kept was too old, or its data had changed.
    Expired,
    /// The caller wished for a newer one.
    Bypassed,
    /// Such answers are not kept.
    Uncacheable,
}

impl std::fmt::Debug for AnswerCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AnswerCache").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").field("as_of", &self.made.as_of).finish_non_exhaustive()
    }
}

/// How long each is kept.
struct Lifetime;

impl moka::Expiry<AnswerKey, Arc<Answer>> for Lifetime {
    fn expire_after_create(
        &self,
        _: &AnswerKey,
        answer: &Arc<Answer>,
        _: Instant,
    ) -> Option<Duration> {
        let until = answer.lives_for.saturating_add(EXPIRED_RETENTION);
        Some(until.saturating_sub(answer.made.at.elapsed()))
    }

    fn expire_after_update(
        &self,
        key: &AnswerKey,
        answer: &Arc<Answer>,
        now: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        self.expire_after_create(key, answer, now)
    }
}

impl AnswerCache {
    /// Keeps what `writer` writes, as `settings` say and as long as `change_feed` has nothing to say against
    /// it.
    #[must_use]
    pub fn new(
        definitions: DefinitionCache,
        change_feed: Arc<ChangeFeed>,
        writer: Arc<dyn AnswerWriter>,
        settings: CacheSettings,
    ) -> Self {
        let kept = Cache::builder()
            .max_capacity(settings.max_bytes)
            .weigher(|key: &AnswerKey, answer: &Arc<Answer>| {
                u32::try_from(OVERHEAD + key.weight() + answer.weight()).unwrap_or(u32::MAX)
            })
            .expire_after(Lifetime)
            .build_with_hasher(RandomState::new());
        let (single_flight, names) = (SingleFlight::default(), RandomState::new());
        Self { kept, single_flight, definitions, change_feed, writer, settings, names }
    }

    /// The answer to a question: one that is kept, if it is as good as a new one, else what `read`
    /// reads, once for all who ask the same meanwhile.
    ///
    /// # Errors
    /// When it has to be read and cannot.
    pub async fn get<F>(
        &self,
        question: Question,
        read: impl FnOnce(&Question) -> F,
    ) -> Result<Served, GetError>
    where
        F: Future<Output = Result<Fetched, RunError>> + Send + 'static,
    {
        let (question, why) = if !self.keeps(&question) {
            (question, MissReason::Uncacheable)
        } else if question.max_age == Some(Duration::ZERO) {
            (question, MissReason::Bypassed)
        } else {
            match self.look_up(question).await? {
                Found::Fresh(served) => return Ok(served),
                Found::Stale(served) => {
                    // Whoever asked has an answer; the new one is for those to come.
                    self.refresh(served.question.clone(), read(&served.question));
                    return Ok(served);
                }
                Found::Nothing(question, why) => (question, why),
            }
        };
        self.log(
            &question.key,
            if why == MissReason::Expired { "Cache expired" } else { "Cache miss" },
        );
        // What is rare lies elsewhere, so that the rest is small to move.
        Box::pin(self.fetch(question, why, read)).await
    }

    fn refresh<F>(&self, question: Question, read: F)
    where
        F: Future<Output = Result<Fetched, RunError>> + Send + 'static,
    {
        let answers = self.clone();
        let refresh = async move {
            let _ = answers.fetch(question, MissReason::Expired, |_| read).await;
        };
        tokio::spawn(refresh.in_current_span());
    }

    fn keeps(&self, question: &Question) -> bool {
        let validity = question.key.validity();
        !self.ttl(&question.definition).is_zero() && validity != Validity::Moment
    }

    /// How long answers of a metric are used again.
    fn ttl(&self, definition: &Definition) -> Duration {
        let own = definition.compiled.metric.details.cache_ttl;
        own.map_or(self.settings.ttl, |ttl| Duration::from_secs(ttl.seconds().into()))
    }

    /// Keeps a packed form of an answer's body beside it, by the number of the packing. Gives the one that
    /// is kept.
    pub fn keep_packed(
        &self,
        key: &AnswerKey,
        answer: &Arc<Answer>,
        packing: usize,
        packed: Bytes,
    ) -> Bytes {
        let Some(place) = answer.packed.get(packing) else { return packed };
        let packed = place.get_or_init(|| packed).clone();
        // It weighs more now.
        if self.kept.get(key).is_some_and(|kept| Arc::ptr_eq(&kept, answer)) {
            self.kept.insert(key.clone(), Arc::clone(answer));
        }
        packed
    }

    /// How many bytes are kept, about.
    #[must_use]
    pub fn bytes_kept(&self) -> u64 {
        self.kept.run_pending_tasks();
        self.kept.weighted_size()
    }

    async fn look_up(&self, question: Question) -> Result<Found, GetError> {
        self.change_feed.ensure_fresh().await?;
        let Some(answer) = self.kept.get(&question.key) else {
            return Ok(Found::Nothing(question, MissReason::Absent));
        };
        let made = &answer.made;
        if !made.dependencies.is_current(&made.seen) {
            return Ok(Found::Nothing(question, MissReason::Expired));
        }
        let age = made.at.elapsed();
        if question.max_age.is_some_and(|max_age| age > max_age) {
            return Ok(Found::Nothing(question, MissReason::Bypassed));
        }
        let answer = self.dressed(&question, answer);
        let is_fresh = age < answer.fresh_for;
        if !is_fresh && age >= answer.lives_for {
            return Ok(Found::Nothing(question, MissReason::Expired));
        }
        self.log(&question.key, if is_fresh { "Cache hit" } else { "Cache stale" });
        let source = Source::Kept { fresh_for: answer.fresh_for.saturating_sub(age), age };
        let served = Served { question, answer, source };
        Ok(if is_fresh { Found::Fresh(served) } else { Found::Stale(served) })
    }

    /// The answer as the metric is now: a moved tile leaves the rows as they are.
    fn dressed(&self, question: &Question, answer: Arc<Answer>) -> Arc<Answer> {
        if Arc::ptr_eq(&answer.definition, &question.definition) {
            return answer;
        }
        let anew = self.written(question, &answer.rows(), answer.made.clone());
        self.kept.insert(question.key.clone(), Arc::clone(&anew));
        anew
    }

    fn written(&self, question: &Question, rows: &[u8], made: Made) -> Arc<Answer> {
        let written = self.writer.write(AnswerDraft {
            compiled: &question.definition.compiled,
            parameters: question.key.parameters(),
            rows,
            truncated: made.truncated,
            as_of: made.as_of,
        });
        let bound = made.bound.unwrap_or(Duration::MAX);
        let fresh_for = self.ttl(&question.definition).min(bound);
        let lives_for = fresh_for.saturating_add(self.settings.max_stale).min(bound);
        let definition = Arc::clone(&question.definition);
        let packed = Default::default();
        Arc::new(Answer { definition, written, packed, made, fresh_for, lives_for })
    }

    /// Reads, once for all who ask the same meanwhile.
    async fn fetch<F>(
        &self,
        question: Question,
        why: MissReason,
        read: impl FnOnce(&Question) -> F,
    ) -> Result<Served, GetError>
    where
        F: Future<Output = Result<Fetched, RunError>> + Send + 'static,
    {
        let asked = Instant::now();
        let ResolvedDependencies { keys, is_whole } =
            self.definitions.keys(&question.definition.tables).await?;
        let query = DependencyKey::Query(question.definition.compiled.query.id.clone());
        let (key, asked_for) = (question.key.clone(), question.clone());
        let takes_any = question.max_age != Some(Duration::ZERO);
        // Whoever asks after a change must not get what was begun before it.
        let may_join = |dependencies: &Arc<Dependencies>| takes_any && dependencies.is_unchanged();
        let begin = || {
            let dependencies =
                Arc::new(self.change_feed.versions().watch(keys.into_iter().chain([query])));
            let (ticket, answers, read) =
                (Arc::clone(&dependencies), self.clone(), read(&question));
            (ticket, async move { answers.fill(question, why, dependencies, is_whole, read).await })
        };
        let (landed, collapsed) = self.single_flight.join(key, may_join, begin).await;
        let broke_off = |error: Aborted| Arc::new(RunError::Failed(error.into()));
        let (answer, stored) = landed.map_err(broke_off).flatten()?;
        let took = asked.elapsed();
        let source = Source::Read { why, stored, collapsed, took };
        Ok(Served { question: asked_for, answer, source })
    }

    async fn fill(
        self,
        question: Question,
        why: MissReason,
        dependencies: Arc<Dependencies>,
        is_whole: bool,
        read: impl Future<Output = Result<Fetched, RunError>>,
    ) -> Filled {
        let at = Instant::now();
        let Fetched { rows, as_of } = read.await?;
        let end = match question.key.validity() {
            Validity::Until(end) => Some(end),
            // A view may look at the clock, which is UTC's in the database.
            Validity::Always if !is_whole => Some(next_day(as_of)),
            Validity::Always | Validity::Moment => None,
        };
        let bound = end.map(|end| (end - as_of).to_std().unwrap_or_default());
        let made =
            Made { truncated: rows.truncated, as_of, at, bound, seen: rows.snapshot, dependencies };
        let answer = self.written(&question, rows.json.as_bytes(), made);
        let made = &answer.made;
        let is_current = || {
            made.dependencies.is_current(&made.seen)
                && question.definition.dependencies.is_unchanged()
        };
        let stored = why != MissReason::Uncacheable && is_current();
        let is_newer = |kept: Arc<Answer>| kept.made.at > at;
        if stored && !self.kept.get(&question.key).is_some_and(is_newer) {
            self.kept.insert(question.key, Arc::clone(&answer));
        }
        Ok((answer, stored))
    }

    fn log(&self, key: &AnswerKey, what: &'static str) {
        if tracing::enabled!(tracing::Level::DEBUG) {
            let answer = format_args!("{:016x}", self.names.hash_one(key)).to_string();
            debug!(answer, "{what}");
        }
    }
}

impl Answer {
    /// The body that callers get.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.written.body
    }

    /// Names everything in the body but the instant.
    #[must_use]
    pub fn tag(&self) -> &str {
        &self.written.tag
    }

    /// The rows alone: a JSON array of objects.
    #[must_use]
    pub fn rows(&self) -> Bytes {
        self.written.body.slice(self.written.rows.clone())
    }

    /// Whether rows were left out because there were more than allowed.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.made.truncated
    }

    /// The metric that was asked.
    #[must_use]
    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    /// A packed form of the body, if it is kept.
    #[must_use]
    pub fn packed(&self, packing: usize) -> Option<&Bytes> {
        self.packed.get(packing)?.get()
    }

    fn weight(&self) -> usize {
        let packed: usize = self.packed.iter().filter_map(OnceLock::get).map(Bytes::len).sum();
        let bodies = self.body().len() + packed;
        // The allocator's sizes are an eighth apart.
        size_of::<Self>() + self.made.dependencies.weight() + bodies + bodies / 8
    }
}

/// When the day after an instant's begins in UTC.
fn next_day(instant: DateTime<Utc>) -> DateTime<Utc> {
    let next = instant.date_naive().succ_opt();
    next.map_or(instant, |day| day.and_time(NaiveTime::MIN).and_utc())
}

/// What was kept.
enum Found {
    Fresh(Served),
    /// Good enough until a newer one is there.
    Stale(Served),
    Nothing(Question, MissReason),
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use metricd_core::{
        actor::Actor,
        changes::{Change, Changed, TransactionId},
        parameters::{ParameterRequest, Parameters},
    };
    use tokio::sync::oneshot;

    use super::{
        super::samples::{Shelf, change_feed, id},
        *,
    };
    use crate::ports::ChangeSink as _;

    struct RowsAlone;

    impl AnswerWriter for RowsAlone {
        fn write(&self, answer: AnswerDraft<'_>) -> RenderedAnswer {
            let body = Bytes::copy_from_slice(answer.rows);
            RenderedAnswer { rows: 0..body.len(), body, tag: "".into() }
        }
    }

    fn answers(ttl: Duration, max_stale: Duration) -> AnswerCache {
        let change_feed = change_feed();
        let shelf = Arc::new(Shelf::default());
        let definitions = DefinitionCache::new(shelf, Arc::clone(&change_feed), 1 << 20);
        let settings = CacheSettings { ttl, max_stale, max_bytes: 1 << 20 };
        AnswerCache::new(definitions, change_feed, Arc::new(RowsAlone), settings)
    }

    #[expect(clippy::disallowed_methods, reason = "who asks does not matter here")]
    async fn question(answers: &AnswerCache) -> Question {
        let definition = answers.definitions.find(id(1)).await.unwrap().unwrap();
        let template = &definition.compiled.query.template;
        let (request, now) = (ParameterRequest::default(), Utc::now());
        let parameters = Parameters::resolve(&template.slots, &request, now).unwrap();
        let scope = Actor::operator().scope(&template.claims).unwrap();
        let key = AnswerKey::new(&definition.compiled, parameters, scope).unwrap();
        Question { key, definition, max_age: None }
    }

    /// Rows that see the transactions before `before`.
    fn fetched(rows: &str, before: u64) -> Fetched {
        let snapshot = format!("{before}:{before}:").parse().unwrap();
        let rows = Rows { json: rows.into(), truncated: false, snapshot };
        Fetched { rows, as_of: DateTime::UNIX_EPOCH }
    }

    /// Asks, where reading gives `rows` at once.
    async fn ask(answers: &AnswerCache, rows: &'static str) -> Served {
        let question = question(answers).await;
        answers.get(question, |_| async { Ok(fetched(rows, 1)) }).await.unwrap()
    }

    fn body(served: &Served) -> &[u8] {
        served.answer.body()
    }

    #[tokio::test]
    async fn what_is_too_old_is_given_while_it_is_read_again_once() {
        let answers = answers(Duration::from_millis(1), Duration::from_hours(1));
        let first = ask(&answers, "[1]").await;
        assert!(matches!(first.source, Source::Read { why: MissReason::Absent, stored: true, .. }));
        tokio::time::sleep(Duration::from_millis(10)).await;

        let (reads, (go, gone)) = (Arc::new(AtomicU32::new(0)), oneshot::channel::<()>());
        let mut gone = Some(gone);
        for _ in 0..3 {
            let (reads, gone) = (Arc::clone(&reads), gone.take());
            let read = |_: &Question| async move {
                reads.fetch_add(1, Ordering::Relaxed);
                if let Some(gone) = gone {
                    gone.await.unwrap();
                }
                Ok(fetched("[2]", 1))
            };
            let stale = answers.get(question(&answers).await, read).await.unwrap();
            assert_eq!(body(&stale), b"[1]");
            assert!(matches!(stale.source, Source::Kept { fresh_for: Duration::ZERO, .. }));
            // Lets what was begun for it run.
            tokio::task::yield_now().await;
        }
        assert_eq!(reads.load(Ordering::Relaxed), 1);
        go.send(()).unwrap();
        while body(&ask(&answers, "[2]").await) == b"[1]" {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn past_the_ceiling_nobody_is_given_it_whoever_reads_it_again() {
        let answers = answers(Duration::from_millis(1), Duration::from_millis(1));
        ask(&answers, "[1]").await;
        tokio::time::sleep(Duration::from_millis(10)).await;
        let (go, gone) = oneshot::channel::<()>();
        let asking = |gone: Option<oneshot::Receiver<()>>| {
            let answers = answers.clone();
            tokio::spawn(async move {
                let read = |_: &Question| async {
                    if let Some(gone) = gone {
                        gone.await.unwrap();
                    }
                    Ok(fetched("[2]", 1))
                };
                let question = question(&answers).await;
                answers.get(question, read).await.unwrap()
            })
        };
        let holding = asking(Some(gone));
        let waiting = asking(None);
        // As far as they get by themselves.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(!waiting.is_finished());
        go.send(()).unwrap();
        let served = waiting.await.unwrap();
        assert_eq!(body(&served), b"[2]");
        assert!(matches!(
            served.source,
            Source::Read { why: MissReason::Expired, collapsed: true, .. }
        ));
        holding.await.unwrap();
    }

    #[tokio::test]
    async fn what_was_read_before_a_change_is_not_kept_after_it() {
        for (before, is_kept) in [(5, false), (6, true)] {
            let answers = answers(Duration::from_hours(1), Duration::from_hours(1));
            let (go, gone) = oneshot::channel::<()>();
            let reading = tokio::spawn({
                let (answers, question) = (answers.clone(), question(&answers).await);
                async move {
                    let read = |_: &Question| async move {
                        gone.await.unwrap();
                        Ok(fetched("[1]", before))
                    };
                    answers.get(question, read).await.unwrap()
                }
            });
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            let orders = question(&answers).await.definition.tables[0].table.clone();
            let what = Changed::rows_of(&orders);
            answers.change_feed.changed(&[Change { by: TransactionId(5), what }]);
            go.send(()).unwrap();
            let read = reading.await.unwrap();
            let Source::Read { stored, .. } = read.source else {
                panic!("there was nothing to be kept yet")
            };
            assert_eq!(stored, is_kept);
            let next = ask(&answers, "[2]").await;
            assert_eq!(body(&next), if is_kept { b"[1]" } else { b"[2]" });
        }
    }
}

//! The answer cache: finished answers, served until what they were made from changes or their time is over.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use ahash::RandomState;
use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use metricd_core::answer_key::{AnswerKey, Validity};
use moka::sync::Cache;
use prometheus_client::registry::Registry;
use thiserror::Error;
use tracing::{debug, warn};

use super::{
    answer::{Answer, AnswerLifetime, AnswerSource, MissReason, Provenance, SourcedAnswer},
    bound_query::BoundQuery,
    cache_metrics::CacheMetrics,
    change_feed::{ChangeFeed, Fresh},
    definition_cache::{Definition, DefinitionCache},
    single_flight::{Aborted, SingleFlight},
    versions::Dependencies,
};
use crate::{
    error_chain,
    ports::{AnswerDraft, AnswerWriter, Rows, RunError, StoreError},
    supervisor::Supervisor,
};

/// The memory of an entry beside what is counted of it, in the cache's own records and the allocator's, in bytes:
/// `make bench ARGS=bound` measures it.
const OVERHEAD_BYTES: usize = 1_000;

/// From so many bytes of rows on, an answer takes too long to be rendered on a thread of the runtime.
const LARGE_BYTES: usize = 256 * 1_024;

/// How much longer than it is served an answer is kept, so that a later caller is told that it has expired
/// and not that there was none.
const EXPIRED_RETENTION: Duration = Duration::from_mins(1);

/// How long and how much answers are cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerCacheSettings {
    /// How long an answer is fresh; zero: answers are not cached.
    pub ttl: Duration,
    /// How much longer a stale one is served while it is refreshed.
    pub max_stale: Duration,
    /// The most bytes that all answers may take.
    pub max_bytes: u64,
}

/// Reads the rows of an answer that is not cached.
#[async_trait]
pub trait RowSource: Send + Sync {
    /// Runs the query and returns its rows.
    ///
    /// # Errors
    /// See [`RunError`].
    async fn read(&self, query: &BoundQuery) -> Result<TimedRows, RunError>;
}

/// Rows with the instant at which they were read.
#[derive(Debug)]
pub struct TimedRows {
    /// The rows.
    pub rows: Rows,
    /// When the read began.
    pub as_of: DateTime<Utc>,
}

/// Why there is no answer.
#[derive(Debug, Clone, Error)]
pub enum FetchError {
    /// The query could not be run.
    #[error(transparent)]
    Run(#[from] Arc<RunError>),
    /// The log of changes, or what the query's tables depend on, could not be read.
    #[error(transparent)]
    Store(#[from] Arc<StoreError>),
}

/// An answer that was read, as concurrent callers share it, and whether it was stored.
type Shared = Result<(Arc<Answer>, bool), Arc<RunError>>;

/// Caches answers, up to a bound in bytes.
#[derive(Clone)]
pub struct AnswerCache {
    entries: Cache<AnswerKey, Arc<Answer>, RandomState>,
    single_flight: SingleFlight<AnswerKey, Arc<Dependencies>, Shared>,
    definitions: DefinitionCache,
    change_feed: Arc<ChangeFeed>,
    source: Arc<dyn RowSource>,
    writer: Arc<dyn AnswerWriter>,
    supervisor: Supervisor,
    settings: AnswerCacheSettings,
    metrics: CacheMetrics,
    /// Makes ids for the log that reveal nothing of the keys.
    log_ids: RandomState,
}

/// What a look-up finds.
enum LookUp {
    Fresh(SourcedAnswer),
    /// Good enough until a newer one is there.
    Stale(SourcedAnswer),
    Miss(BoundQuery, MissReason),
}

impl std::fmt::Debug for AnswerCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AnswerCache").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Expires each entry by its own lifetime.
struct EntryExpiry;

impl moka::Expiry<AnswerKey, Arc<Answer>> for EntryExpiry {
    fn expire_after_create(
        &self,
        _: &AnswerKey,
        answer: &Arc<Answer>,
        _: Instant,
    ) -> Option<Duration> {
        let until = answer.lifetime.servable_for.saturating_add(EXPIRED_RETENTION);
        Some(until.saturating_sub(answer.provenance.read_at.elapsed()))
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
    /// Caches what `source` reads and `writer` renders, as `settings` say and as long as `change_feed` reports no
    /// change of it. Refreshes of stale answers run under `supervisor`.
    #[must_use]
    pub fn new(
        definitions: DefinitionCache,
        change_feed: Arc<ChangeFeed>,
        source: Arc<dyn RowSource>,
        writer: Arc<dyn AnswerWriter>,
        supervisor: Supervisor,
        settings: AnswerCacheSettings,
    ) -> Self {
        let entries = Cache::builder()
            .max_capacity(settings.max_bytes)
            .weigher(|key: &AnswerKey, answer: &Arc<Answer>| {
                u32::try_from(OVERHEAD_BYTES + key.weight() + answer.weight()).unwrap_or(u32::MAX)
            })
            .expire_after(EntryExpiry)
            .build_with_hasher(RandomState::new());
        Self {
            entries,
            single_flight: SingleFlight::default(),
            definitions,
            change_feed,
            source,
            writer,
            supervisor,
            settings,
            metrics: CacheMetrics::default(),
            log_ids: RandomState::new(),
        }
    }

    /// Returns the answer to `query`: the cached one, if it is as good as a new one and no older than `max_age`,
    /// else one that is read, once for all concurrent callers; a `max_age` of zero asks for a new one of its own.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn get(
        &self,
        query: BoundQuery,
        max_age: Option<Duration>,
        fresh: Fresh,
    ) -> Result<SourcedAnswer, FetchError> {
        let (query, reason) = if !self.is_cacheable(&query) {
            (query, MissReason::Uncacheable)
        } else if max_age == Some(Duration::ZERO) {
            (query, MissReason::Bypassed)
        } else {
            match self.look_up(query, max_age, fresh) {
                LookUp::Fresh(answer) => {
                    self.metrics.hit.inc();
                    return Ok(answer);
                }
                LookUp::Stale(answer) => {
                    self.metrics.hit.inc();
                    self.refresh(&answer);
                    return Ok(answer);
                }
                LookUp::Miss(query, reason) => (query, reason),
            }
        };
        self.metrics.missed(reason);
        let is_expired = reason == MissReason::Expired;
        self.log(query.key(), if is_expired { "Cache expired" } else { "Cache miss" });
        // A miss is rare: boxed, it keeps the future of a hit small.
        Box::pin(self.fetch(query, max_age, reason)).await
    }

    /// Keeps the compressed body of an answer beside it, by the number of its encoding, and returns the one that is
    /// kept.
    pub fn keep_encoded(
        &self,
        key: &AnswerKey,
        answer: &Arc<Answer>,
        encoding: usize,
        body: Bytes,
    ) -> Bytes {
        let Some(kept) = answer.encode(encoding, body.clone()) else { return body };
        // Inserted again, it is weighed again.
        if self.entries.get(key).is_some_and(|entry| Arc::ptr_eq(&entry, answer)) {
            self.entries.insert(key.clone(), Arc::clone(answer));
        }
        kept
    }

    /// The bytes that the entries take, approximately.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.entries.run_pending_tasks();
        self.entries.weighted_size()
    }

    /// The most bytes that the entries may take.
    #[must_use]
    pub fn max_bytes(&self) -> u64 {
        self.settings.max_bytes
    }

    /// The number of entries, approximately.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.entries.entry_count()
    }

    /// Adds what is counted of look-ups to `registry`.
    pub fn register(&self, registry: &mut Registry) {
        self.metrics.register(registry);
    }

    /// Refreshes a stale answer in the background, unless that is being done. Its caller has an answer; the new one
    /// is for later ones.
    fn refresh(&self, SourcedAnswer { query, answer, .. }: &SourcedAnswer) {
        if answer.is_refreshing.swap(true, Ordering::Relaxed) {
            return;
        }
        let (cache, query, stale) = (self.clone(), query.clone(), Arc::clone(answer));
        self.supervisor.spawn("refresh of a stale answer", async move |stopping| {
            let metric = query.definition().compiled.metric.id;
            let fetch = cache.fetch(query, None, MissReason::Expired);
            if let Some(Err(error)) = stopping.run_until_cancelled(fetch).await {
                warn!(%metric, error = error_chain(&error), "Refresh failed; serving the stale value");
            }
            stale.is_refreshing.store(false, Ordering::Relaxed);
        });
    }

    fn is_cacheable(&self, query: &BoundQuery) -> bool {
        !self.ttl(query.definition()).is_zero() && query.validity() != Validity::Moment
    }

    /// How long answers of a metric are fresh.
    fn ttl(&self, definition: &Definition) -> Duration {
        let own = definition.compiled.metric.details.cache_ttl;
        own.map_or(self.settings.ttl, |ttl| Duration::from_secs(ttl.seconds().into()))
    }

    fn look_up(&self, query: BoundQuery, max_age: Option<Duration>, _: Fresh) -> LookUp {
        let Some(answer) = self.entries.get(query.key()) else {
            return LookUp::Miss(query, MissReason::Absent);
        };
        if !answer.is_current() {
            return LookUp::Miss(query, MissReason::Expired);
        }
        let age = answer.provenance.read_at.elapsed();
        if max_age.is_some_and(|max_age| age > max_age) {
            return LookUp::Miss(query, MissReason::Bypassed);
        }
        let answer = self.with_definition(&query, answer);
        let AnswerLifetime { fresh_for, servable_for } = answer.lifetime;
        let is_fresh = age < fresh_for;
        if !is_fresh && age >= servable_for {
            return LookUp::Miss(query, MissReason::Expired);
        }
        self.log(query.key(), if is_fresh { "Cache hit" } else { "Cache stale" });
        let source = AnswerSource::Hit { fresh_for: fresh_for.saturating_sub(age), age };
        let answer = SourcedAnswer { query, answer, source };
        if is_fresh { LookUp::Fresh(answer) } else { LookUp::Stale(answer) }
    }

    /// The answer under the metric's present definition: a moved tile changes the body and leaves the rows.
    fn with_definition(&self, query: &BoundQuery, answer: Arc<Answer>) -> Arc<Answer> {
        if Arc::ptr_eq(&answer.definition, query.definition()) {
            return answer;
        }
        let rendered = self.render(query, &answer.rows(), answer.provenance.clone());
        self.entries.insert(query.key().clone(), Arc::clone(&rendered));
        rendered
    }

    fn render(&self, query: &BoundQuery, rows: &[u8], provenance: Provenance) -> Arc<Answer> {
        let description = query.description();
        let head = query
            .definition()
            .head(description, |compiled| self.writer.write_head(compiled, &description.columns));
        let rendered = self.writer.write(AnswerDraft {
            head: &head,
            parameters: query.parameters(),
            rows,
            truncated: provenance.truncated,
            as_of: provenance.as_of,
        });
        let valid_for = provenance.valid_for.unwrap_or(Duration::MAX);
        let fresh_for = self.ttl(query.definition()).min(valid_for);
        let servable_for = fresh_for.saturating_add(self.settings.max_stale).min(valid_for);
        let lifetime = AnswerLifetime { fresh_for, servable_for };
        let (definition, encodings) = (Arc::clone(query.definition()), self.writer.encodings());
        Arc::new(Answer::new(definition, rendered, encodings, provenance, lifetime))
    }

    /// Reads an answer, once for all concurrent callers.
    async fn fetch(
        &self,
        query: BoundQuery,
        max_age: Option<Duration>,
        reason: MissReason,
    ) -> Result<SourcedAnswer, FetchError> {
        let asked = Instant::now();
        let dependencies =
            self.definitions.row_dependencies(query.definition(), query.description());
        let rows = dependencies.await.map_err(Arc::new)?;
        let capture = || Arc::new(self.change_feed.versions().capture(&rows.keys));
        let (result, collapsed) = if max_age == Some(Duration::ZERO) {
            // A caller that wants a new answer takes nothing that others have begun, and pays alone for its own.
            (self.fill(&query, reason, capture(), rows.is_whole).await, false)
        } else {
            // A caller that comes after a change must not get what was begun before it.
            let may_join = |dependencies: &Arc<Dependencies>| dependencies.is_unchanged();
            let begin = || {
                let (dependencies, is_whole) = (capture(), rows.is_whole);
                let (ticket, cache, query) =
                    (Arc::clone(&dependencies), self.clone(), query.clone());
                (ticket, async move { cache.fill(&query, reason, dependencies, is_whole).await })
            };
            let (result, joined) =
                self.single_flight.run(query.key().clone(), may_join, begin).await;
            let aborted = |error: Aborted| Arc::new(RunError::Failed(error.into()));
            (result.map_err(aborted).flatten(), joined)
        };
        let (answer, stored) = result?;
        let source = AnswerSource::Miss { reason, stored, collapsed, took: asked.elapsed() };
        Ok(SourcedAnswer { query, answer, source })
    }

    async fn fill(
        &self,
        query: &BoundQuery,
        reason: MissReason,
        dependencies: Arc<Dependencies>,
        is_whole: bool,
    ) -> Shared {
        let read_at = Instant::now();
        let TimedRows { rows, as_of } = self.source.read(query).await?;
        let valid_until = match query.validity() {
            // A view may read the clock, in the zone of its session.
            Validity::Until(end) if !is_whole => {
                Some(end.min(query.parameters().window.next_session_midnight()))
            }
            Validity::Always if !is_whole => {
                Some(query.parameters().window.next_session_midnight())
            }
            Validity::Until(end) => Some(end),
            Validity::Always | Validity::Moment => None,
        };
        // Of a copy that is behind: a change that is known already may not be among the rows.
        let is_behind = rows.behind.is_some();
        let behind = TimeDelta::from_std(rows.behind.unwrap_or_default());
        let provenance = Provenance {
            truncated: rows.truncated,
            as_of: as_of - behind.unwrap_or_default(),
            read_at,
            valid_for: valid_until.map(|end| (end - as_of).to_std().unwrap_or_default()),
            snapshot: rows.snapshot,
            dependencies,
            is_whole,
        };
        let answer = if rows.json.len() < LARGE_BYTES {
            self.render(query, rows.json.as_bytes(), provenance)
        } else {
            let (cache, query) = (self.clone(), query.clone());
            let render = move || cache.render(&query, rows.json.as_bytes(), provenance);
            let rendered = tokio::task::spawn_blocking(render).await;
            rendered.map_err(|error| Arc::new(RunError::Failed(error.into())))?
        };
        let stored = reason != MissReason::Uncacheable
            && !is_behind
            && answer.is_current()
            && query.definition().dependencies.is_unchanged();
        let is_newer = |entry: Arc<Answer>| entry.provenance.read_at > read_at;
        if stored && !self.entries.get(query.key()).is_some_and(is_newer) {
            self.entries.insert(query.key().clone(), Arc::clone(&answer));
        }
        Ok((answer, stored))
    }

    fn log(&self, key: &AnswerKey, event: &'static str) {
        if tracing::enabled!(tracing::Level::DEBUG) {
            let answer = format_args!("{:016x}", self.log_ids.hash_one(key)).to_string();
            debug!(answer, "{event}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::VecDeque,
        sync::{Mutex, atomic::AtomicU32},
    };

    use chrono_tz::Tz;
    use metricd_core::{
        actor::Actor,
        changes::{Change, Changed, TransactionId},
        metric::{Column, CompiledMetric},
        parameters::{ParameterRequest, Parameters},
    };
    use tokio::sync::oneshot;

    use super::{
        super::samples::{Shelf, change_feed, described_by, id},
        *,
    };
    use crate::ports::{AnswerHead, ChangeSink as _, RenderedAnswer};

    struct RowsAlone;

    impl AnswerWriter for RowsAlone {
        fn write_head(&self, _: &CompiledMetric, _: &[Column]) -> AnswerHead {
            AnswerHead { text: Box::default(), revision: "".into(), digest: [0; 32] }
        }

        fn write(&self, answer: AnswerDraft<'_>) -> RenderedAnswer {
            let body = Bytes::copy_from_slice(answer.rows);
            RenderedAnswer { rows: 0..body.len(), body, tag: "".into() }
        }

        fn encodings(&self) -> usize {
            1
        }
    }

    /// Returns the given rows in order, each when its gate opens.
    #[derive(Default)]
    struct Script {
        reads: AtomicU32,
        next: Mutex<VecDeque<Read>>,
    }

    struct Read {
        gate: Option<oneshot::Receiver<()>>,
        rows: &'static str,
        /// The rows see the transactions before this one.
        before: u64,
        behind: Option<Duration>,
    }

    impl Script {
        fn add(&self, rows: &'static str, before: u64) {
            self.next.lock().unwrap().push_back(Read { gate: None, rows, before, behind: None });
        }

        fn add_gated(&self, rows: &'static str, before: u64) -> oneshot::Sender<()> {
            let (open, gate) = oneshot::channel();
            self.next.lock().unwrap().push_back(Read {
                gate: Some(gate),
                rows,
                before,
                behind: None,
            });
            open
        }
    }

    #[async_trait]
    impl RowSource for Script {
        async fn read(&self, _: &BoundQuery) -> Result<TimedRows, RunError> {
            self.reads.fetch_add(1, Ordering::Relaxed);
            let read = self.next.lock().unwrap().pop_front().expect("no read was expected");
            if let Some(gate) = read.gate {
                gate.await.unwrap();
            }
            let snapshot = format!("{0}:{0}:", read.before).parse().unwrap();
            let rows =
                Rows { json: read.rows.into(), truncated: false, snapshot, behind: read.behind };
            Ok(TimedRows { rows, as_of: DateTime::UNIX_EPOCH })
        }
    }

    fn cache(ttl: Duration, max_stale: Duration) -> (AnswerCache, Arc<Script>) {
        let (change_feed, script) = (change_feed(), Arc::new(Script::default()));
        let shelf = Arc::new(Shelf::default());
        let definitions = described_by(&shelf, &Arc::default(), &change_feed, 1 << 20);
        let settings = AnswerCacheSettings { ttl, max_stale, max_bytes: 1 << 20 };
        let (source, supervisor) = (Arc::clone(&script) as _, Supervisor::default());
        let writer = Arc::new(RowsAlone);
        let cache =
            AnswerCache::new(definitions, change_feed, source, writer, supervisor, settings);
        (cache, script)
    }

    #[expect(clippy::disallowed_methods, reason = "the caller does not matter here")]
    async fn query(cache: &AnswerCache) -> (BoundQuery, Fresh) {
        let fresh = cache.change_feed.ensure_fresh().await.unwrap();
        let (definition, fresh) = cache.definitions.find(id(1), fresh).await.unwrap();
        let definition = definition.unwrap();
        let template = &definition.compiled.query.template;
        let (request, now) = (ParameterRequest::default(), Utc::now().with_timezone(&Tz::UTC));
        let parameters = Parameters::resolve(&template.slots, &request, now).unwrap();
        let actor = Actor::operator();
        let scope = actor.scope(&template.claims).unwrap();
        let description = cache.definitions.describe(&definition, actor.identity()).await.unwrap();
        (
            BoundQuery::new(
                definition,
                description,
                parameters,
                scope,
                Arc::clone(actor.identity()),
            )
            .unwrap(),
            fresh,
        )
    }

    async fn get(cache: &AnswerCache) -> SourcedAnswer {
        let (query, fresh) = query(cache).await;
        cache.get(query, None, fresh).await.unwrap()
    }

    fn body(answer: &SourcedAnswer) -> &[u8] {
        answer.answer.body()
    }

    /// Lets spawned tasks run as far as they get by themselves.
    async fn settle() {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_stale_answer_is_served_while_it_is_refreshed_once() {
        let (cache, script) = cache(Duration::from_millis(1), Duration::from_hours(1));
        script.add("[1]", 1);
        let first = get(&cache).await;
        let AnswerSource::Miss { reason: MissReason::Absent, stored: true, .. } = first.source
        else {
            panic!("{:?}", first.source)
        };
        tokio::time::sleep(Duration::from_millis(10)).await;

        let open = script.add_gated("[2]", 1);
        for _ in 0..3 {
            let stale = get(&cache).await;
            assert_eq!(body(&stale), b"[1]");
            assert!(matches!(stale.source, AnswerSource::Hit { fresh_for: Duration::ZERO, .. }));
            settle().await;
        }
        assert_eq!(script.reads.load(Ordering::Relaxed), 2);
        // Later refreshes of the answer, which is stale again at once.
        (0..1_000).for_each(|_| script.add("[2]", 1));
        open.send(()).unwrap();
        while body(&get(&cache).await) == b"[1]" {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn an_answer_of_a_copy_that_is_behind_says_so_and_is_not_kept() {
        let (cache, script) = cache(Duration::from_hours(1), Duration::ZERO);
        for behind in [Some(Duration::from_secs(7)), None] {
            let read = Read { gate: None, rows: "[1]", before: 1, behind };
            script.next.lock().unwrap().push_back(read);
        }
        let first = get(&cache).await;
        assert!(matches!(first.source, AnswerSource::Miss { stored: false, .. }), "{first:?}");
        let seven_before = DateTime::UNIX_EPOCH - TimeDelta::seconds(7);
        assert_eq!(first.answer.provenance.as_of, seven_before);
        let second = get(&cache).await;
        assert!(matches!(second.source, AnswerSource::Miss { stored: true, .. }), "{second:?}");
        assert_eq!(second.answer.provenance.as_of, DateTime::UNIX_EPOCH);
        assert!(matches!(get(&cache).await.source, AnswerSource::Hit { .. }));
    }

    #[tokio::test]
    async fn an_answer_past_its_ceiling_is_not_served_while_it_is_refreshed() {
        let (cache, script) = cache(Duration::from_millis(1), Duration::from_millis(1));
        script.add("[1]", 1);
        get(&cache).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
        let open = script.add_gated("[2]", 1);
        let asking = || {
            let cache = cache.clone();
            tokio::spawn(async move { get(&cache).await })
        };
        let first = asking();
        settle().await;
        let second = asking();
        settle().await;
        assert!(!second.is_finished());
        open.send(()).unwrap();
        let answer = second.await.unwrap();
        assert_eq!(body(&answer), b"[2]");
        let AnswerSource::Miss { reason: MissReason::Expired, collapsed: true, .. } = answer.source
        else {
            panic!("{:?}", answer.source)
        };
        first.await.unwrap();
        assert_eq!(script.reads.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_caller_that_wants_a_new_answer_reads_alone() {
        let (cache, script) = cache(Duration::from_hours(1), Duration::ZERO);
        let asking = |max_age: Option<Duration>| {
            let cache = cache.clone();
            tokio::spawn(async move {
                let (query, fresh) = query(&cache).await;
                cache.get(query, max_age, fresh).await.unwrap()
            })
        };
        // In whichever order they come, a read for one caller alone is not shared.
        for others in [[None, Some(Duration::ZERO)], [Some(Duration::ZERO), None]] {
            cache.entries.invalidate_all();
            let reads = script.reads.load(Ordering::Relaxed);
            let open = [script.add_gated("[1]", 1), script.add_gated("[2]", 1)];
            let [first, second] = others.map(asking);
            settle().await;
            assert_eq!(script.reads.load(Ordering::Relaxed), reads + 2);
            for open in open {
                open.send(()).unwrap();
            }
            for answer in [first.await.unwrap(), second.await.unwrap()] {
                assert!(matches!(answer.source, AnswerSource::Miss { collapsed: false, .. }));
            }
        }
    }

    #[tokio::test]
    async fn an_answer_that_was_read_before_a_change_is_not_stored_after_it() {
        for (before, is_stored) in [(5, false), (6, true)] {
            let (cache, script) = cache(Duration::from_hours(1), Duration::from_hours(1));
            let open = script.add_gated("[1]", before);
            let reading = tokio::spawn({
                let cache = cache.clone();
                async move { get(&cache).await }
            });
            settle().await;
            let (query, _) = query(&cache).await;
            let orders = query.definition().tables[0].table.clone();
            let what = Changed::rows_of(&orders);
            cache.change_feed.changed(&[Change { by: TransactionId(5), what }]);
            open.send(()).unwrap();
            let read = reading.await.unwrap();
            let AnswerSource::Miss { stored, .. } = read.source else {
                panic!("nothing was stored yet")
            };
            assert_eq!(stored, is_stored);
            script.add("[2]", 1);
            let next = get(&cache).await;
            assert_eq!(body(&next), if is_stored { b"[1]" } else { b"[2]" });
        }
    }

    #[tokio::test]
    async fn an_answer_tells_when_its_rows_have_changed() {
        let (cache, script) = cache(Duration::from_hours(1), Duration::ZERO);
        script.add("[1]", 1);
        let answer = get(&cache).await;
        let mut changed = Box::pin(answer.answer.changed());
        assert!(futures::poll!(&mut changed).is_pending());
        let orders = answer.query.definition().tables[0].table.clone();
        let what = Changed::rows_of(&orders);
        cache.change_feed.changed(&[Change { by: TransactionId(5), what }]);
        changed.await;
        assert!(answer.answer.is_watchable());
    }
}

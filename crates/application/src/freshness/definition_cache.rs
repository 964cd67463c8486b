//! The definition cache: metrics with their compiled queries, read from the catalog once and kept while they
//! have not changed.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use metricd_core::{
    actor::Identity,
    changes::DefinedName,
    ids::MetricId,
    metric::CompiledMetric,
    sql::{TableDependency, TableName},
};
use moka::sync::Cache;
use quick_cache::Weighter;
use uuid::Uuid;

use super::{
    change_feed::{ChangeFeed, Fresh},
    single_flight::{Aborted, SingleFlight},
    versions::{Dependencies, DependencyKey},
};
use crate::{
    admission::Admission,
    ports::{
        AnswerHead, Catalog, QueryRunner, ResolvedTable, RunError, StoreError, TemplateDescription,
    },
};

/// How long an id is known to be missing without asking the catalog. The log of changes is read all the same,
/// once for all concurrent callers, so that a metric that another server makes is found at once.
const ABSENT_TTL: Duration = Duration::from_secs(1);

/// The time to live of the tables that a view reads: a view that is replaced announces no change.
const RESOLVED_TTL: Duration = Duration::from_mins(1);

/// A metric, if it exists, as concurrent callers share it.
type Shared = Result<Option<Arc<Definition>>, Arc<StoreError>>;

/// Caches definitions, up to a bound in bytes.
#[derive(Clone)]
pub struct DefinitionCache {
    catalog: Arc<dyn Catalog>,
    runner: Arc<dyn QueryRunner>,
    admission: Admission,
    change_feed: Arc<ChangeFeed>,
    entries: Arc<quick_cache::sync::Cache<MetricId, Arc<Entry>, EntryWeight>>,
    resolved: Cache<TableName, Arc<Resolved>>,
    single_flight: SingleFlight<MetricId, Arc<Dependencies>, Shared>,
    describing: SingleFlight<MetricId, DescribingTicket, Described>,
}

/// What a description that is being read is of, and what it depends on.
type DescribingTicket = (Arc<Definition>, Arc<Dependencies>);

/// A description, as concurrent callers share it.
type Described = Result<Arc<TemplateDescription>, Arc<RunError>>;

/// A metric with its compiled query and what both depend on.
pub struct Definition {
    /// The metric and its query.
    pub compiled: CompiledMetric,
    /// The tables that the query reads.
    pub tables: Vec<TableDependency>,
    /// Moves when the definition changes.
    pub(crate) dependencies: Arc<Dependencies>,
    rows: Mutex<Option<Arc<RowDependencies>>>,
    description: Mutex<Option<Description>>,
    head: Mutex<Option<DescribedHead>>,
}

/// What answers begin with whose rows are described so.
type DescribedHead = (Arc<TemplateDescription>, Arc<AnswerHead>);

/// What the database said of a query, and what that depends on.
struct Description {
    of_template: Arc<TemplateDescription>,
    dependencies: Arc<Dependencies>,
    /// The functions and types that it calls, which are known from the description itself.
    called: Dependencies,
}

impl Description {
    fn is_valid(&self) -> bool {
        self.dependencies.is_unchanged() && self.called.is_unchanged()
    }
}

impl std::fmt::Debug for Definition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Definition").field("compiled", &self.compiled).finish_non_exhaustive()
    }
}

/// What an answer's rows depend on.
pub(crate) struct RowDependencies {
    pub(crate) keys: Vec<DependencyKey>,
    /// Whether these are all of them: else rows can change without a change of one of these.
    pub(crate) is_whole: bool,
    /// Moves when a table, view or function is redefined.
    relations: Dependencies,
    /// How long they may be used without resolving the tables again.
    until: Instant,
}

/// Where a table's rows come from, as it was a short time ago.
struct Resolved {
    table: ResolvedTable,
    /// Moves when it is redefined.
    definition: Dependencies,
    until: Instant,
}

struct Entry {
    /// `None`: no metric has this id.
    definition: Option<Arc<Definition>>,
    dependencies: Arc<Dependencies>,
    read_at: Instant,
}

impl std::fmt::Debug for DefinitionCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DefinitionCache")
            .field("entries", &self.entries.len())
            .finish_non_exhaustive()
    }
}

/// The memory of an entry beside its own size, in bytes.
const OVERHEAD_BYTES: usize = 400;

/// The size of what all answers of a metric begin with, beside its texts, layouts and columns, in bytes.
const HEAD_BYTES: usize = 500;

/// The size of a usual entry, from which the cache estimates how many there will be.
const USUAL_BYTES: u64 = 2_000;

#[derive(Clone)]
struct EntryWeight;

impl Weighter<MetricId, Arc<Entry>> for EntryWeight {
    fn weight(&self, _: &MetricId, entry: &Arc<Entry>) -> u64 {
        entry.weight() as u64
    }
}

impl DefinitionCache {
    /// Caches what `catalog` holds and what the database says of it through `runner`, where `admission` lets it ask, in
    /// `max_bytes` at most, as long as `change_feed` reports no change of it.
    #[must_use]
    pub fn new(
        catalog: Arc<dyn Catalog>,
        runner: Arc<dyn QueryRunner>,
        admission: Admission,
        change_feed: Arc<ChangeFeed>,
        max_bytes: u64,
    ) -> Self {
        let items = usize::try_from(max_bytes / USUAL_BYTES).unwrap_or(usize::MAX);
        let entries = quick_cache::sync::Cache::with_weighter(items, max_bytes, EntryWeight);
        let resolved = Cache::builder().max_capacity(10_000).time_to_live(RESOLVED_TTL).build();
        let (entries, single_flight) = (Arc::new(entries), SingleFlight::default());
        let describing = SingleFlight::default();
        Self {
            catalog,
            runner,
            admission,
            change_feed,
            entries,
            resolved,
            single_flight,
            describing,
        }
    }

    /// Returns the metric `id` with its query, as it is now, and the token for the next read.
    ///
    /// # Errors
    /// When the catalog or the log of changes has to be read and cannot.
    pub async fn find(
        &self,
        id: MetricId,
        fresh: Fresh,
    ) -> Result<(Option<Arc<Definition>>, Fresh), Arc<StoreError>> {
        if let Some(definition) = self.entry(id).and_then(|entry| entry.definition.clone()) {
            return Ok((Some(definition), fresh));
        }
        Box::pin(self.read_through(id)).await
    }

    /// The same for a caller who may know of a metric or not, as `may_know` says. One that is hidden costs the reads
    /// of one that is missing, so that how long it takes does not tell one from the other.
    ///
    /// # Errors
    /// When the catalog or the log of changes has to be read and cannot.
    pub(crate) async fn find_known(
        &self,
        id: MetricId,
        fresh: Fresh,
        may_know: impl Fn(&CompiledMetric) -> bool,
    ) -> Result<(Option<Arc<Definition>>, Fresh), Arc<StoreError>> {
        let cached = self.entry(id).and_then(|entry| entry.definition.clone());
        match cached {
            Some(definition) if may_know(&definition.compiled) => Ok((Some(definition), fresh)),
            Some(_) => {
                let (_, fresh) = Box::pin(self.read_through(stand_in(id))).await?;
                Ok((None, fresh))
            }
            None => {
                let (found, fresh) = Box::pin(self.read_through(id)).await?;
                let is_known = found.as_ref().map(|found| may_know(&found.compiled));
                if is_known == Some(false) {
                    let id = stand_in(id);
                    let keys = [DependencyKey::Metric(id)];
                    let dependencies = Arc::new(self.change_feed.versions().capture(&keys));
                    self.insert(id, None, dependencies);
                }
                Ok((found.filter(|_| is_known == Some(true)), fresh))
            }
        }
    }

    fn insert(
        &self,
        id: MetricId,
        definition: Option<Arc<Definition>>,
        dependencies: Arc<Dependencies>,
    ) {
        let entry = Entry { definition, dependencies, read_at: Instant::now() };
        self.entries.insert(id, Arc::new(entry));
    }

    /// The entry of a metric, if it is still valid.
    fn entry(&self, id: MetricId) -> Option<Arc<Entry>> {
        self.entries.get(&id).filter(|entry| entry.is_valid())
    }

    async fn read_through(
        &self,
        id: MetricId,
    ) -> Result<(Option<Arc<Definition>>, Fresh), Arc<StoreError>> {
        let definition = loop {
            if let Some(entry) = self.entry(id) {
                if entry.definition.is_some() {
                    break entry.definition.clone();
                }
                // Another server may have just created it, and the caller knows of it.
                self.change_feed.catch_up().await?;
                if entry.dependencies.is_unchanged() {
                    break None;
                }
            }
            let begin = || {
                let keys = [DependencyKey::Metric(id), DependencyKey::Queries];
                let dependencies = Arc::new(self.change_feed.versions().capture(&keys));
                (Arc::clone(&dependencies), self.clone().read(id, dependencies))
            };
            let may_join = |dependencies: &Arc<Dependencies>| dependencies.is_unchanged();
            let (read, joined) = self.single_flight.run(id, may_join, begin).await;
            let aborted = |Aborted| Err(Arc::new(StoreError::Failed(Aborted.into())));
            let found = read.unwrap_or_else(aborted)?;
            // A read that began before this call may be too old to say that there is nothing.
            if found.is_some() || !joined {
                break found;
            }
        };
        Ok((definition, self.change_feed.ensure_fresh().await?))
    }

    async fn read(self, id: MetricId, dependencies: Arc<Dependencies>) -> Shared {
        let found = self.catalog.find(id).await?;
        // The query's id is known only now. As long as no query has changed, this one has not changed before
        // its version is captured.
        let query = found.as_ref().map(|found| DependencyKey::Query(found.query.id.clone()));
        let keys = [Some(DependencyKey::Metric(id)), query];
        let narrow = Arc::new(self.change_feed.versions().capture(keys.iter().flatten()));
        let definition = found.map(|compiled| {
            let tables = compiled.query.template.dependencies();
            let dependencies = Arc::clone(&narrow);
            let (rows, description, head) = (Mutex::default(), Mutex::default(), Mutex::default());
            Arc::new(Definition { compiled, tables, dependencies, rows, description, head })
        });
        if dependencies.is_unchanged() {
            self.insert(id, definition.clone(), narrow);
        }
        Ok(definition)
    }

    /// Returns what the database says of a metric's query, as it is now, asked once for all concurrent callers, of whom
    /// `caller` may be the first.
    ///
    /// # Errors
    /// When it has to be asked and rejects the query, or cannot be asked.
    pub(crate) async fn describe(
        &self,
        definition: &Arc<Definition>,
        caller: &Arc<Identity>,
    ) -> Described {
        if let Some(known) = definition.description().as_ref()
            && known.is_valid()
        {
            return Ok(Arc::clone(&known.of_template));
        }
        let begin = || {
            let keys = relation_keys(definition);
            let dependencies = Arc::new(self.change_feed.versions().capture(&keys));
            let ticket = (Arc::clone(definition), Arc::clone(&dependencies));
            let caller = Arc::clone(caller);
            (ticket, self.clone().read_description(Arc::clone(definition), dependencies, caller))
        };
        let may_join =
            |(of, since): &DescribingTicket| Arc::ptr_eq(of, definition) && since.is_unchanged();
        let id = definition.compiled.metric.id;
        let (described, _) = Box::pin(self.describing.run(id, may_join, begin)).await;
        described.unwrap_or_else(|aborted| Err(Arc::new(RunError::Failed(aborted.into()))))
    }

    async fn read_description(
        self,
        definition: Arc<Definition>,
        dependencies: Arc<Dependencies>,
        asker: Arc<Identity>,
    ) -> Described {
        let template = &definition.compiled.query.template;
        let runner = self.runner.questions(asker).await?;
        let description = Arc::new(self.admission.describe(runner.as_ref(), template).await?);
        drop(runner);
        // Before the versions that were read are recorded: an older one would count as a change.
        let called = self.change_feed.versions().capture(&called_keys(&description));
        for (name, version) in &description.relations.definitions {
            let name = match name {
                DefinedName::Relation(table) => DefinedName::Relation(table.clone().qualified()),
                called @ DefinedName::Called(_) => called.clone(),
            };
            self.change_feed.versions().defined(&name, version);
        }
        *definition.description() =
            Some(Description { of_template: Arc::clone(&description), dependencies, called });
        Ok(description)
    }

    /// Returns what the rows of a metric's query depend on, which is described so.
    pub(crate) async fn row_dependencies(
        &self,
        definition: &Definition,
        description: &TemplateDescription,
    ) -> Result<Arc<RowDependencies>, StoreError> {
        let known = || definition.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let is_good = |rows: &&Arc<RowDependencies>| {
            Instant::now() < rows.until && rows.relations.is_unchanged()
        };
        if let Some(rows) = known().as_ref().filter(is_good) {
            return Ok(Arc::clone(rows));
        }
        let mut keys = relation_keys(definition);
        keys.extend(called_keys(description));
        let relations = self.change_feed.versions().capture(&keys);
        keys.push(DependencyKey::Query(definition.compiled.query.id.clone()));
        let mut rows = RowDependencies {
            keys,
            is_whole: true,
            relations,
            until: Instant::now() + RESOLVED_TTL,
        };
        for dependency in &definition.tables {
            let table = dependency.table.clone().qualified();
            if let Some(ids) = &dependency.query_ids {
                rows.keys.push(DependencyKey::SomeRows(table.clone()));
                let of = |id: &String| DependencyKey::Rows(table.clone(), id.clone());
                rows.keys.extend(ids.iter().map(of));
            } else {
                let resolved = self.resolve(&dependency.table).await?;
                rows.keys.extend(resolved.table.tables.iter().cloned().map(DependencyKey::Table));
                rows.is_whole &= resolved.table.is_whole;
                rows.until = rows.until.min(resolved.until);
            }
        }
        let rows = Arc::new(rows);
        *known() = Some(Arc::clone(&rows));
        Ok(rows)
    }

    async fn resolve(&self, table: &TableName) -> Result<Arc<Resolved>, StoreError> {
        let is_good = |resolved: &Arc<Resolved>| resolved.definition.is_unchanged();
        if let Some(resolved) = self.resolved.get(table).filter(is_good) {
            return Ok(resolved);
        }
        let key = relation_key(table);
        let definition = self.change_feed.versions().capture([&key]);
        let until = Instant::now() + RESOLVED_TTL;
        let resolved = self.change_feed.log().resolve(std::slice::from_ref(table)).await?;
        let resolved = resolved.into_iter().next().unwrap_or_else(|| ResolvedTable {
            tables: [table.clone().qualified()].into(),
            is_whole: false,
        });
        let resolved = Arc::new(Resolved { table: resolved, definition, until });
        self.resolved.insert(table.clone(), Arc::clone(&resolved));
        Ok(resolved)
    }
}

impl Definition {
    /// Forgets what the database said of the query: it is no longer so.
    pub(crate) fn forget_description(&self) {
        *self.description() = None;
    }

    /// Returns what its answers begin with whose rows are described so, which `write` renders once.
    pub(crate) fn head(
        &self,
        description: &Arc<TemplateDescription>,
        write: impl FnOnce(&CompiledMetric) -> AnswerHead,
    ) -> Arc<AnswerHead> {
        let known = || self.head.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, head)) = known().as_ref()
            && Arc::ptr_eq(of, description)
        {
            return Arc::clone(head);
        }
        let head = Arc::new(write(&self.compiled));
        *known() = Some((Arc::clone(description), Arc::clone(&head)));
        head
    }

    fn description(&self) -> MutexGuard<'_, Option<Description>> {
        self.description.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The definitions of the tables and views that a query names.
fn relation_keys(definition: &Definition) -> Vec<DependencyKey> {
    definition.tables.iter().map(|of| relation_key(&of.table)).collect()
}

fn relation_key(table: &TableName) -> DependencyKey {
    DependencyKey::Definition(DefinedName::Relation(table.clone().qualified()))
}

/// The definitions of the functions and types that a query calls.
fn called_keys(description: &TemplateDescription) -> Vec<DependencyKey> {
    let names = description.relations.definitions.keys();
    let called = names.filter(|name| matches!(name, DefinedName::Called(_)));
    called.cloned().map(DependencyKey::Definition).collect()
}

impl Entry {
    fn is_valid(&self) -> bool {
        self.dependencies.is_unchanged()
            && (self.definition.is_some() || self.read_at.elapsed() < ABSENT_TTL)
    }

    fn weight(&self) -> usize {
        let definition = self.definition.as_ref().map_or(0, |definition| {
            let CompiledMetric { metric, query } = &definition.compiled;
            let texts = query.sql.len() + query.template.sql.len();
            let notes: usize = query.template.notes.iter().map(|note| note.message.len()).sum();
            let details = metric.details.description.as_ref().map_or(0, String::len);
            let items =
                metric.layouts.len() + query.columns.len() + query.template.parameters.len();
            let tables: usize = definition.tables.iter().map(table_weight).sum();
            // The head of its answers says the same once more.
            let head = HEAD_BYTES + details + 96 * items;
            size_of::<Definition>() + texts + notes + details + 96 * items + tables + head
        });
        OVERHEAD_BYTES + size_of::<Self>() + self.dependencies.weight() + definition
    }
}

/// The id of a metric that there is not, which stands in for one that is hidden. No metric has one of its version.
fn stand_in(MetricId(id): MetricId) -> MetricId {
    MetricId(Uuid::from_u128(!id.as_u128()))
}

/// The memory of a table that a query reads, and of the keys of the rows that depend on it.
fn table_weight(TableDependency { table, query_ids }: &TableDependency) -> usize {
    let name = table.schema.as_ref().map_or(0, String::len) + table.name.len();
    let ids: usize = query_ids
        .iter()
        .flatten()
        .map(|id| 3 * size_of::<DependencyKey>() + name + 2 * id.len())
        .sum();
    3 * size_of::<DependencyKey>() + 3 * name + ids
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::{super::samples::*, *};

    async fn find(definitions: &DefinitionCache, id: MetricId) -> Option<Arc<Definition>> {
        let fresh = definitions.change_feed.ensure_fresh().await.unwrap();
        definitions.find(id, fresh).await.unwrap().0
    }

    #[expect(clippy::disallowed_methods, reason = "the caller does not matter here")]
    fn caller() -> Arc<Identity> {
        Arc::clone(metricd_core::actor::Actor::operator().identity())
    }

    #[tokio::test]
    async fn an_existing_metric_is_read_once() {
        let shelf: Arc<Shelf> = Arc::default();
        let definitions = definitions(&shelf, 1 << 20);
        for _ in 0..3 {
            let found = find(&definitions, id(7)).await.unwrap();
            assert_eq!(found.compiled.metric.id, id(7));
        }
        assert_eq!(shelf.asked(), 1);
    }

    #[tokio::test]
    async fn concurrent_callers_of_a_metric_share_one_description() {
        let (shelf, describer): (Arc<Shelf>, Arc<Describer>) = Default::default();
        let definitions = described_by(&shelf, &describer, &change_feed(), 1 << 20);
        let (one, other) =
            (find(&definitions, id(1)).await.unwrap(), find(&definitions, id(2)).await.unwrap());
        let ask = async || {
            let caller = caller();
            let of =
                |asker| definitions.describe(if asker % 2 == 0 { &one } else { &other }, &caller);
            assert!(futures::future::join_all((0..400).map(of)).await.iter().all(Result::is_ok));
            describer.asked()
        };
        assert_eq!((ask().await, ask().await), (2, 2));
        one.forget_description();
        assert_eq!(ask().await, 3);
    }

    #[tokio::test]
    async fn a_table_that_is_redefined_meanwhile_is_described_again() {
        let (shelf, describer): (Arc<Shelf>, Arc<Describer>) = Default::default();
        let definitions = described_by(&shelf, &describer, &change_feed(), 1 << 20);
        let found = find(&definitions, id(1)).await.unwrap();
        for (redefinitions, is_described, asked) in [(2, true, 3), (3, false, 6), (0, true, 7)] {
            found.forget_description();
            describer.redefinitions.store(redefinitions, Ordering::Relaxed);
            assert_eq!(definitions.describe(&found, &caller()).await.is_ok(), is_described);
            assert_eq!(describer.asked(), asked);
        }
    }

    #[tokio::test]
    async fn a_query_that_the_gate_no_longer_allows_does_not_reach_the_database() {
        let (shelf, describer): (Arc<Shelf>, Arc<Describer>) = Default::default();
        let definitions = described_by(&shelf, &describer, &change_feed(), 1 << 20);
        let refused = find(&definitions, id(REFUSED)).await.unwrap();
        let error = definitions.describe(&refused, &caller()).await.unwrap_err();
        assert!(matches!(*error, RunError::Refused(_)), "{error}");
        assert_eq!(describer.asked(), 0);
        let allowed = find(&definitions, id(1)).await.unwrap();
        definitions.describe(&allowed, &caller()).await.unwrap();
        assert_eq!(describer.asked(), 1);
    }

    #[tokio::test]
    async fn a_missing_metric_is_not_read_for_each_caller() {
        let shelf: Arc<Shelf> = Arc::default();
        let definitions = definitions(&shelf, 1 << 20);
        for _ in 0..100 {
            assert!(find(&definitions, id(1_000)).await.is_none());
        }
        assert!(shelf.asked() < 100);
    }

    #[tokio::test]
    async fn a_hidden_metric_is_read_as_often_as_a_missing_one() {
        for is_cached in [false, true] {
            let shelf: Arc<Shelf> = Arc::default();
            let definitions = definitions(&shelf, 1 << 20);
            if is_cached {
                find(&definitions, id(7)).await.unwrap();
            }
            let reads = async |wanted| {
                let before = shelf.asked();
                let mut reads = Vec::new();
                for _ in 0..3 {
                    let fresh = definitions.change_feed.ensure_fresh().await.unwrap();
                    let found = definitions.find_known(wanted, fresh, |_| false).await.unwrap();
                    assert!(found.0.is_none());
                    reads.push(shelf.asked() - before);
                }
                reads
            };
            let (hidden, missing) = (reads(id(7)).await, reads(id(1_000)).await);
            assert_eq!(hidden, missing, "cached: {is_cached}");
        }
    }

    #[tokio::test]
    async fn the_cache_stays_within_its_bound() {
        let shelf: Arc<Shelf> = Arc::default();
        let definitions = definitions(&shelf, 1 << 20);
        for number in (0..1_000).chain(1 << 64..(1 << 64) + 1_000) {
            find(&definitions, id(number)).await;
        }
        let (bytes, entries) = (definitions.entries.weight(), definitions.entries.len());
        assert!((1 << 19..=1 << 20).contains(&bytes), "{bytes} bytes in {entries}");
        assert_eq!(shelf.asked(), 2_000);
    }
}

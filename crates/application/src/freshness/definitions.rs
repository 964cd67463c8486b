//! Metrics with their compiled queries, kept so that a question that is often asked does not ask the
//! catalog.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use metricd_core::{
    ids::MetricId,
    metric::CompiledMetric,
    sql::{TableDependency, TableName},
};
use moka::sync::Cache;
use quick_cache::Weighter;

use super::{
    change_feed::ChangeFeed,
    single_flight::{Aborted, SingleFlight},
    versions::{Dependencies, DependencyKey},
};
use crate::ports::{Catalog, ResolvedTable, StoreError};

/// How long it is known without asking the catalog that nobody has this id. The log of changes is asked all
/// the same, once for all who guess meanwhile: a metric that another server makes is there at once.
const UNKNOWN: Duration = Duration::from_secs(1);

/// How long it is believed where a table's rows come from: nobody tells of a view that is made anew.
const RESOLVED: Duration = Duration::from_mins(1);

/// A metric, if it is there.
type Found = Result<Option<Arc<Definition>>, Arc<StoreError>>;

/// Reads metrics through a bounded memory.
#[derive(Clone)]
pub struct DefinitionCache {
    catalog: Arc<dyn Catalog>,
    change_feed: Arc<ChangeFeed>,
    kept: Arc<quick_cache::sync::Cache<MetricId, Arc<Kept>, Weight>>,
    resolved: Cache<TableName, Arc<ResolvedTable>>,
    single_flight: SingleFlight<MetricId, Arc<Dependencies>, Found>,
}

/// A metric, and what its answers are made from.
pub struct Definition {
    /// The metric and its query.
    pub compiled: CompiledMetric,
    /// The tables that the query reads.
    pub tables: Vec<TableDependency>,
    /// Moves when the definition changes.
    pub(crate) dependencies: Arc<Dependencies>,
}

impl std::fmt::Debug for Definition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Definition").field("compiled", &self.compiled).finish_non_exhaustive()
    }
}

/// What changes the rows of an answer.
pub(crate) struct ResolvedDependencies {
    pub(crate) keys: Vec<DependencyKey>,
    /// Whether nothing else does.
    pub(crate) is_whole: bool,
}

struct Kept {
    /// `None`: nobody has this id.
    definition: Option<Arc<Definition>>,
    dependencies: Arc<Dependencies>,
    /// When it was read.
    since: Instant,
}

impl std::fmt::Debug for DefinitionCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DefinitionCache").field("kept", &self.kept.len()).finish_non_exhaustive()
    }
}

/// What an entry takes beside itself.
const OVERHEAD: usize = 400;

/// About what an entry takes, for the cache to guess how many there will be.
const USUAL: u64 = 2_000;

#[derive(Clone)]
struct Weight;

impl Weighter<MetricId, Arc<Kept>> for Weight {
    fn weight(&self, _: &MetricId, kept: &Arc<Kept>) -> u64 {
        kept.weight() as u64
    }
}

impl DefinitionCache {
    /// Reads through `catalog` and keeps no more than `max_bytes`, as long as `change_feed` has nothing to say
    /// against it.
    #[must_use]
    pub fn new(catalog: Arc<dyn Catalog>, change_feed: Arc<ChangeFeed>, max_bytes: u64) -> Self {
        let items = usize::try_from(max_bytes / USUAL).unwrap_or(usize::MAX);
        let kept = Arc::new(quick_cache::sync::Cache::with_weighter(items, max_bytes, Weight));
        let resolved = Cache::builder().max_capacity(10_000).time_to_live(RESOLVED).build();
        Self { catalog, change_feed, kept, resolved, single_flight: SingleFlight::default() }
    }

    /// A metric with its query, as it is now.
    ///
    /// # Errors
    /// When the catalog or the log of changes has to be asked and cannot.
    pub async fn find(&self, id: MetricId) -> Result<Option<Arc<Definition>>, Arc<StoreError>> {
        self.change_feed.ensure_fresh().await?;
        if let Some(definition) = self.kept(id).and_then(|kept| kept.definition.clone()) {
            return Ok(Some(definition));
        }
        Box::pin(self.look_for(id)).await
    }

    /// What is kept of a metric, if it is as it was.
    fn kept(&self, id: MetricId) -> Option<Arc<Kept>> {
        self.kept.get(&id).filter(|kept| kept.holds())
    }

    async fn look_for(&self, id: MetricId) -> Result<Option<Arc<Definition>>, Arc<StoreError>> {
        loop {
            if let Some(kept) = self.kept(id) {
                if kept.definition.is_some() {
                    return Ok(kept.definition.clone());
                }
                // Another server may have made it a moment ago: whoever names it has heard of it.
                self.change_feed.look().await?;
                if kept.dependencies.is_unchanged() {
                    return Ok(None);
                }
            }
            let begin = || {
                let keys = [DependencyKey::Metric(id), DependencyKey::Queries];
                let dependencies = Arc::new(self.change_feed.versions().watch(keys));
                (Arc::clone(&dependencies), self.clone().read(id, dependencies))
            };
            let (read, joined) = self
                .single_flight
                .join(id, |dependencies| dependencies.is_unchanged(), begin)
                .await;
            let found =
                read.unwrap_or_else(|Aborted| Err(Arc::new(StoreError::Failed(Aborted.into()))))?;
            // A reading that others had begun may be too old to say that there is nothing.
            if found.is_some() || !joined {
                return Ok(found);
            }
        }
    }

    async fn read(self, id: MetricId, dependencies: Arc<Dependencies>) -> Found {
        let found = self.catalog.find(id).await?;
        // Which query it has is known only now. Nothing that is to be watched has changed before, as long
        // as no query has.
        let keys = [DependencyKey::Metric(id)].into_iter();
        let query = found.as_ref().map(|found| DependencyKey::Query(found.query.id.clone()));
        let narrow = Arc::new(self.change_feed.versions().watch(keys.chain(query)));
        let definition = found.map(|compiled| {
            let tables = compiled.query.template.dependencies();
            Arc::new(Definition { compiled, tables, dependencies: Arc::clone(&narrow) })
        });
        if dependencies.is_unchanged() {
            let kept = Kept {
                definition: definition.clone(),
                dependencies: narrow,
                since: Instant::now(),
            };
            self.kept.insert(id, Arc::new(kept));
        }
        Ok(definition)
    }

    /// What changes the rows that `dependencies` find.
    pub(crate) async fn keys(
        &self,
        dependencies: &[TableDependency],
    ) -> Result<ResolvedDependencies, StoreError> {
        let (mut keys, mut is_whole) = (Vec::new(), true);
        for reading in dependencies {
            let table = reading.table.clone().qualified();
            if let Some(ids) = &reading.query_ids {
                keys.push(DependencyKey::SomeRows(table.clone()));
                keys.extend(ids.iter().map(|id| DependencyKey::Rows(table.clone(), id.clone())));
            } else {
                let resolved = self.resolve(&reading.table).await?;
                keys.extend(resolved.tables.iter().cloned().map(DependencyKey::Table));
                is_whole &= resolved.is_whole;
            }
        }
        Ok(ResolvedDependencies { keys, is_whole })
    }

    async fn resolve(&self, table: &TableName) -> Result<Arc<ResolvedTable>, StoreError> {
        if let Some(resolved) = self.resolved.get(table) {
            return Ok(resolved);
        }
        let resolved = self.change_feed.log().resolve(std::slice::from_ref(table)).await?;
        let resolved = resolved.into_iter().next().unwrap_or_else(|| ResolvedTable {
            tables: [table.clone().qualified()].into(),
            is_whole: false,
        });
        let resolved = Arc::new(resolved);
        self.resolved.insert(table.clone(), Arc::clone(&resolved));
        Ok(resolved)
    }
}

impl Kept {
    fn holds(&self) -> bool {
        self.dependencies.is_unchanged()
            && (self.definition.is_some() || self.since.elapsed() < UNKNOWN)
    }

    fn weight(&self) -> usize {
        let definition = self.definition.as_ref().map_or(0, |definition| {
            let CompiledMetric { metric, query } = &definition.compiled;
            let texts = query.sql.len() + query.template.sql.len();
            let notes: usize = query.template.notes.iter().map(|note| note.message.len()).sum();
            let details = metric.details.description.as_ref().map_or(0, String::len);
            let items =
                metric.layouts.len() + query.columns.len() + query.template.parameters.len();
            size_of::<Definition>() + texts + notes + details + 96 * items
        });
        OVERHEAD + size_of::<Self>() + self.dependencies.weight() + definition
    }
}

#[cfg(test)]
mod tests {
    use super::{super::samples::*, *};

    #[tokio::test]
    async fn the_catalog_is_asked_once_for_what_is_there() {
        let shelf: Arc<Shelf> = Arc::default();
        let definitions = definitions(&shelf, 1 << 20);
        for _ in 0..3 {
            let found = definitions.find(id(7)).await.unwrap().unwrap();
            assert_eq!(found.compiled.metric.id, id(7));
        }
        assert_eq!(shelf.asked(), 1);
    }

    #[tokio::test]
    async fn the_catalog_is_not_asked_by_everybody_for_what_is_not_there() {
        let shelf: Arc<Shelf> = Arc::default();
        let definitions = definitions(&shelf, 1 << 20);
        for _ in 0..100 {
            assert!(definitions.find(id(1_000)).await.unwrap().is_none());
        }
        assert!(shelf.asked() < 100);
    }

    #[tokio::test]
    async fn no_more_is_kept_than_may_be() {
        let shelf: Arc<Shelf> = Arc::default();
        let definitions = definitions(&shelf, 1 << 20);
        for number in (0..1_000).chain(1 << 64..(1 << 64) + 1_000) {
            definitions.find(id(number)).await.unwrap();
        }
        let (bytes, entries) = (definitions.kept.weight(), definitions.kept.len());
        assert!((1 << 19..=1 << 20).contains(&bytes), "{bytes} bytes in {entries}");
        assert_eq!(shelf.asked(), 2_000);
    }
}

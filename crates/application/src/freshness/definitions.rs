//! Metrics with their compiled queries, kept so that a question that is often asked does not ask the
//! catalog.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use metricd_core::{
    ids::MetricId,
    metric::CompiledMetric,
    sql::{Reading, TableName},
};
use moka::sync::Cache;
use quick_cache::Weighter;

use super::{
    flights::{BrokeOff, Flights},
    ledger::{Mark, Watch},
    news::News,
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
pub struct Definitions {
    catalog: Arc<dyn Catalog>,
    news: Arc<News>,
    kept: Arc<quick_cache::sync::Cache<MetricId, Arc<Kept>, Weight>>,
    resolved: Cache<TableName, Arc<ResolvedTable>>,
    flights: Flights<MetricId, Arc<Watch>, Found>,
}

/// A metric, and what its answers are made from.
pub struct Definition {
    /// The metric and its query.
    pub compiled: CompiledMetric,
    /// The tables that the query reads.
    pub readings: Vec<Reading>,
    /// Moves when the definition changes.
    pub(crate) watch: Arc<Watch>,
}

impl std::fmt::Debug for Definition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Definition").field("compiled", &self.compiled).finish_non_exhaustive()
    }
}

/// What changes the rows of an answer.
pub(crate) struct Readings {
    pub(crate) marks: Vec<Mark>,
    /// Whether nothing else does.
    pub(crate) is_whole: bool,
}

struct Kept {
    /// `None`: nobody has this id.
    definition: Option<Arc<Definition>>,
    watch: Arc<Watch>,
    /// When it was read.
    since: Instant,
}

impl std::fmt::Debug for Definitions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Definitions").field("kept", &self.kept.len()).finish_non_exhaustive()
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

impl Definitions {
    /// Reads through `catalog` and keeps no more than `max_bytes`, as long as `news` has nothing to say
    /// against it.
    #[must_use]
    pub fn new(catalog: Arc<dyn Catalog>, news: Arc<News>, max_bytes: u64) -> Self {
        let items = usize::try_from(max_bytes / USUAL).unwrap_or(usize::MAX);
        let kept = Arc::new(quick_cache::sync::Cache::with_weighter(items, max_bytes, Weight));
        let resolved = Cache::builder().max_capacity(10_000).time_to_live(RESOLVED).build();
        Self { catalog, news, kept, resolved, flights: Flights::default() }
    }

    /// A metric with its query, as it is now.
    ///
    /// # Errors
    /// When the catalog or the log of changes has to be asked and cannot.
    pub async fn find(&self, id: MetricId) -> Result<Option<Arc<Definition>>, Arc<StoreError>> {
        self.news.be_sure().await?;
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
                self.news.look().await?;
                if kept.watch.is_untouched() {
                    return Ok(None);
                }
            }
            let begin = || {
                let marks = [Mark::Metric(id), Mark::Queries];
                let watch = Arc::new(self.news.ledger().watch(marks));
                (Arc::clone(&watch), self.clone().read(id, watch))
            };
            let (read, joined) = self.flights.join(id, |watch| watch.is_untouched(), begin).await;
            let found =
                read.unwrap_or_else(|BrokeOff| Err(Arc::new(StoreError::Failed(BrokeOff.into()))))?;
            // A reading that others had begun may be too old to say that there is nothing.
            if found.is_some() || !joined {
                return Ok(found);
            }
        }
    }

    async fn read(self, id: MetricId, watch: Arc<Watch>) -> Found {
        let found = self.catalog.find(id).await?;
        // Which query it has is known only now. Nothing that is to be watched has changed before, as long
        // as no query has.
        let marks = [Mark::Metric(id)].into_iter();
        let query = found.as_ref().map(|found| Mark::Query(found.query.id.clone()));
        let narrow = Arc::new(self.news.ledger().watch(marks.chain(query)));
        let definition = found.map(|compiled| {
            let readings = compiled.query.template.readings();
            Arc::new(Definition { compiled, readings, watch: Arc::clone(&narrow) })
        });
        if watch.is_untouched() {
            let kept =
                Kept { definition: definition.clone(), watch: narrow, since: Instant::now() };
            self.kept.insert(id, Arc::new(kept));
        }
        Ok(definition)
    }

    /// What changes the rows that `readings` find.
    pub(crate) async fn marks(&self, readings: &[Reading]) -> Result<Readings, StoreError> {
        let (mut marks, mut is_whole) = (Vec::new(), true);
        for reading in readings {
            let table = reading.table.clone().qualified();
            if let Some(ids) = &reading.only {
                marks.push(Mark::SomeRows(table.clone()));
                marks.extend(ids.iter().map(|id| Mark::Rows(table.clone(), id.clone())));
            } else {
                let resolved = self.resolve(&reading.table).await?;
                marks.extend(resolved.tables.iter().cloned().map(Mark::Table));
                is_whole &= resolved.is_whole;
            }
        }
        Ok(Readings { marks, is_whole })
    }

    async fn resolve(&self, table: &TableName) -> Result<Arc<ResolvedTable>, StoreError> {
        if let Some(resolved) = self.resolved.get(table) {
            return Ok(resolved);
        }
        let resolved = self.news.log().resolve(std::slice::from_ref(table)).await?;
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
        self.watch.is_untouched() && (self.definition.is_some() || self.since.elapsed() < UNKNOWN)
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
        OVERHEAD + size_of::<Self>() + self.watch.weight() + definition
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

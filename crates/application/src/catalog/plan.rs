//! Plans the changes of an import: the files' catalog against the stored one. Pure.

use std::collections::{BTreeMap, BTreeSet};

use metricd_core::{
    ids::{MetricId, QueryId},
    layout::LayoutItem,
    metric::{Column, Display, Metric, MetricDetails, MetricName, MetricOrigin, Query, Review},
    sql::Template,
};

use super::{
    loaded::{GivenDetails, LeftOut, LoadedQuery},
    notes::RecordWarning,
    reconcile::{self, CatalogMetric, KnownQueries},
    report::{Counts, Findings, Tally},
};

/// A query from a file that compiled.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct CompiledQuery {
    pub(super) loaded: LoadedQuery,
    pub(super) template: Template,
    pub(super) columns: Vec<Column>,
}

/// The files' catalog; a part is `None` when its file was not given.
#[derive(Debug, Clone, Default)]
pub(super) struct Prepared {
    pub(super) queries: Option<Vec<CompiledQuery>>,
    pub(super) metrics: Option<Vec<CatalogMetric>>,
    /// Queries in the file that were rejected.
    pub(super) faulty_queries: LeftOut<QueryId>,
    /// Metrics in the file that were rejected.
    pub(super) faulty_metrics: LeftOut<MetricId>,
    /// Warnings of queries that hang on the records.
    pub(super) warnings: Vec<RecordWarning>,
}

/// The stored catalog.
#[derive(Debug, Clone, Default)]
pub(super) struct Stored {
    pub(super) queries: Vec<Query>,
    pub(super) metrics: Vec<Metric>,
}

/// A query whose SQL changes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ChangedQuery {
    pub(super) before: Query,
    pub(super) after: Query,
}

/// The writes of an import, in this order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct ImportPlan {
    pub(super) new_queries: Vec<Query>,
    pub(super) changed_queries: Vec<ChangedQuery>,
    pub(super) new_metrics: Vec<Metric>,
    pub(super) changed_metrics: Vec<Metric>,
    pub(super) pruned_metrics: Vec<MetricId>,
    pub(super) pruned_queries: Vec<QueryId>,
    /// The numbers for the report, without pruned queries.
    pub(super) counts: Counts,
}

/// Compares the files with the stored catalog. Dangling references between metrics and queries become
/// findings.
pub(super) fn plan(
    stored: &Stored,
    prepared: &Prepared,
    prune: bool,
    findings: &mut Findings,
) -> ImportPlan {
    let mut plan = ImportPlan::default();
    if let Some(queries) = &prepared.queries {
        plan.take_queries(&stored.queries, queries, prune);
    }
    if let Some(metrics) = &prepared.metrics {
        plan.check_references(stored, prepared, metrics, prune, findings);
        plan.take_metrics(stored, metrics, prune);
    }
    plan
}

impl ImportPlan {
    fn take_queries(&mut self, stored: &[Query], queries: &[CompiledQuery], prune: bool) {
        let by_id: BTreeMap<_, _> = stored.iter().map(|query| (&query.id, query)).collect();
        for query in queries {
            let tally = &mut self.counts.queries;
            let found = by_id.get(&query.loaded.id);
            let wanted = Query {
                id: query.loaded.id.clone(),
                sql: query.loaded.sql.clone(),
                template: query.template.clone(),
                columns: query.columns.clone(),
                version: found.map_or(1, |found| found.version),
                review: found.map_or(Review::NotNeeded, |found| found.review),
                origin: found.map_or(MetricOrigin::Import, |found| found.origin),
            };
            match found {
                None => {
                    tally.created += 1;
                    self.new_queries.push(wanted);
                }
                Some(found) if **found == wanted => tally.unchanged += 1,
                Some(found) => {
                    tally.updated += 1;
                    // SQL from a file is not generated from a prompt.
                    let review = Review::NotNeeded;
                    let after = Query { version: found.version + 1, review, ..wanted };
                    let before = (**found).clone();
                    self.changed_queries.push(ChangedQuery { before, after });
                }
            }
        }
        if prune {
            let wanted: BTreeSet<_> = queries.iter().map(|query| &query.loaded.id).collect();
            let gone = stored.iter().filter(|query| {
                query.origin == MetricOrigin::Import && !wanted.contains(&query.id)
            });
            self.pruned_queries = gone.map(|query| query.id.clone()).collect();
        }
    }

    fn check_references(
        &self,
        stored: &Stored,
        prepared: &Prepared,
        metrics: &[CatalogMetric],
        prune: bool,
        findings: &mut Findings,
    ) {
        let stored_ids = stored.queries.iter().map(|query| &query.id);
        let known = KnownQueries {
            ids: stored_ids.chain(self.new_queries.iter().map(|query| &query.id)).collect(),
            left_out: &prepared.faulty_queries,
        };
        reconcile::reject_missing_queries(metrics, &known, findings);

        if let Some(queries) = &prepared.queries
            && prepared.faulty_metrics.is_empty()
        {
            let from_file: BTreeSet<_> = metrics.iter().map(|metric| metric.id).collect();
            let staying = stored.metrics.iter().filter(|metric| {
                let pruned = prune && metric.origin == MetricOrigin::Import;
                !pruned && !from_file.contains(&metric.id)
            });
            let used = staying.map(|metric| &metric.query_id);
            let used = used.chain(metrics.iter().map(|metric| &metric.content.query_id)).collect();
            let rows = queries.iter().map(|query| &query.loaded);
            reconcile::warn_of_unused_queries(rows, &used, findings);
        }
    }

    fn take_metrics(&mut self, stored: &Stored, metrics: &[CatalogMetric], prune: bool) {
        let by_id: BTreeMap<_, _> =
            stored.metrics.iter().map(|metric| (metric.id, metric)).collect();
        let before: BTreeMap<_, _> =
            stored.queries.iter().map(|query| (&query.id, query)).collect();
        let mut after = before.clone();
        let written = self
            .new_queries
            .iter()
            .chain(self.changed_queries.iter().map(|changed| &changed.after));
        after.extend(written.map(|query| (&query.id, query)));

        for metric in metrics {
            let Some(query) = after.get(&metric.content.query_id) else {
                continue;
            };
            match by_id.get(&metric.id) {
                None => {
                    let wanted = created(metric, query);
                    self.counts.metrics.created += 1;
                    self.counts.layouts.created += wanted.layouts.len() as u64;
                    self.new_metrics.push(wanted);
                }
                Some(found) => {
                    let old = before.get(&found.query_id).copied();
                    let wanted = updated(found, old, metric, query);
                    compare_layouts(&found.layouts, &wanted.layouts, &mut self.counts.layouts);
                    let differs = found.query_id != wanted.query_id
                        || found.details != wanted.details
                        || found.is_editable != wanted.is_editable;
                    let tally = &mut self.counts.metrics;
                    *(if differs { &mut tally.updated } else { &mut tally.unchanged }) += 1;
                    if differs || found.layouts != wanted.layouts {
                        self.changed_metrics.push(wanted);
                    }
                }
            }
        }
        if prune {
            let wanted: BTreeSet<_> = metrics.iter().map(|metric| metric.id).collect();
            for metric in &stored.metrics {
                if metric.origin == MetricOrigin::Import && !wanted.contains(&metric.id) {
                    self.counts.metrics.removed += 1;
                    self.counts.layouts.removed += metric.layouts.len() as u64;
                    self.pruned_metrics.push(metric.id);
                }
            }
        }
    }
}

fn created(metric: &CatalogMetric, query: &Query) -> Metric {
    let unnamed = MetricDetails::named(MetricName::from_query(&query.sql, &query.id));
    Metric {
        id: metric.id,
        query_id: query.id.clone(),
        details: overlay(unnamed, &metric.content.details),
        is_editable: metric.content.is_editable,
        layouts: metric.layouts.clone(),
        layout_version: 1,
        query_version: query.version,
        review: query.review,
        origin: MetricOrigin::Import,
    }
}

/// Returns `found` with the file's content. A name derived from the old SQL follows the new SQL.
fn updated(found: &Metric, old: Option<&Query>, metric: &CatalogMetric, query: &Query) -> Metric {
    let mut details = found.details.clone();
    if old.is_some_and(|old| details.name == MetricName::from_query(&old.sql, &old.id)) {
        details.name = MetricName::from_query(&query.sql, &query.id);
    }
    let moved = found.layouts != metric.layouts;
    Metric {
        id: found.id,
        query_id: query.id.clone(),
        details: overlay(details, &metric.content.details),
        is_editable: metric.content.is_editable,
        layouts: metric.layouts.clone(),
        layout_version: found.layout_version + i64::from(moved),
        query_version: query.version,
        review: query.review,
        origin: found.origin,
    }
}

fn overlay(details: MetricDetails, given: &GivenDetails) -> MetricDetails {
    let given = given.clone();
    MetricDetails {
        name: given.name.unwrap_or(details.name),
        description: given.description.or(details.description),
        owner: given.owner.or(details.owner),
        tags: given.tags.unwrap_or(details.tags),
        display: Display {
            chart: given.chart.unwrap_or(details.display.chart),
            unit: given.unit.or(details.display.unit),
        },
        cache_ttl: given.cache_ttl.or(details.cache_ttl),
    }
}

/// Compares layouts by position: the nth of a breakpoint with the nth stored one.
fn compare_layouts(stored: &[LayoutItem], wanted: &[LayoutItem], tally: &mut Tally) {
    let breakpoints: BTreeSet<_> =
        stored.iter().chain(wanted).map(|item| &item.breakpoint).collect();
    for breakpoint in breakpoints {
        let mut old = stored.iter().filter(|item| item.breakpoint == *breakpoint);
        for new in wanted.iter().filter(|item| item.breakpoint == *breakpoint) {
            match old.next() {
                None => tally.created += 1,
                Some(old) if old == new => tally.unchanged += 1,
                Some(_) => tally.updated += 1,
            }
        }
        tally.removed += old.count() as u64;
    }
}

#[cfg(test)]
mod tests {
    use metricd_core::{
        layout::Breakpoint,
        metric::{Chart, Tag},
        window::Slots,
    };
    use uuid::Uuid;

    use super::{
        super::{
            loaded::MetricContent,
            report::{Place, Severity},
        },
        *,
    };

    fn query_id(id: &str) -> QueryId {
        QueryId::parse(id).unwrap()
    }

    fn template(sql: &str) -> Template {
        Template {
            sql: sql.into(),
            parameters: Vec::new(),
            slots: Slots::default(),
            claims: BTreeSet::new(),
            tables: BTreeSet::new(),
            notes: Vec::new(),
        }
    }

    fn query(id: &str, sql: &str) -> CompiledQuery {
        let place = Place::line("queries.csv", 2);
        CompiledQuery {
            loaded: LoadedQuery { id: query_id(id), sql: sql.into(), place, sql_line: 2 },
            template: template(sql),
            columns: Vec::new(),
        }
    }

    fn metric(n: u128, query: &str) -> CatalogMetric {
        CatalogMetric {
            id: MetricId(Uuid::from_u128(n)),
            id_place: Place::default(),
            query_place: Place::value("metrics.json", 4, "$.items[0].queryId"),
            content: MetricContent {
                query_id: query_id(query),
                is_editable: true,
                details: GivenDetails::default(),
            },
            layouts: Vec::new(),
        }
    }

    fn tile(breakpoint: &str, x: i32) -> LayoutItem {
        let breakpoint = Breakpoint::parse(breakpoint).unwrap();
        LayoutItem { breakpoint, x, y: 0, w: 1, h: 1, is_static: None }
    }

    fn files(queries: Vec<CompiledQuery>, metrics: Vec<CatalogMetric>) -> Prepared {
        Prepared { queries: Some(queries), metrics: Some(metrics), ..Prepared::default() }
    }

    fn planned(stored: &Stored, files: &Prepared, prune: bool) -> (ImportPlan, Findings) {
        let mut findings = Findings::default();
        let plan = plan(stored, files, prune, &mut findings);
        (plan, findings)
    }

    /// What is stored once `files` were loaded into nothing.
    fn loaded(files: &Prepared) -> Stored {
        let (plan, findings) = planned(&Stored::default(), files, false);
        assert_eq!(findings, Findings::default());
        Stored { queries: plan.new_queries, metrics: plan.new_metrics }
    }

    #[test]
    fn a_repeated_import_changes_nothing() {
        let mut one = metric(1, "a");
        one.layouts = vec![tile("lg", 0), tile("md", 0)];
        let files = files(vec![query("a", "-- Total\nSELECT 1")], vec![one]);
        let stored = loaded(&files);
        assert_eq!(stored.metrics[0].details.name.as_str(), "Total");
        let (again, findings) = planned(&stored, &files, true);
        let unchanged = |number| Tally { unchanged: number, ..Tally::default() };
        let counts = Counts {
            queries: unchanged(1),
            metrics: unchanged(1),
            layouts: unchanged(2),
            records: Tally::default(),
        };
        assert_eq!(again, ImportPlan { counts, ..ImportPlan::default() });
        assert_eq!(findings, Findings::default());
    }

    #[test]
    fn new_sql_increments_the_version_and_renames_unless_a_name_was_given() {
        let before =
            files(vec![query("a", "-- Old\nSELECT 1")], vec![metric(1, "a"), metric(2, "a")]);
        let mut stored = loaded(&before);
        stored.metrics[1].details.name = MetricName::parse("Mine").unwrap();
        let after =
            files(vec![query("a", "-- New\nSELECT 2")], vec![metric(1, "a"), metric(2, "a")]);
        let (plan, _) = planned(&stored, &after, false);
        assert_eq!(plan.changed_queries[0].after.version, 2);
        assert_eq!((plan.counts.queries.updated, plan.counts.metrics.updated), (1, 1));
        assert_eq!(plan.changed_metrics.len(), 1, "the other one says nothing new");
        assert_eq!(plan.changed_metrics[0].details.name.as_str(), "New");
        assert_eq!(plan.changed_metrics[0].query_version, 2);
    }

    #[test]
    fn details_absent_from_the_file_are_kept() {
        let mut given = metric(1, "a");
        given.content.details = GivenDetails {
            owner: Some("Ada".into()),
            tags: Some(vec![Tag::parse("x").unwrap()]),
            chart: Some(Chart::Bar),
            ..GivenDetails::default()
        };
        let queries = || vec![query("a", "SELECT 1")];
        let stored = loaded(&files(queries(), vec![given]));
        let mut other = metric(1, "a");
        other.content.details.unit = Some("€".into());
        let (plan, _) = planned(&stored, &files(queries(), vec![other]), false);
        let details = &plan.changed_metrics[0].details;
        assert_eq!(details.owner.as_deref(), Some("Ada"));
        assert_eq!(details.tags.len(), 1);
        assert_eq!(
            (details.display.chart, details.display.unit.as_deref()),
            (Chart::Bar, Some("€"))
        );
    }

    #[test]
    fn a_moved_tile_increments_only_the_layout_version() {
        let with = |layouts| {
            files(vec![query("a", "SELECT 1")], vec![CatalogMetric { layouts, ..metric(1, "a") }])
        };
        let stored = loaded(&with(vec![tile("lg", 0), tile("lg", 1), tile("md", 0)]));
        let wanted = with(vec![tile("lg", 0), tile("lg", 2), tile("lg", 3)]);
        let (plan, _) = planned(&stored, &wanted, false);
        let layouts = Tally { created: 1, updated: 1, unchanged: 1, removed: 1 };
        assert_eq!(plan.counts.layouts, layouts);
        assert_eq!(plan.counts.metrics.unchanged, 1);
        assert_eq!(plan.changed_metrics[0].layout_version, 2);
        assert_eq!(plan.changed_metrics[0].query_version, 1);
    }

    #[test]
    fn pruning_removes_only_imported_items_of_the_given_files() {
        let both = files(
            vec![query("a", "SELECT 1"), query("b", "SELECT 2")],
            vec![metric(1, "a"), metric(2, "b"), metric(3, "b")],
        );
        let mut stored = loaded(&both);
        stored.metrics[2].origin = MetricOrigin::Api;
        let fewer = files(vec![query("a", "SELECT 1")], vec![metric(1, "a")]);
        let (plan, _) = planned(&stored, &fewer, true);
        assert_eq!(plan.pruned_metrics, [MetricId(Uuid::from_u128(2))]);
        assert_eq!(plan.pruned_queries, [query_id("b")]);

        let queries_only = Prepared { metrics: None, ..fewer };
        assert!(planned(&stored, &queries_only, true).0.pruned_metrics.is_empty());
        assert!(planned(&stored, &queries_only, false).0.pruned_queries.is_empty());
    }

    #[test]
    fn a_metric_needs_a_query_from_the_file_or_the_database() {
        let stored = loaded(&files(vec![query("a", "SELECT 1")], vec![metric(9, "a")]));
        let wanted = files(vec![], vec![metric(1, "a"), metric(2, "b")]);
        let (plan, findings) = planned(&stored, &wanted, false);
        assert_eq!(plan.new_metrics.len(), 1);
        let [missing] = findings.listed() else { panic!("{findings:?}") };
        assert_eq!(missing.severity, Severity::Rejection);
        assert_eq!(missing.place.path.as_deref(), Some("$.items[0].queryId"));
        assert_eq!(missing.message, "there is no query `b`");

        let mut faulty = wanted;
        faulty.faulty_queries.add(Some(query_id("b")));
        assert_eq!(planned(&stored, &faulty, false).1, Findings::default(), "told already");
    }

    #[test]
    fn an_unused_query_is_a_warning() {
        let queries = || vec![query("a", "SELECT 1"), query("b", "SELECT 2")];
        let wanted = files(queries(), vec![metric(1, "a")]);
        let (_, findings) = planned(&Stored::default(), &wanted, false);
        assert_eq!(findings.count(Severity::Warning), 1);
        assert_eq!(findings.listed()[0].message, "no metric uses the query `b`");

        let stored = loaded(&files(queries(), vec![metric(1, "a"), metric(2, "b")]));
        assert_eq!(planned(&stored, &wanted, false).1, Findings::default(), "a stored one does");
        assert_eq!(planned(&stored, &wanted, true).1.count(Severity::Warning), 1, "it goes");
    }
}

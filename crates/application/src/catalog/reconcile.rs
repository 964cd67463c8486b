//! Reconciles the values of one import: duplicate ids, layouts without a metric, metrics without a
//! query. Pure; every value that is changed or dropped is a finding.

use std::collections::{BTreeMap, BTreeSet};

use metricd_core::{
    ids::{MetricId, QueryId},
    layout::LayoutItem,
};

use super::{
    loaded::{
        LeftOut, LoadedLayout, LoadedMetric, LoadedMetrics, LoadedQueries, LoadedQuery,
        MetricContent,
    },
    report::{Finding, Findings, Place},
};

/// A metric with a unique id and its layouts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogMetric {
    /// Its id, after repairs.
    pub id: MetricId,
    /// The place of the id.
    pub id_place: Place,
    /// The place of the query's id.
    pub query_place: Place,
    /// Its content in the file.
    pub content: MetricContent,
    /// Its tiles, in file order.
    pub layouts: Vec<LayoutItem>,
}

/// Resolves duplicate ids, and assigns each metric its layouts.
///
/// Of items with one id and the same content the first is kept. Of those with different content the
/// first keeps the id; the duplicates, in file order, take the layout ids that no item has, in
/// order of first appearance, when there are exactly as many, and are rejected otherwise.
pub fn reconcile_metrics(loaded: LoadedMetrics, findings: &mut Findings) -> Vec<CatalogMetric> {
    let LoadedMetrics { items, layouts, left_out, .. } = loaded;
    let orphans = ids_without_item(&items, &layouts, &left_out);
    let (kept, duplicates) = drop_repeated(items, findings);
    let mut kept = rename(kept, &duplicates, &orphans, left_out.unnamed, findings);
    let owned = assign_layouts(&kept, layouts, &left_out, findings);
    for (metric, layouts) in kept.iter_mut().zip(owned) {
        metric.layouts = layouts;
    }
    kept
}

/// Returns the layout ids that no item has, each once, in order of first appearance.
fn ids_without_item(
    items: &[LoadedMetric],
    layouts: &[LoadedLayout],
    left_out: &LeftOut<MetricId>,
) -> Vec<MetricId> {
    let mut seen: BTreeSet<_> = items.iter().map(|item| item.id).collect();
    seen.extend(&left_out.ids);
    layouts.iter().map(|layout| layout.metric_id).filter(|id| seen.insert(*id)).collect()
}

/// Drops items that repeat an earlier one, and returns those that only share an id with it: each as its
/// index among the kept ones, and the index of the first.
fn drop_repeated(
    items: Vec<LoadedMetric>,
    findings: &mut Findings,
) -> (Vec<LoadedMetric>, Vec<(usize, usize)>) {
    let mut kept: Vec<LoadedMetric> = Vec::with_capacity(items.len());
    let mut duplicates = Vec::new();
    let mut claims: BTreeMap<MetricId, Vec<usize>> = BTreeMap::new();
    for item in items {
        let claims = claims.entry(item.id).or_default();
        if let Some(twin) = claims.iter().find(|at| kept[**at].content == item.content) {
            findings.add(Finding::warning(
                item.id_place.clone(),
                format!("this item repeats {}, dropped", mention(&kept[*twin].id_place)),
                "Remove one of the two.",
            ));
            continue;
        }
        if let Some(first) = claims.first() {
            duplicates.push((kept.len(), *first));
        }
        claims.push(kept.len());
        kept.push(item);
    }
    (kept, duplicates)
}

fn rename(
    mut items: Vec<LoadedMetric>,
    duplicates: &[(usize, usize)],
    orphans: &[MetricId],
    unreadable_items: bool,
    findings: &mut Findings,
) -> Vec<CatalogMetric> {
    let repairable = duplicates.len() == orphans.len() && !unreadable_items;
    let mut rejected = BTreeSet::new();
    for (nth, (at, first)) in duplicates.iter().enumerate() {
        let taken = mention(&items[*first].id_place);
        let item = &mut items[*at];
        let place = item.id_place.clone();
        if repairable {
            let id = orphans[nth];
            findings.add(Finding::repair(
                place,
                format!("`{}` is the id of {taken} already; this item becomes `{id}`, a layout's id that no item has", item.id),
                format!("Write `{id}` here if that is what was meant; else give the item an id of its own."),
            ));
            item.id = id;
        } else {
            let why = if unreadable_items {
                "some items could not be read, so the file does not show which id was meant".into()
            } else {
                format!(
                    "{} and {}, so the file does not show which id was meant",
                    count(duplicates.len(), "item shares its id", "items share their ids"),
                    count(orphans.len(), "layout id has no item", "layout ids have no item"),
                )
            };
            findings.add(Finding::rejection(
                place,
                format!("`{}` is the id of {taken} already, with other content; {why}", item.id),
                "Give each item an id of its own, and name it in the layouts.",
            ));
            rejected.insert(*at);
        }
    }
    let kept = items.into_iter().enumerate().filter(|(at, _)| !rejected.contains(at));
    kept.map(|(_, item)| without_layouts(item)).collect()
}

fn without_layouts(item: LoadedMetric) -> CatalogMetric {
    let LoadedMetric { id, id_place, query_place, content } = item;
    CatalogMetric { id, id_place, query_place, content, layouts: Vec::new() }
}

/// Assigns the layouts to `metrics`.
fn assign_layouts(
    metrics: &[CatalogMetric],
    layouts: Vec<LoadedLayout>,
    left_out: &LeftOut<MetricId>,
    findings: &mut Findings,
) -> Vec<Vec<LayoutItem>> {
    let positions: BTreeMap<_, _> =
        metrics.iter().enumerate().map(|(at, metric)| (metric.id, at)).collect();
    let mut owned = vec![Vec::new(); metrics.len()];
    for layout in layouts {
        if let Some(at) = positions.get(&layout.metric_id) {
            owned[*at].push(layout.item);
        } else if !left_out.may_hold(&layout.metric_id) {
            findings.add(Finding::warning(
                layout.place,
                format!("no item has the id `{}` of this layout, dropped", layout.metric_id),
                "Correct `i`, add the item, or remove the layout.",
            ));
        }
    }
    owned
}

/// Resolves duplicate ids of rows: a repetition is dropped, anything else rejected.
pub fn reconcile_queries(rows: Vec<LoadedQuery>, findings: &mut Findings) -> Vec<LoadedQuery> {
    let mut kept: Vec<LoadedQuery> = Vec::with_capacity(rows.len());
    let mut positions: BTreeMap<QueryId, usize> = BTreeMap::new();
    for row in rows {
        let Some(at) = positions.get(&row.id) else {
            positions.insert(row.id.clone(), kept.len());
            kept.push(row);
            continue;
        };
        let first = mention(&kept[*at].place);
        if kept[*at].sql == row.sql {
            findings.add(Finding::warning(
                row.place,
                format!("the query `{}` repeats {first}, dropped", row.id),
                "Remove one of the two.",
            ));
        } else {
            findings.add(Finding::rejection(
                row.place,
                format!("the query `{}` stands at {first} already, with other SQL", row.id),
                "Keep the one that is right, or give the other an id of its own.",
            ));
        }
    }
    kept
}

/// The query ids that an import may refer to.
pub(super) struct KnownQueries<'a> {
    /// The ids of queries that exist after the import.
    pub(super) ids: BTreeSet<&'a QueryId>,
    /// The ids of queries that were rejected for other reasons.
    pub(super) left_out: &'a LeftOut<QueryId>,
}

/// Rejects metrics whose query does not exist.
pub(super) fn reject_missing_queries(
    metrics: &[CatalogMetric],
    known: &KnownQueries<'_>,
    findings: &mut Findings,
) {
    for metric in metrics {
        let id = &metric.content.query_id;
        if !known.ids.contains(id) && !known.left_out.may_hold(id) {
            findings.add(Finding::rejection(
                metric.query_place.clone(),
                format!("there is no query `{id}`"),
                "Add a row with this id to the file of queries, or correct the id.",
            ));
        }
    }
}

/// Warns of queries that no metric uses.
pub(super) fn warn_of_unused_queries<'a>(
    rows: impl IntoIterator<Item = &'a LoadedQuery>,
    used: &BTreeSet<&QueryId>,
    findings: &mut Findings,
) {
    for row in rows.into_iter().filter(|row| !used.contains(&row.id)) {
        findings.add(Finding::warning(
            row.place.clone(),
            format!("no metric uses the query `{}`", row.id),
            "Add a metric for it, or remove the row.",
        ));
    }
}

/// Describes a place in the same file for a message.
fn mention(place: &Place) -> String {
    match (&place.path, place.line) {
        (Some(path), Some(line)) => format!("`{path}` (line {line})"),
        (Some(path), None) => format!("`{path}`"),
        (None, Some(line)) => format!("line {line}"),
        (None, None) => "another place".into(),
    }
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Reconciles a file of queries and collects its findings. SQL is not parsed yet.
pub(super) fn take_queries(
    loaded: LoadedQueries,
    findings: &mut Findings,
) -> (Vec<LoadedQuery>, LeftOut<QueryId>) {
    findings.append(loaded.findings);
    (reconcile_queries(loaded.rows, findings), loaded.left_out)
}

/// Reconciles a file of metrics and collects its findings.
pub(super) fn take_metrics(
    mut loaded: LoadedMetrics,
    findings: &mut Findings,
) -> (Vec<CatalogMetric>, LeftOut<MetricId>) {
    findings.append(std::mem::take(&mut loaded.findings));
    let left_out = loaded.left_out.clone();
    (reconcile_metrics(loaded, findings), left_out)
}

#[cfg(test)]
mod tests {
    use metricd_core::layout::Breakpoint;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::{
        super::{loaded::GivenDetails, report::Severity},
        *,
    };

    fn id(n: u128) -> MetricId {
        MetricId(Uuid::from_u128(n))
    }

    fn item(at: usize, n: u128, query: &str) -> LoadedMetric {
        LoadedMetric {
            id: id(n),
            id_place: Place::value("metrics.json", at as u64, format!("$.items[{at}].id")),
            query_place: Place::value("metrics.json", at as u64, format!("$.items[{at}].queryId")),
            content: MetricContent {
                query_id: QueryId::parse(query).unwrap(),
                is_editable: true,
                details: GivenDetails::default(),
            },
        }
    }

    fn layout(breakpoint: &str, n: u128) -> LoadedLayout {
        LoadedLayout {
            metric_id: id(n),
            place: Place::value("metrics.json", 1, format!("$.layouts.{breakpoint}[0]")),
            item: LayoutItem {
                breakpoint: Breakpoint::parse(breakpoint).unwrap(),
                x: 0,
                y: 0,
                w: 1,
                h: 1,
                is_static: None,
            },
        }
    }

    fn loaded(items: Vec<LoadedMetric>, layouts: Vec<LoadedLayout>) -> LoadedMetrics {
        LoadedMetrics { file: "metrics.json".into(), items, layouts, ..LoadedMetrics::default() }
    }

    fn reconcile(
        items: Vec<LoadedMetric>,
        layouts: Vec<LoadedLayout>,
    ) -> (Vec<CatalogMetric>, Findings) {
        let mut findings = Findings::default();
        let metrics = reconcile_metrics(loaded(items, layouts), &mut findings);
        (metrics, findings)
    }

    fn ids(metrics: &[CatalogMetric]) -> Vec<u128> {
        metrics.iter().map(|metric| metric.id.0.as_u128()).collect()
    }

    #[test]
    fn a_repeated_item_is_dropped_with_a_warning() {
        let (metrics, findings) = reconcile(vec![item(0, 1, "a"), item(1, 1, "a")], vec![]);
        assert_eq!(ids(&metrics), [1]);
        assert_eq!(findings.count(Severity::Warning), 1);
        assert_eq!(
            findings.listed()[0].message,
            "this item repeats `$.items[0].id` (line 0), dropped"
        );
        assert_eq!(findings.listed()[0].place.path.as_deref(), Some("$.items[1].id"));
    }

    #[test]
    fn duplicates_take_the_ids_that_only_layouts_have() {
        let items = vec![item(0, 1, "a"), item(1, 1, "b"), item(2, 2, "c"), item(3, 1, "d")];
        let layouts = vec![layout("lg", 1), layout("lg", 9), layout("lg", 2), layout("md", 8)];
        let (metrics, findings) = reconcile(items, layouts);
        assert_eq!(ids(&metrics), [1, 9, 2, 8], "in order of first appearance");
        assert!(metrics.iter().all(|metric| metric.layouts.len() == 1));
        assert_eq!(findings.count(Severity::Repair), 2);
        assert_eq!(findings.listed().len(), 2);
        assert!(findings.listed()[0].message.contains(&format!("becomes `{}`", id(9))));
    }

    #[test]
    fn without_exactly_as_many_free_layout_ids_duplicates_are_rejected() {
        for free in [vec![], vec![layout("lg", 8), layout("lg", 9)]] {
            let (metrics, findings) =
                reconcile(vec![item(0, 1, "a"), item(1, 1, "b")], free.clone());
            assert_eq!(ids(&metrics), [1]);
            assert_eq!(findings.count(Severity::Rejection), 1);
            assert_eq!(findings.count(Severity::Warning), free.len() as u64, "ownerless layouts");
        }
    }

    #[test]
    fn one_free_layout_id_on_two_breakpoints_counts_once() {
        let layouts = vec![layout("lg", 9), layout("md", 9)];
        let (metrics, findings) = reconcile(vec![item(0, 1, "a"), item(1, 1, "b")], layouts);
        assert_eq!(ids(&metrics), [1, 9]);
        assert_eq!(metrics[1].layouts.len(), 2);
        assert_eq!(findings.listed().len(), 1);
    }

    #[test]
    fn a_repeated_duplicate_counts_once() {
        let items = vec![item(0, 1, "a"), item(1, 1, "b"), item(2, 1, "b")];
        let (metrics, findings) = reconcile(items, vec![layout("lg", 9)]);
        assert_eq!(ids(&metrics), [1, 9]);
        assert_eq!((findings.count(Severity::Repair), findings.count(Severity::Warning)), (1, 1));
    }

    #[test]
    fn layouts_of_a_rejected_item_are_not_reported() {
        let mut file = loaded(vec![item(0, 1, "a")], vec![layout("lg", 2)]);
        file.left_out.add(Some(id(2)));
        let mut findings = Findings::default();
        assert_eq!(ids(&reconcile_metrics(file, &mut findings)), [1]);
        assert_eq!(findings, Findings::default());
    }

    #[test]
    fn nothing_is_repaired_while_items_are_unreadable() {
        let mut file = loaded(vec![item(0, 1, "a"), item(1, 1, "b")], vec![layout("lg", 2)]);
        file.left_out.add(None);
        let mut findings = Findings::default();
        assert_eq!(ids(&reconcile_metrics(file, &mut findings)), [1]);
        assert_eq!(findings.count(Severity::Rejection), 1);
        assert_eq!(findings.listed().len(), 1);
    }

    #[test]
    fn a_query_may_be_repeated_but_not_contradicted() {
        let row = |line, id: &str, sql: &str| LoadedQuery {
            id: QueryId::parse(id).unwrap(),
            sql: sql.into(),
            place: Place::line("queries.csv", line),
            sql_line: line,
        };
        let rows = vec![row(2, "a", "x"), row(3, "b", "x"), row(4, "a", "x"), row(5, "b", "y")];
        let mut findings = Findings::default();
        let kept = reconcile_queries(rows, &mut findings);
        assert_eq!(kept.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        let found: Vec<_> =
            findings.listed().iter().map(|found| (found.severity, found.place.line)).collect();
        assert_eq!(found, [(Severity::Warning, Some(4)), (Severity::Rejection, Some(5))]);
    }

    fn files() -> impl Strategy<Value = LoadedMetrics> {
        let items = prop::collection::vec((0_u128..5, 0_u8..3), 0..8);
        let layouts = prop::collection::vec((0_u128..9, prop::bool::ANY), 0..10);
        (items, layouts).prop_map(|(items, layouts)| {
            let items = items.iter().enumerate();
            loaded(
                items.map(|(at, (n, query))| item(at, *n, &format!("q{query}"))).collect(),
                layouts.iter().map(|(n, lg)| layout(if *lg { "lg" } else { "md" }, *n)).collect(),
            )
        })
    }

    proptest! {
        #[test]
        fn no_item_and_no_layout_disappears_silently(file in files()) {
            let mut findings = Findings::default();
            let metrics = reconcile_metrics(file.clone(), &mut findings);

            let unique: BTreeSet<_> = metrics.iter().map(|metric| metric.id).collect();
            prop_assert_eq!(unique.len(), metrics.len());
            for item in &file.items {
                let told = findings.listed().iter().any(|found| found.place == item.id_place);
                let kept = metrics.iter().find(|metric| metric.id_place == item.id_place);
                prop_assert!(told || kept.is_some_and(|metric| metric.id == item.id));
                prop_assert!(kept.is_none_or(|metric| metric.content == item.content));
            }
            let handed_out: usize = metrics.iter().map(|metric| metric.layouts.len()).sum();
            let dropped = findings.listed().iter().filter(|found| {
                found.place.path.as_ref().is_some_and(|path| path.starts_with("$.layouts"))
            });
            prop_assert_eq!(handed_out + dropped.count(), file.layouts.len());
        }

        #[test]
        fn what_was_reconciled_needs_no_more_reconciling(file in files()) {
            let metrics = reconcile_metrics(file, &mut Findings::default());
            let items = metrics.iter().map(|metric| LoadedMetric {
                id: metric.id,
                id_place: metric.id_place.clone(),
                query_place: metric.query_place.clone(),
                content: metric.content.clone(),
            });
            let layouts = metrics.iter().flat_map(|metric| {
                metric.layouts.iter().map(|item| LoadedLayout {
                    metric_id: metric.id,
                    place: Place::default(),
                    item: item.clone(),
                })
            });
            let (again, findings) = reconcile(items.collect(), layouts.collect());
            prop_assert_eq!(again, metrics);
            prop_assert_eq!(findings, Findings::default());
        }

        #[test]
        fn without_shared_ids_the_order_of_items_does_not_matter(
            ids in prop::collection::btree_set(0_u128..9, 0..6),
            layouts in prop::collection::vec(0_u128..12, 0..10),
        ) {
            let items: Vec<_> = ids.iter().enumerate().map(|(at, n)| item(at, *n, "q")).collect();
            let layouts: Vec<_> = layouts.iter().map(|n| layout("lg", *n)).collect();
            let backwards = items.iter().rev().cloned().collect();
            let (mut one, found) = reconcile(items, layouts.clone());
            let (mut other, found_other) = reconcile(backwards, layouts);
            one.sort_by_key(|metric| metric.id);
            other.sort_by_key(|metric| metric.id);
            prop_assert_eq!(one, other);
            prop_assert_eq!(found, found_other);
        }
    }
}

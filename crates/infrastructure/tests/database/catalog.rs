use metricd_application::ports::{Catalog, MetricFilter};
use metricd_core::{
    ids::MetricId,
    metric::{CompiledMetric, Metric, MetricName, Tag},
};

use crate::support::*;

async fn ids(
    catalog: &dyn Catalog,
    limit: u32,
    after: Option<u128>,
    text: Option<&str>,
) -> Vec<u128> {
    let filter = MetricFilter { limit, after: after.map(metric_id), text: text.map(str::to_owned) };
    let found = catalog.list(&filter).await.unwrap();
    found.into_iter().map(|Metric { id: MetricId(id), .. }| id.as_u128()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_found_and_listed() {
    on_each_engine_migrated(async |db, engine| {
        let mut plain = metric(metric_id(2), "q");
        plain.details.name = MetricName::parse("Parts flagged").unwrap();
        plain.details.description = None;
        plain.details.tags = vec![Tag::parse("STOCK").unwrap()];
        plain.layouts = Vec::new();
        let third = metric(metric_id(3), "q");
        commit(db.uncached_store().as_ref(), async |uow| {
            uow.insert_query(&query("q")).await.unwrap();
            uow.insert_metric(&third).await.unwrap();
            uow.insert_metric(&plain).await.unwrap();
            uow.insert_metric(&metric(metric_id(1), "q")).await.unwrap();
        })
        .await;
        let catalog = db.catalog();

        let whole = CompiledMetric { metric: metric(metric_id(1), "q"), query: query("q") };
        assert_eq!(catalog.find(metric_id(1)).await.unwrap(), Some(whole), "{engine:?}");
        assert_eq!(catalog.find(metric_id(9)).await.unwrap(), None);
        let all = MetricFilter { limit: 10, after: None, text: None };
        let whole = [metric(metric_id(1), "q"), plain, third];
        assert_eq!(catalog.list(&all).await.unwrap(), whole, "{engine:?}");

        let catalog = catalog.as_ref();
        assert_eq!(ids(catalog, 2, None, None).await, [1, 2]);
        assert_eq!(ids(catalog, 2, Some(2), None).await, [3]);
        assert_eq!(ids(catalog, 9, None, Some("cost AVOIDED")).await, [1, 3], "by name");
        assert_eq!(ids(catalog, 9, None, Some("stock")).await, [2], "by tag");
        assert_eq!(ids(catalog, 9, None, Some("öLN")).await.len(), 2, "whatever the letters");
        assert_eq!(ids(catalog, 9, None, Some("100%")).await, [1, 3], "by description");
        assert_eq!(ids(catalog, 9, None, Some("1%0")).await, [0; 0], "% is a character");
        assert_eq!(ids(catalog, 9, None, Some("_")).await, [1, 3], "_ is a character");
        assert_eq!(ids(catalog, 9, None, Some("c:\\temp")).await, [1, 3], "so is \\");
        assert_eq!(ids(catalog, 9, Some(1), Some("'")).await, [0; 0], "and so is '");
    })
    .await;
}

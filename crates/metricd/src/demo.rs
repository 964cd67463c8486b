//! The sample catalog of `serve --demo`, with made-up records up to today so that every window
//! shows something.

use std::{fs, net::SocketAddr, path::Path};

use anyhow::{Context as _, bail};
use chrono::{Datelike, Days, NaiveDate};
use metricd_application::{
    catalog::{CatalogFiles, ImportOptions, import, seed},
    context::Context,
    ports::MetricFilter,
};
use metricd_core::{actor::Actor, metric::Metric};
use metricd_infrastructure::loaders::{RecordFile, load_metrics, load_queries};
use serde_json::{Value, json};

const METRICS: &str = include_str!("../../../examples/metrics.json");
const QUERIES: &str = include_str!("../../../examples/queries.csv");
const RECORDS: &str = include_str!("../../../examples/metric_records.json");

/// Days before today that have made-up records.
const DAYS: u64 = 120;
/// Stands in every made-up record, in the text column that its metric does not read.
const LABEL: &str = "Demo record";
/// The metric in the welcome message's example request.
const SHOWN_METRIC: &str = "421d0584-0156-4737-91d0-1daba5eae531";

/// Loads the sample catalog into an empty database, and made-up records for days without any. Later
/// changes are kept.
pub(crate) async fn load(data_dir: &Path, context: &Context) -> anyhow::Result<()> {
    refuse_other_catalog(context).await?;
    let dir = data_dir.join("demo");
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let write = |name: &str, text: &str| {
        let path = dir.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        anyhow::Ok(path)
    };
    let today = context.clock.now().date_naive();
    let metrics = write("metrics.json", METRICS)?;
    let queries = write("queries.csv", QUERIES)?;
    let sample = write("metric_records.json", RECORDS)?;
    let made_up = write("made_up_records.json", &serde_json::to_string(&made_up_records(today))?)?;

    let catalog = CatalogFiles {
        queries: Some(load_queries(&queries)),
        metrics: Some(load_metrics(&metrics)),
        records: Some(Box::new(RecordFile::open(&sample))),
    };
    #[expect(clippy::disallowed_methods, reason = "the caller of a command is the operator")]
    let operator = Actor::operator();
    let seeded = seed(&operator, context, catalog).await?;
    let records = CatalogFiles {
        records: Some(Box::new(RecordFile::open(&made_up))),
        ..CatalogFiles::default()
    };
    let options = ImportOptions::default();
    let added = import(&operator, context, records, options, &|_| ()).await?;
    for report in seeded.iter().chain([&added]) {
        if !report.written {
            bail!("the sample was rejected: {:?}", report.findings.listed());
        }
    }
    Ok(())
}

/// Refuses a database with other metrics: the sample must not mix with them.
async fn refuse_other_catalog(context: &Context) -> anyhow::Result<()> {
    let filter = MetricFilter { limit: 1_000, after: None, text: None };
    let stored = context.catalog.list(&filter).await?;
    let is_sample = |metric: &Metric| METRICS.contains(&metric.id.to_string());
    if !stored.is_empty() && !stored.iter().any(is_sample) {
        bail!("--demo is for an empty database; this one holds other metrics (try --data-dir)");
    }
    Ok(())
}

/// Returns the message for the user once the service is up.
pub(crate) fn welcome(address: SocketAddr, token: Option<&str>) -> String {
    let token = match token {
        Some(token) => format!("-H 'Authorization: Bearer {token}' "),
        None => "-H \"Authorization: Bearer $TOKEN\" ".to_owned(),
    };
    format!(
        "\nmetricd is up, with the sample catalog and made-up records (labelled \"{LABEL}\").\n\n  \
         API documentation  http://{address}/docs\n  \
         All metrics        http://{address}/metrics\n\n\
         Requests need a token; this one is valid for twelve hours, and `metricd token` issues others.\n\n  \
         curl {token}'http://{address}/metrics/{SHOWN_METRIC}?day_range=7'\n\n\
         Press Ctrl-C to stop.\n"
    )
}

fn made_up_records(today: NaiveDate) -> Vec<Value> {
    (0..=DAYS)
        .rev()
        .filter_map(|ago| today.checked_sub_days(Days::new(ago)))
        .flat_map(day)
        .collect()
}

/// Returns the records of one day: deterministic, with a weekly rhythm.
fn day(date: NaiveDate) -> Vec<Value> {
    let number = date.num_days_from_ce().unsigned_abs();
    let noise = |salt: u32, below: u32| {
        (number.wrapping_mul(2_654_435_761).wrapping_add(salt.wrapping_mul(40_503)) >> 8) % below
    };
    let workday = date.weekday().number_from_monday() < 6;
    let scale = if workday { 3 } else { 1 };
    let record = |id: &str, hour: u32, values: Value| {
        let mut record = json!({ "id": id, "date": format!("{date}T{hour:02}:00:00") });
        if let (Some(all), Value::Object(values)) = (record.as_object_mut(), values) {
            all.extend(values);
        }
        record
    };
    let cost = f64::from(scale * (40 + noise(1, 60))) + f64::from(noise(2, 100)) / 100.0;
    let risk = 90_000.0 - f64::from(number % 400) * 55.0 + f64::from(noise(3, 4_000));
    let mut records = vec![
        record("cost-avoided-30d", 9, json!({ "obsolescence": cost, "alert_category": LABEL })),
        record("value-at-risk", 6, json!({ "obsolescence_val": risk, "alert_category": LABEL })),
        record("savings-to-date", 9, json!({ "obsolescence": cost, "alert_category": LABEL })),
    ];
    for id in ["parts-flagged-weekly", "parts-flagged-june"] {
        let parts = scale * noise(4, 9);
        records.push(record(id, 8, json!({ "parts_flagged": parts, "alert_category": LABEL })));
    }
    let categories = ["Needs approval", "End of life", "Last-time buy"];
    for alert in 0..scale {
        let category = categories[noise(5 + alert, 3) as usize];
        records.push(record(
            "approvals-90d",
            10 + alert,
            json!({ "alert_type": LABEL, "alert_category": category }),
        ));
        let kind = if noise(9 + alert, 4) == 0 { "Critical" } else { "Warning" };
        for id in ["alerts-by-local-day", "alerts-by-type"] {
            let values = json!({ "alert_type": kind, "alert_category": LABEL });
            records.push(record(id, 21 + alert, values));
        }
    }
    records
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use metricd_core::sql::Gate;

    use super::*;

    #[test]
    fn every_made_up_record_is_labelled_and_none_lies_ahead() {
        let today = NaiveDate::from_ymd_opt(2025, 8, 5).unwrap();
        let records = made_up_records(today);
        assert!(records.len() > 500);
        for record in &records {
            let labelled = [&record["alert_type"], &record["alert_category"]]
                .into_iter()
                .any(|text| text.as_str() == Some(LABEL));
            assert!(labelled, "{record}");
            assert!(record["date"].as_str().unwrap() < "2025-08-06", "{record}");
        }
    }

    #[test]
    fn nothing_is_found_in_the_sample() {
        let example =
            |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name);
        let files = CatalogFiles {
            queries: Some(load_queries(&example("queries.csv"))),
            metrics: Some(load_metrics(&example("metrics.json"))),
            records: Some(Box::new(RecordFile::open(&example("metric_records.json")))),
        };
        let report = metricd_application::catalog::validate(
            files,
            true,
            &Gate::default(),
            &BTreeSet::new(),
            &|_| (),
        );
        assert_eq!(report.findings.listed(), []);
    }

    #[test]
    fn the_shown_metric_is_in_the_sample() {
        assert!(METRICS.contains(SHOWN_METRIC));
    }
}

//! The catalog of a run: identical metrics, and their records of one year.

use std::{
    fmt::Write as _,
    fs,
    io::{BufWriter, Write as _},
    path::Path,
};

use anyhow::Result;
use chrono::{NaiveDate, NaiveTime, TimeDelta};
use metricd_acceptance::native::Postgres;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};

/// The initial number of metrics.
pub(crate) const METRICS: u32 = 10;
/// The initial number of records of a metric: one every nine hours or so of 2025.
pub(crate) const RECORDS: u32 = 1_000;

/// The columns of a record besides its keys.
const RECORD: &str =
    "date, obsolescence_val, obsolescence, parts_flagged, alert_type, alert_category";

/// The window of repeated requests: thirty days, with a row for each.
pub(crate) const WINDOW: &str = "?start_date=2025-06-01&end_date=2025-06-30";

/// The path of the metric `number`, from 1 on.
pub(crate) fn path(number: u32) -> String {
    format!("/metrics/{}", metric(number))
}

fn metric(number: u32) -> String {
    format!("00000000-0000-4000-8000-{number:012x}")
}

fn query(number: u32) -> String {
    format!("cost-{number:06}")
}

/// An author's SQL: a month's costs, day by day.
fn sql(number: u32) -> String {
    format!(
        "-- Cost avoided, day by day\n\
         SELECT date_trunc('day', date)::date AS day,\n\
         \x20 sum(obsolescence_val) AS cost_avoided,\n\
         \x20 sum(parts_flagged) AS parts_flagged,\n\
         \x20 count(*) AS alerts\n\
         FROM metrics\n\
         WHERE id = '{}' AND date BETWEEN :start_date AND :end_date\n\
         GROUP BY 1 ORDER BY 1",
        query(number)
    )
}

/// Writes `metrics.json`, `queries.csv` and `records.json` of the first metrics into `folder`.
pub(crate) fn write(folder: &Path) -> Result<()> {
    let mut queries = String::from("id,query\n");
    let (mut items, mut tiles) = (Vec::new(), Vec::new());
    for number in 1..=METRICS {
        writeln!(queries, "{},\"{}\"", query(number), sql(number))?;
        items.push(json!({
            "id": metric(number), "queryId": query(number), "isEditable": true,
        }));
        tiles.push(json!({
            "i": metric(number), "x": 0, "y": number, "w": 6, "h": 8, "static": false,
        }));
    }
    fs::write(folder.join("queries.csv"), queries)?;
    let metrics = json!({ "items": items, "layouts": { "lg": tiles, "md": tiles } });
    fs::write(folder.join("metrics.json"), metrics.to_string())?;
    write_records(&folder.join("records.json"), METRICS * RECORDS)
}

/// Writes `records` records, as many of each metric's query, for `metricd import`.
pub(crate) fn write_records(path: &Path, records: u32) -> Result<()> {
    let mut file = BufWriter::new(fs::File::create(path)?);
    let of_each = records / METRICS;
    let begin = NaiveDate::from_ymd_opt(2025, 1, 1).unwrap_or_default().and_time(NaiveTime::MIN);
    let year = 365 * 24 * 3_600;
    for number in 1..=METRICS {
        for k in 0..of_each {
            let second = i64::from(year) * i64::from(k) / i64::from(of_each);
            let date = begin + TimeDelta::seconds(second);
            let alert = ["Warning", "Critical", "Info"][(k % 3) as usize];
            let record = json!({
                "id": query(number),
                "date": date.format("%Y-%m-%dT%H:%M:%S").to_string(),
                "obsolescence_val": f64::from(k * 79 % 10_000) / 100.0,
                "obsolescence": f64::from(k % 90),
                "parts_flagged": k * 31 % 97,
                "alert_type": alert,
                "alert_category": (k % 4 == 0).then_some("Needs approval"),
            });
            let before = if (number, k) == (1, 0) { "[\n" } else { ",\n" };
            write!(file, "{before}{record}")?;
        }
    }
    file.write_all(b"]\n")?;
    Ok(file.flush()?)
}

/// Leaves the first metric's records alone in the table, and adds others that are never read, up to
/// `records` in all.
pub(crate) async fn grow_records(postgres: &Postgres, database: &str, records: u32) -> Result<()> {
    let first = query(1);
    let others = records / RECORDS - 1;
    let rest = format!("DELETE FROM metrics WHERE id <> '{first}'");
    let copies = format!(
        "INSERT INTO metrics ({RECORD}, id, metric_id) \
         SELECT {RECORD}, 'other-' || lpad(n::text, 6, '0'), gen_random_uuid() \
         FROM generate_series(1, {others}) AS n, metrics WHERE id = '{first}'"
    );
    run(postgres, database, &[&rest, &copies, "VACUUM (ANALYZE) metrics"]).await
}

/// Adds metrics like the first one, up to `metrics` in all, with queries of their own and no records.
/// They are copied inside the database: any other way takes several round trips for each.
pub(crate) async fn grow_metrics(postgres: &Postgres, database: &str, metrics: u32) -> Result<()> {
    let (first, next) = (metric(1), METRICS + 1);
    let own = "'cost-' || lpad(n::text, 6, '0')";
    let id = "('00000000-0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid";
    let first_query = query(1);
    let queries = format!(
        "INSERT INTO metricd.queries SELECT (jsonb_populate_record(q, jsonb_build_object(\
             'id', {own}, 'sql', replace(q.sql, '{first_query}', {own}), \
             'template', replace(q.template::text, '{first_query}', {own})::jsonb))).* \
         FROM metricd.queries AS q, generate_series({next}, {metrics}) AS n \
         WHERE q.id = '{first_query}'"
    );
    let copies = format!(
        "INSERT INTO metricd.metric_configurations SELECT (jsonb_populate_record(m, \
             jsonb_build_object('id', {id}, 'query_id', {own}))).* \
         FROM metricd.metric_configurations AS m, generate_series({next}, {metrics}) AS n \
         WHERE m.id = '{first}'"
    );
    let layouts = format!(
        "INSERT INTO metricd.layout_items SELECT (jsonb_populate_record(l, \
             jsonb_build_object('metric_id', {id}))).* \
         FROM metricd.layout_items AS l, generate_series({next}, {metrics}) AS n \
         WHERE l.metric_id = '{first}'"
    );
    run(postgres, database, &[&queries, &copies, &layouts, "VACUUM (ANALYZE)"]).await
}

/// Runs statements as the database's superuser.
pub(crate) async fn run(postgres: &Postgres, database: &str, statements: &[&str]) -> Result<()> {
    let mut connection = postgres.connect(database).await?;
    for statement in statements {
        connection.execute(AssertSqlSafe((*statement).to_owned())).await?;
    }
    Ok(connection.close().await?)
}
